"""How long a search would take on a model of which no cell was ever run."""

import time
from collections.abc import Sequence
from statistics import median

import torch

from unlearn_bench.benchmarks.referee.setting import as_split
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.benchmarks.sweep.players import LoadedMethod
from unlearn_bench.benchmarks.tuning.found import PER_CLASS, VALIDATION_SPLIT
from unlearn_bench.benchmarks.tuning.race import most_cells
from unlearn_bench.clip import Clip
from unlearn_bench.leaderboards.published.places import published_records
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.methods.base import Access

_MODEL, _SUITE = "mini-rn", "mini-full"
"""Whose published records say how much work a method is, in images through the image tower."""

_ASKED = ("seconds", "accuracy")
"""The metrics that say so."""

_BATCH = 16


def search_seconds(
    methods: Sequence[LoadedMethod], bench: Workbench, *, trials: int, tasks: int, jobs: int
) -> float | None:
    """A guess from above: cells at most, times the images that a cell sends through this model's image tower.

    How many a method sends, is taken from its published seconds on an embedded model, by what the same machine took
    to encode the test images: the same for methods that see no images, more for those that see more here than there.
    Methods that are not published are taken for the median of the others. None where nothing is published.
    """
    records = published_records(metrics=_ASKED)
    published = [r for r in records if (r.run.suite, r.run.model) == (_SUITE, _MODEL) and r.status == "ok"]
    work = {
        name: found for name in {r.run.method for r in published} if (found := _work(published, name)) is not None
    }
    if not work or not methods:
        return None
    datasets = [item.dataset for item in bench.evaluated.values() if not item.control]
    scored = sum(min(len(d.index(as_split(VALIDATION_SPLIT))), PER_CLASS * len(d.class_names)) for d in datasets)
    train = [len(d.index(as_split(bench.setting.train_split))) for d in datasets]
    classes = sum(len(d.class_names) for d in datasets)
    grown: dict[Access, float] = {
        "ZS": 1.0,
        "semi-ZS": sum(train) / classes / _FORGET,
        "not-ZS": sum(train) / len(train) / _TRAIN,
    }
    common = median(work.values())
    images = [work.get(method.kind.name, common) * grown[method.kind.access] + scored for method in methods]
    seconds = max(_seconds_per_image(bench.clip), _FLOOR_S)
    return sum(images) * seconds * most_cells(trials, tasks) / jobs


_FLOOR_S = 3e-4
"""Of one image: under this it is not the tower that takes the time, but the steps around it."""

_TRAIN, _FORGET = 320, 20
"""Training images of an embedded dataset, and of a class, about."""


def _work(records: Sequence[Record], method: str) -> float | None:
    """Images through the tower that take as long as the method: its seconds over those of encoding one image."""
    own = [record for record in records if record.run.method == method]
    slow = [record for record in records if record.run.method == "finetune-retain"]  # changes the whole tower
    taken = [found.after for r in own if (found := r.find("seconds", group="method")) and found.after is not None]
    encoding = [found.after for r in slow if (found := r.find("seconds", group="evaluation")) and found.after]
    images = [sum(item.n for item in r.measurements if item.metric == "accuracy") for r in slow]
    return median(taken) / (median(encoding) / median(images)) if taken and encoding else None


def _seconds_per_image(clip: Clip) -> float:
    """Of the image tower, on noise; the second pass counts."""
    images = torch.zeros(_BATCH, 3, clip.image_size, clip.image_size, device=clip.device)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        with torch.inference_mode():
            clip.encode_images(images)
        seconds = time.perf_counter() - began
    return seconds / _BATCH
