"""Decoding the images of a suite ahead of its runs: how much disk it takes, and how far it is."""

from collections.abc import Callable, Iterator, Sequence

import joblib
import torch
from rich.console import Console

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Split
from unlearn_bench.benchmarks.data.fetching.progress import following, size_text
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.images.image_cache import prepared_images
from unlearn_bench.cache import cache_root
from unlearn_bench.models.sources import open_model

SPLITS: tuple[Split, ...] = ("train", "test")
"""What a sweep reads: what methods are given, and what tables are measured on."""


def decode(
    models: Sequence[str],
    datasets: Sequence[str],
    console: Console,
    say: Callable[[str], None],
    *,
    skip_bad: bool = False,
) -> None:
    """Build, or check by count and hash, the image caches of every split that runs of these models read.

    All cores decode. Models that prepare images alike share them. What was decoded before a kill is kept.

    Raises:
        InputError: a model or dataset can't be opened, a picture can't be read, or the disk has no space.
    """
    torch.set_num_threads(joblib.cpu_count())
    opened = [open_dataset(spec) for spec in datasets]
    prepared: set[str] = set()
    for spec in models:
        clip = open_model(spec)
        if clip.preparation in prepared:
            continue
        prepared.add(clip.preparation)
        counts = {(item.name, split): len(item.index(split)) for item in opened for split in SPLITS}
        size = sum(counts.values()) * 3 * clip.image_size**2
        say(
            f"{sum(counts.values())} images at {clip.image_size} px take {size_text(size)} in "
            f"{str(cache_root() / 'images')!r}"
        )
        for dataset, split in _parts(opened):
            with following(console, f"{dataset.name} {split}, images", show=str) as told:
                made = prepared_images(dataset, split, clip, skip_bad=skip_bad, told=told)
            say(f"{dataset.name} {split}: {len(made)} images, content {made.content}")


def _parts(datasets: Sequence[Dataset]) -> Iterator[tuple[Dataset, Split]]:
    for dataset in datasets:
        for split in SPLITS:
            if len(dataset.index(split)):
                yield dataset, split
