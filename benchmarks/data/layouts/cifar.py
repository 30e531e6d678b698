"""CIFAR-10 and CIFAR-100 from the pickled batches of their author."""

import hashlib
import io
import pickle
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.dataset.partition import FIFTH, cut_by_hash, default_classes
from unlearn_bench.benchmarks.data.layouts.photograph_facts import Facts
from unlearn_bench.errors import InputError

_BATCHES: dict[str, tuple[str, dict[str, tuple[str, ...]], str, str, str]] = {
    # folder, files of the official splits, file of the names, their key, key of the labels
    "cifar10": (
        "cifar-10-batches-py",
        {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)},
        "batches.meta",
        "label_names",
        "labels",
    ),
    "cifar100": (
        "cifar-100-python",
        {"train": ("train",), "test": ("test",)},
        "meta",
        "fine_label_names",
        "fine_labels",
    ),
}
_SIDE = 32


class _ArraysOnly(pickle.Unpickler):
    """Unpickles what a batch consists of, and calls nothing else that a file may name."""

    def find_class(self, module: str, name: str) -> object:
        """NumPy's arrays, by the module names of old and new versions."""
        if module in {"numpy", "numpy.core.multiarray", "numpy._core.multiarray"} and name in {
            "_reconstruct",
            "ndarray",
            "dtype",
        }:
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch holds")


class CifarDataset(Dataset):
    """The official train (less a fifth of each class, by a hash of the file names: val) and test, 32 x 32.

    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images. Departures: none.

    Raises:
        InputError: a batch is missing, damaged, or is no batch.
    """

    split_name = "official"
    threadsafe = True

    def __init__(self, name: str, facts: Facts, root: Path) -> None:
        folder, files, meta, names_key, self._labels_key = _BATCHES[name]
        if not root.is_dir():
            raise InputError(
                f"no folder at {str(root)!r}; give {name}:/path with {facts.title} as its author packs it"
            )
        self.root = root if (root / meta).is_file() else root / folder
        self.path = self.root
        self.name, self.template, self.licence, self.source = name, facts.template, facts.licence, facts.source
        self._files = files
        self.class_names = tuple(
            facts.as_named(item) for item in _field(_load(self.root / meta), names_key, self.root)
        )
        self.forget_classes, self.tuning_classes = default_classes(self.class_names)
        for file in (file for part in files.values() for file in part):
            if not (self.root / file).is_file():
                raise InputError(f"no {file!r} in {str(self.root)!r}; complete {facts.title} there")

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        """The split's name and a hash of pixels, labels and class names."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for part in sorted(self._official):
            pixels, labels, names = self._official[part]
            digest.update(pixels.tobytes() + repr((labels, names)).encode())
        return f"{self.split_name}-{digest.hexdigest()[:12]}"

    @cached_property
    def _official(self) -> dict[str, tuple[np.ndarray, list[int], list[str]]]:
        """Pixels (N, 32, 32, 3), labels and file names of the official splits."""
        found = {}
        for part, files in self._files.items():
            batches = [_load(self.root / file) for file in files]
            data = np.concatenate([np.asarray(_field(batch, "data", self.root)) for batch in batches])
            labels = [int(label) for batch in batches for label in _field(batch, self._labels_key, self.root)]
            names = [str(name) for batch in batches for name in _field(batch, "filenames", self.root)]
            if data.shape != (len(labels), 3 * _SIDE * _SIDE) or data.dtype != np.uint8 or len(names) != len(labels):
                raise InputError(
                    f"a batch in {str(self.root)!r} has pixels of shape {data.shape}; get the files again"
                )
            if any(not 0 <= label < len(self.class_names) for label in labels):
                raise InputError(f"a batch in {str(self.root)!r} has labels of no class; get the files again")
            found[part] = data.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1), labels, names
        return found

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        """Rows of the official arrays for each split."""
        _, labels, names = self._official["train"]
        cut = cut_by_hash(range(len(labels)), FIFTH, group=lambda row: labels[row], name=lambda row: names[row])
        return {part: sorted(rows) for part, rows in cut.items()} | {
            "test": list(range(len(self._official["test"][1])))
        }

    def index(self, split: Split) -> Index:
        """Labels and the names that the author gave the images."""
        if split not in self._rows:
            return Index(labels=(), names=())
        _, labels, names = self._official["test" if split == "test" else "train"]
        rows = self._rows[split]
        return Index(labels=tuple(labels[row] for row in rows), names=tuple(names[row] for row in rows))

    def picture(self, split: Split, row: int) -> Image.Image:
        """The image `row` of the split, RGB, 32 x 32."""
        pixels, _, _ = self._official["test" if split == "test" else "train"]
        return Image.fromarray(np.ascontiguousarray(pixels[self._rows[split][row]]))


def _load(path: Path) -> dict[str, Any]:
    try:
        found = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except FileNotFoundError as error:
        raise InputError(f"no {path.name!r} in {str(path.parent)!r}; complete the dataset there") from error
    except Exception as error:  # what unpickling raises depends on where the damage is
        reason = str(error).split("\n", 1)[0]
        raise InputError(f"{str(path)!r} can't be read as a batch ({reason}); get the file again") from error
    if not isinstance(found, dict):
        raise InputError(f"{str(path)!r} holds a {type(found).__name__}, not a batch; get the file again")
    return found


def _field(batch: dict[str, Any], key: str, root: Path) -> Sequence[Any]:
    if key not in batch:
        raise InputError(f"a batch in {str(root)!r} has no {key!r}; its fields are {', '.join(sorted(batch))}")
    found: Sequence[Any] = batch[key]
    return found
