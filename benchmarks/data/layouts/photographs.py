"""`caltech101`, `stanford-cars:/path`, ...: photographs on disk, in the layout of their authors."""

import hashlib
import json
from functools import cached_property
from pathlib import Path

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.dataset.partition import default_classes
from unlearn_bench.benchmarks.data.dataset.pictures import read_rgb
from unlearn_bench.benchmarks.data.layouts.official import find_layout
from unlearn_bench.benchmarks.data.layouts.photograph_facts import PHOTOGRAPHS, Facts
from unlearn_bench.benchmarks.data.layouts.split_files import Sample, find_split_file, read_split_file
from unlearn_bench.cache import data_root
from unlearn_bench.errors import InputError


class PhotographDataset(Dataset):
    """A dataset of photographs in its original layout.

    A split file beside the images (`split_*.json`) is used as it is; otherwise the official split, of which a fifth
    of train becomes val where it has none; otherwise a cut by a hash of the file names. `version` is the split's
    name and a hash of class names, paths, labels and sizes in bytes: reading every byte of five gigabytes each time
    would cost minutes, and the image cache hashes the pixels.

    Raises:
        InputError: not the original layout, a split that can't be read, or images of it that are not there.
    """

    path: Path
    threadsafe = True

    def __init__(self, name: str, facts: Facts, root: Path) -> None:
        layout = find_layout(name, facts, root)
        file = find_split_file([root, layout.root, layout.images])
        listing = read_split_file(file, as_named=facts.as_named) if file else layout.listing()
        self.name, self.images, self.path = name, layout.images, root
        self.template, self.licence, self.source = facts.template, facts.licence, facts.source
        self.class_names, self.split_name = listing.class_names, listing.split_name
        self.forget_classes, self.tuning_classes = facts.forget_classes, facts.tuning_classes
        if not facts.forget_classes:
            self.forget_classes, self.tuning_classes = default_classes(self.class_names)
        self._splits = listing.splits
        self._check()
        self.sizes = self._measure()

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        """The split's name and a hash of what is in it."""
        rows = [[split, item.path, item.label, self.sizes[item.path]] for split, item in self._all()]
        digest = hashlib.sha256(json.dumps([self.class_names, rows]).encode())
        return f"{self.split_name}-{digest.hexdigest()[:12]}"

    def index(self, split: Split) -> Index:
        """Labels, and paths below the images' folder."""
        samples = self._splits.get(split, ())
        return Index(labels=tuple(item.label for item in samples), names=tuple(item.path for item in samples))

    def picture(self, split: Split, row: int) -> Image.Image:
        """The photograph, as RGB."""
        path = self.images / self._splits[split][row].path
        return read_rgb(path, name=str(path))

    def _all(self) -> list[tuple[str, Sample]]:
        return [(split, item) for split in sorted(self._splits) for item in self._splits[split]]

    def _check(self) -> None:
        twice = sorted({name for name in self.class_names if self.class_names.count(name) > 1})
        if twice:
            raise InputError(f"{self.name!r} in {str(self.path)!r} has several classes called {', '.join(twice[:5])}")
        strange = [item for _, item in self._all() if not 0 <= item.label < len(self.class_names)]
        if strange:
            raise InputError(
                f"{self.name!r} in {str(self.path)!r}: image {strange[0].path!r} has a label of no class"
            )

    def _measure(self) -> dict[str, int]:
        """Sizes in bytes by path: what proves at once that every image is there."""
        sizes, missing = {}, []
        for _, item in self._all():
            try:
                sizes[item.path] = (self.images / item.path).stat().st_size
            except OSError:
                missing.append(item.path)
        if missing:
            raise InputError(
                f"{len(missing)} of {len(missing) + len(sizes)} images of {self.name!r} (split {self.split_name!r}) "
                f"are not in {str(self.images)!r}, first {missing[0]!r}; complete the folder"
            )
        return sizes


def find_folder(name: str) -> Path | None:
    """The sub-folder of the data folder that holds the dataset, whole or not; None where there is none."""
    for folder in PHOTOGRAPHS[name].folders:
        path = data_root() / folder
        if path.is_dir() and any(not item.name.startswith(".") for item in path.iterdir()):
            return path
    return None


def open_folder(name: str, root: Path) -> Dataset:
    """The dataset `name` from `root`."""
    facts = PHOTOGRAPHS[name]
    if name in {"cifar10", "cifar100"}:
        from unlearn_bench.benchmarks.data.layouts.cifar import CifarDataset  # noqa: PLC0415  (the other layouts need it not)

        return CifarDataset(name, facts, root)
    return PhotographDataset(name, facts, root)


def open_photographs(name: str) -> Dataset:
    """The dataset `name` from the data folder, else from its mirror where that was fetched.

    Raises:
        InputError: it is on this machine in neither way.
    """
    root = find_folder(name)
    if root is not None:
        return open_folder(name, root)
    facts = PHOTOGRAPHS[name]
    if facts.mirror is not None:
        from unlearn_bench.benchmarks.data.layouts.hub import open_mirror  # noqa: PLC0415  (the hub's client is slow to import)

        return open_mirror(name, facts)
    raise InputError(
        f"dataset {name!r} is not on this machine; expected in {str(data_root() / facts.folders[0])!r}; "
        f"run `unlearn-bench prepare`, or give {name}:/path"
    )
