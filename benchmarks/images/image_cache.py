"""Decoded images, once per dataset, split and preparation: an array on disk that all workers map."""

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Split
from unlearn_bench.benchmarks.images.image_building import Told, build_array, content_hash
from unlearn_bench.cache import cache_folder, cache_root, locked
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.sealing import is_whole, seal, sealed_path

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class PreparedImages:
    """A split as a model takes it.

    Attributes:
        pixels: (N, H, W, 3) uint8 (or what the model's own `prepare` gives), mapped from disk copy-on-write.
        labels: (N,) int64. names: of the N pictures. domains: N names, or empty.
        skipped: names of pictures that could not be read and were left out.
        content: a hash of the pixels and labels, for the record.
        captions: of each picture, one or several; or empty.
    """

    pixels: Tensor
    labels: Tensor
    names: tuple[str, ...]
    domains: tuple[str, ...]
    skipped: tuple[str, ...]
    content: str
    captions: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, per_class: int) -> "PreparedImages":
        """At most so many images of each class, the first ones in their order."""
        seen: dict[int, int] = {}
        rows = []
        for row, label in enumerate(self.labels.tolist()):
            seen[label] = seen.get(label, 0) + 1
            if seen[label] <= per_class:
                rows.append(row)
        if len(rows) == len(self):
            return self
        kept = torch.tensor(rows, dtype=torch.int64)
        return replace(
            self,
            pixels=self.pixels[kept],
            labels=self.labels[kept],
            names=tuple(self.names[row] for row in rows),
            domains=tuple(self.domains[row] for row in rows) if self.domains else (),
            captions=tuple(self.captions[row] for row in rows) if self.captions else (),
            content=f"{self.content}, {per_class} a class",
        )


def prepared_images(
    dataset: Dataset,
    split: Split,
    clip: Clip,
    *,
    skip_bad: bool = False,
    told: Told | None = None,
) -> PreparedImages:
    """The split's images as `clip` prepares them, from the cache or made now, with as many threads as torch has.

    Two processes may ask at once: one makes the cache, the other waits for it. A cache file that is not
    what was written is set aside as `.broken` and made again. `told` hears how many images are decoded.

    Raises:
        BadImageError: a picture can't be read and `skip_bad` is off.
        InputError: the split has no pictures, or the cache folder can't be written.
    """
    folder = cache_folder("images")
    path = folder / f"{_cache_name(dataset, split, clip, skip_bad=skip_bad)}.npy"
    with locked(path):
        if not (is_whole(path) and is_whole(path.with_suffix(".json"))):
            _build(path, dataset, split, clip.prepare, skip_bad=skip_bad, told=told)
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if dataset.pictures:  # the labels of whoever made the cache need not be the ones that are asked for now
        index = dataset.index(split)
        labels = dict(zip(index.names, index.labels, strict=True))
        facts["labels"] = [labels[name] for name in facts["names"]]
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
        captions=tuple(tuple(texts) for texts in facts.get("captions", ())),
    )


def cached_pixels(wanted: Collection[str]) -> dict[str, NDArray[np.uint8]]:
    """By content hash, the pixels (N, H, W, 3) of these images that the cache holds, mapped from disk: to look at.

    Whatever is not there, or is no cache of pictures, is left out; nothing is made, mended, or read as a whole.
    """
    found: dict[str, NDArray[np.uint8]] = {}
    for path in sorted((cache_root() / "images").glob("*.json")) if wanted else ():
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts["content"] in wanted:
                pixels = np.load(path.with_suffix(".npy"), mmap_mode="r")[: len(facts["labels"])]
                if pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[-1] == 3:
                    found[facts["content"]] = pixels
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _cache_name(dataset: Dataset, split: Split, clip: Clip, *, skip_bad: bool) -> str:
    parts = [
        _FORMAT,
        dataset.name,
        dataset.pictures or dataset.version,
        dataset.rendering,
        split,
        clip.preparation,
        skip_bad,
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    readable = "".join(char if char.isalnum() or char in "-_" else "-" for char in dataset.name)
    return f"{readable}-{split}-{digest}"


def _build(
    path: Path,
    dataset: Dataset,
    split: Split,
    prepare: Callable[[Image.Image], np.ndarray],
    *,
    skip_bad: bool,
    told: Told | None,
) -> None:
    index = dataset.index(split)
    if not len(index):
        raise InputError(f"dataset {dataset.name!r} has no images in its split {split!r}")
    threads = torch.get_num_threads() if dataset.threadsafe else 1
    try:
        made = build_array(path, dataset, split, prepare, skip_bad=skip_bad, threads=threads, told=told)
        labels = [index.labels[row] for row in made.kept]
        facts = {
            "labels": labels,
            "names": [index.names[row] for row in made.kept],
            "domains": [index.domains[row] for row in made.kept] if index.domains else [],
            "captions": [index.captions[row] for row in made.kept] if index.captions else [],
            "skipped": made.skipped,
            "content": content_hash(path, labels),
        }
        seal(path)
        with sealed_path(path.with_suffix(".json")) as part:
            part.write_text(json.dumps(facts), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"the image cache {str(path.parent)!r} can't be written ({error.strerror or error}); free space there or "
            "set UNLEARN_BENCH_CACHE to another folder"
        ) from error
