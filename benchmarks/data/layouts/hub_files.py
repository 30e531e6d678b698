"""A dataset's files in the cache of the Hugging Face hub: where they are, what lacks, and how they come."""

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, cast

from unlearn_bench.downloads.assets import Asset, Availability, Fetched
from unlearn_bench.downloads.transfer import Checksum, set_aside
from unlearn_bench.errors import InputError

_SHARD = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<rest>\..*)$")
_NEVER = ("*.py", ".git*")
"""Code and git's own files are of no use: only data are loaded, never somebody's program."""


@dataclass(frozen=True, kw_only=True)
class HubRepository:
    """A dataset repository.

    Attributes:
        name: `owner/name`. revision: branch, tag or commit. patterns: of the files that are wanted; empty for all.
    """

    name: str
    revision: str = "main"
    patterns: tuple[str, ...] = ()

    def wants(self, file: str) -> bool:
        """Whether a file of the repository is wanted; its card always is, since class names may be in it."""
        if any(fnmatch(Path(file).name, pattern) for pattern in _NEVER):
            return False
        return not self.patterns or file == "README.md" or any(fnmatch(file, pattern) for pattern in self.patterns)


def find_snapshot(repository: HubRepository) -> Path | None:
    """The folder of the revision in the hub's cache (`snapshots/<commit>`), without the network; None if absent."""
    folder = cache_folder(repository.name)
    reference = folder / "refs" / repository.revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else repository.revision
    path = folder / "snapshots" / commit
    return path if path.is_dir() else None


def cache_folder(name: str) -> Path:
    """Where the hub's client keeps the repository: `datasets--owner--name` in its cache."""
    from huggingface_hub import constants  # noqa: PLC0415  (slow to import; read late, as tests and users set it)

    return Path(constants.HF_HUB_CACHE) / "--".join(["datasets", *name.split("/")])


def wanted_files(repository: HubRepository, snapshot: Path) -> list[Path]:
    """Files of the snapshot that the repository wants, links to nothing among them."""
    files = [path for path in sorted(snapshot.rglob("*")) if path.is_symlink() or path.is_file()]
    return [path for path in files if repository.wants(path.relative_to(snapshot).as_posix())]


def shortfall(repository: HubRepository, snapshot: Path) -> str:
    """What the snapshot lacks as far as the disk tells: half a download, a link to nothing, a shard of a series."""
    files = wanted_files(repository, snapshot)
    names = [path.relative_to(snapshot).as_posix() for path in files]
    for pattern in repository.patterns:
        if not any(fnmatch(name, pattern) for name in names):
            return f"no file {pattern!r} is here"
    if not [name for name in names if name != "README.md"]:
        return "no data files are here"
    for path, name in zip(files, names, strict=True):
        if not path.is_file():
            return f"{name!r} is a link to nothing"
        shard = _SHARD.match(name)
        if shard:
            count = int(shard["count"])
            series = [f"{shard['stem']}-{number:05d}-of-{count:05d}{shard['rest']}" for number in range(count)]
            lacking = [item for item in series if item not in names]
            if lacking:
                return f"{len(lacking)} of {count} parts are not here, first {lacking[0]!r}"
    return ""


class HubAsset(Asset):
    """A dataset of the Hugging Face hub, kept in the hub's own cache, so that other programs share it."""

    kind: Literal["weights", "images"] = "images"

    def __init__(self, name: str, repository: HubRepository, *, licence: str, size: int | None = None) -> None:
        self.name, self.repository, self.licence, self._size = name, repository, licence, size
        self.source = f"Hugging Face hub, {repository.name}"

    def availability(self) -> Availability:
        """Present when the snapshot's wanted files are whole."""
        folder = cache_folder(self.repository.name)
        snapshot = find_snapshot(self.repository)
        half = sorted((folder / "blobs").glob("*.incomplete"))
        if snapshot is None:
            state: Literal["partial", "missing"] = "partial" if half else "missing"
            return Availability(state=state, path=str(folder), bytes=self._size, note=_half_note(half))
        note = shortfall(self.repository, snapshot) or _half_note(half)
        if note:
            return Availability(state="partial", path=str(snapshot), bytes=self._size, note=note)
        size = sum(path.stat().st_size for path in wanted_files(self.repository, snapshot))
        return Availability(state="present", path=str(snapshot), bytes=size)

    def fetch(self, progress: Fetched) -> None:
        """Download what is missing; large files are verified by the SHA-256 sums that the hub states."""
        if self.availability().state == "present":
            return
        try:
            self._fetch(progress)
        except InputError:
            raise
        except Exception as error:  # the hub's client raises errors of many libraries
            reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
            raise InputError(
                f"{self.repository.name!r} can't be fetched from the Hugging Face hub ({reason}); what came is kept "
                "and the next run goes on there; go online, or give a local folder"
            ) from error

    def _fetch(self, progress: Fetched) -> None:
        import huggingface_hub  # noqa: PLC0415  (slow to import)

        name = self.repository.name
        listed = huggingface_hub.HfApi().dataset_info(name, revision=self.repository.revision, files_metadata=True)
        files = [item for item in listed.siblings or [] if self.repository.wants(item.rfilename)]
        if not files or listed.sha is None:
            raise InputError(f"{name!r} on the Hugging Face hub has no files {', '.join(self.repository.patterns)}")
        total, done = sum(item.size or 0 for item in files), 0
        for item in files:
            path = huggingface_hub.hf_hub_download(
                name,
                item.rfilename,
                repo_type="dataset",
                revision=listed.sha,
                tqdm_class=_bar(progress, done, total),
            )
            if item.lfs is not None:
                _verify(Path(path), item.lfs.sha256, f"{name}/{item.rfilename}")
            done += item.size or 0
            progress(done, total)
        reference = cache_folder(name) / "refs" / self.repository.revision
        if self.repository.revision != listed.sha:  # written last: a branch points only at what came completely
            reference.parent.mkdir(parents=True, exist_ok=True)
            reference.write_text(listed.sha, encoding="utf-8")


def _bar(progress: Fetched, done: int, total: int) -> type:
    """A progress bar of the kind that the hub's client fills, which draws nothing and reports instead."""
    kind = importlib.import_module("tqdm.auto").tqdm
    here = done

    def start(self: object, *arguments: object, **settings: object) -> None:
        nonlocal here
        kind.__init__(self, *arguments, **{**settings, "disable": True})
        here += int(cast(int, settings.get("initial") or 0))

    def update(_: object, count: float | None = 1) -> None:
        nonlocal here
        here += int(count or 0)
        progress(min(here, total), total)

    members: dict[str, Callable[..., None]] = {"__init__": start, "update": update}
    return type("ReportingBar", (kind,), members)


def _verify(path: Path, expected: str, name: str) -> None:
    found = Checksum(kind="sha256", value=expected).of(path)
    if found == expected:
        return
    broken = set_aside(path.resolve())
    path.unlink(missing_ok=True)
    raise InputError(f"{name} has SHA-256 {found}, expected {expected}; it is kept as {str(broken)!r}; run again")


def _half_note(half: Sequence[Path]) -> str:
    if not half:
        return ""
    return f"{sum(path.stat().st_size for path in half)} bytes of a download that stopped are here; fetching goes on"
