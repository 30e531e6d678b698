"""What `prepare` needs to know of the photographs: whether they are here, and how they come."""

from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from unlearn_bench.benchmarks.data.dataset.base import SPLITS, Dataset
from unlearn_bench.benchmarks.data.fetching.archives import move_into, scratch, unpack
from unlearn_bench.benchmarks.data.layouts.hub import mirror_repository
from unlearn_bench.benchmarks.data.layouts.hub_files import HubAsset
from unlearn_bench.benchmarks.data.layouts.hub_spec import hub_repository, parse_hub_spec
from unlearn_bench.benchmarks.data.layouts.photograph_facts import PHOTOGRAPHS, Download, Facts
from unlearn_bench.benchmarks.data.layouts.photographs import find_folder, open_folder
from unlearn_bench.cache import data_root, locked, make_folder
from unlearn_bench.downloads.assets import Asset, Availability, Fetched
from unlearn_bench.downloads.transfer import PART, Checksum, bytes_at, download
from unlearn_bench.errors import InputError


class PhotographAsset(Asset):
    """A dataset's files in the data folder: from its authors' servers, or by hand where nobody can download them."""

    kind: Literal["weights", "images"] = "images"

    def __init__(self, name: str) -> None:
        facts = PHOTOGRAPHS[name]
        self.name, self.source, self.licence = name, facts.source, facts.licence
        self.facts: Facts = facts

    @property
    def folder(self) -> Path:
        """Where the files are, or will be."""
        return find_folder(self.name) or data_root() / self.facts.folders[0]

    def availability(self) -> Availability:
        """Present when the dataset opens, with as many classes and images as it has when complete."""
        expected = sum(item.bytes or 0 for item in self.facts.downloads) or None
        root = find_folder(self.name)
        if root is None:
            waiting = [file for file in self._waiting() if file.is_file()]
            return Availability(
                state="partial" if waiting else "missing",
                path=str(self.folder),
                bytes=expected,
                note=_waiting_note(waiting) if waiting else self.facts.by_hand,
            )
        try:
            dataset = open_folder(self.name, root)
            note = _shortfall(self.facts, dataset)
        except InputError as error:
            note = str(error)
        size = bytes_at(root)
        return Availability(
            state="partial" if note else "present", path=str(root), bytes=expected if note else size, note=note
        )

    def fetch(self, progress: Fetched) -> None:
        """Download, verify, unpack; what is complete is left alone, and so are other files of the folder."""
        if self.availability().state == "present":
            return
        if not self.facts.downloads:
            raise InputError(
                f"{self.name!r} can't be fetched: {self.facts.by_hand}; expected in {str(self.folder)!r}"
            )
        make_folder(data_root(), what="data folder")
        with locked(data_root() / self.name):
            files = [self._file(item) for item in self.facts.downloads]
            self._download(files, progress)
            with scratch(self.folder) as fresh:
                for item, file in zip(self.facts.downloads, files, strict=True):
                    _place(item, file, fresh)
                move_into(fresh, self.folder)
            for file in files:
                file.unlink(missing_ok=True)
        left = self.availability()
        if left.state != "present":
            raise InputError(f"{self.name!r} is not complete after its download: {left.note}")

    def _download(self, files: list[Path], progress: Fetched) -> None:
        expected = sum(item.bytes or 0 for item in self.facts.downloads) or None
        done = 0
        for item, file in zip(self.facts.downloads, files, strict=True):
            if not file.is_file():
                before = done

                def report(here: int, _: int | None, before: int = before) -> None:
                    progress(before + here, expected and max(expected, before + here))

                try:
                    download(item.url, file, checksum=Checksum(kind="md5", value=item.md5), progress=report)
                except InputError as error:
                    raise InputError(
                        f"{self.name!r} can't be fetched ({error}); run again, or download {item.url} by hand"
                    ) from error
            done += file.stat().st_size
            progress(done, expected and max(expected, done))

    def _file(self, item: Download) -> Path:
        """Where a download is kept until it is unpacked: apart from the data, so that it does not look like some."""
        return data_root() / ".downloads" / self.name / PurePosixPath(urlsplit(item.url).path).name

    def _waiting(self) -> list[Path]:
        files = [self._file(item) for item in self.facts.downloads]
        return [*files, *(file.with_name(file.name + PART) for file in files)]


def photograph_asset(name: str) -> Asset:
    """The asset of one of the photographs: its folder where there is one, else its mirror where it has one."""
    facts = PHOTOGRAPHS[name]
    if facts.mirror is None or find_folder(name) is not None:
        return PhotographAsset(name)
    return HubAsset(name, mirror_repository(facts), licence=facts.licence, size=facts.mirror.bytes)


def hub_asset(spec: str) -> Asset:
    """The asset of `hf:owner/name?..`."""
    name, options = parse_hub_spec(spec)
    return HubAsset(spec, hub_repository(name, options), licence="as its card on the hub says")


def _place(item: Download, file: Path, fresh: Path) -> None:
    if not item.unpack:
        (fresh / file.name).write_bytes(file.read_bytes())
        return
    unpack(file, fresh)
    for inner in item.inner:
        unpack(fresh / inner, fresh)
        (fresh / inner).unlink()


def _waiting_note(files: list[Path]) -> str:
    size = sum(file.stat().st_size for file in files)
    return f"{size} bytes of the download are here; fetching goes on there"


def _shortfall(facts: Facts, dataset: Dataset) -> str:
    """What a dataset that opens lacks nevertheless; empty where it is whole. A split file may leave images out."""
    if len(dataset.class_names) != facts.classes:
        return f"{len(dataset.class_names)} classes are here, {facts.classes} expected; complete the folder"
    counts = {split: len(dataset.index(split)) for split in SPLITS}
    total = sum(counts.values())
    if not dataset.split_name.startswith("split_") and total != facts.total:
        return f"{total} images are here, {facts.total} expected; complete the folder"
    return ""
