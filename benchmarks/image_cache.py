"""Decoded images, once per dataset, split and preparation: an array on disk that all workers map."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unlearn_bench.benchmarks.data.base import BadImageError, Dataset, Split
from unlearn_bench.cache import atomic_path, cache_root, locked, make_folder, write_text
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class PreparedImages:
    """A split as a model takes it.

    Attributes:
        pixels: (N, H, W, 3) uint8 (or what the model's own `prepare` gives), mapped from disk copy-on-write.
        labels: (N,) int64. names: of the N pictures. domains: N names, or empty.
        skipped: names of pictures that could not be read and were left out.
        content: a hash of the pixels and labels, for the record.
    """

    pixels: Tensor
    labels: Tensor
    names: tuple[str, ...]
    domains: tuple[str, ...]
    skipped: tuple[str, ...]
    content: str

    def __len__(self) -> int:
        return len(self.labels)


def prepared_images(dataset: Dataset, split: Split, clip: Clip, *, skip_bad: bool = False) -> PreparedImages:
    """The split's images as `clip` prepares them, from the cache or made now.

    Two processes may ask at once: one makes the cache, the other waits for it. A cache file that does not match its
    description is set aside as `.broken` and made again.

    Raises:
        BadImageError: a picture can't be read and `skip_bad` is off.
        InputError: the split has no pictures, or the cache folder can't be written.
    """
    folder = make_folder(cache_root() / "images", what="cache folder")
    path = folder / f"{_cache_name(dataset, split, clip, skip_bad=skip_bad)}.npy"
    with locked(path):
        if not _complete(path):
            _build(path, dataset, split, clip.prepare, skip_bad=skip_bad)
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    # Copy-on-write: a method that writes into a read-only map would end the process with a segmentation fault.
    # Rows past the labels are room left by pictures that were skipped.
    pixels = torch.from_numpy(np.load(path, mmap_mode="c"))
    return PreparedImages(
        pixels=pixels[: len(facts["labels"])],
        labels=torch.tensor(facts["labels"], dtype=torch.int64),
        names=tuple(facts["names"]),
        domains=tuple(facts["domains"]),
        skipped=tuple(facts["skipped"]),
        content=facts["content"],
    )


def _cache_name(dataset: Dataset, split: Split, clip: Clip, *, skip_bad: bool) -> str:
    parts = [_FORMAT, dataset.name, dataset.version, dataset.rendering, split, clip.preparation, skip_bad]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    readable = "".join(char if char.isalnum() or char in "-_" else "-" for char in dataset.name)
    return f"{readable}-{split}-{digest}"


def _complete(path: Path) -> bool:
    described = path.with_suffix(".json")
    if not (path.is_file() and described.is_file()):
        return False
    try:
        facts = json.loads(described.read_text(encoding="utf-8"))
        sound = bool(path.stat().st_size == facts["bytes"])
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        path.replace(path.with_suffix(".npy.broken"))
    return sound


def _build(
    path: Path,
    dataset: Dataset,
    split: Split,
    prepare: Callable[[Image.Image], np.ndarray],
    *,
    skip_bad: bool,
) -> None:
    index = dataset.index(split)
    if not len(index):
        raise InputError(f"dataset {dataset.name!r} has no images in its split {split!r}")
    kept: list[int] = []
    skipped: list[str] = []
    digest = hashlib.sha256()
    try:
        with atomic_path(path) as part:
            array: np.memmap | None = None
            for row, pixels in _decode(dataset, split, prepare, len(index), skipped if skip_bad else None):
                if array is None:
                    _check_space(path.parent, len(index) * pixels.nbytes)
                    shape = (len(index), *pixels.shape)
                    array = np.lib.format.open_memmap(part, mode="w+", dtype=pixels.dtype, shape=shape)
                array[len(kept)] = pixels
                digest.update(pixels.tobytes())
                kept.append(row)
            if array is None:
                raise InputError(f"no image of {dataset.name!r} in the split {split!r} can be read")
            array.flush()
        labels = [index.labels[row] for row in kept]
        digest.update(json.dumps(labels).encode())
        facts = {
            "labels": labels,
            "names": [index.names[row] for row in kept],
            "domains": [index.domains[row] for row in kept] if index.domains else [],
            "skipped": skipped,
            "content": digest.hexdigest()[:16],
            "bytes": path.stat().st_size,
        }
        write_text(path.with_suffix(".json"), json.dumps(facts))
    except OSError as error:
        raise InputError(
            f"the image cache {str(path.parent)!r} can't be written ({error.strerror}); free space there or set "
            "UNLEARN_BENCH_CACHE to another folder"
        ) from error


def _decode(
    dataset: Dataset,
    split: Split,
    prepare: Callable[[Image.Image], np.ndarray],
    count: int,
    skipped: list[str] | None,
) -> Iterator[tuple[int, np.ndarray]]:
    for row in range(count):
        try:
            yield row, prepare(dataset.picture(split, row))
        except BadImageError as error:
            if skipped is None:
                raise
            skipped.append(error.name)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"the image cache needs {needed / 2**20:.0f} MiB in {str(folder)!r}, where {free / 2**20:.0f} MiB are "
            "free; free some, or set UNLEARN_BENCH_CACHE to another folder"
        )
