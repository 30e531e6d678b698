"""What relearning takes on a model, told before the sweep, and not spent where nobody asked for so much.

Relearning trains the last stage of the image tower. Models of this package have several, and the last is small; an
outside model may be one stage, which is trained as a whole, and then this audit takes longer than all else in a cell.
"""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from unlearn_bench.benchmarks.isolation.measuring import Stopwatch
from unlearn_bench.benchmarks.referee.conditions import device_name
from unlearn_bench.benchmarks.referee.setting import Setting, as_split
from unlearn_bench.benchmarks.referee.workbench import Evaluated, Workbench
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.sweep.estimate import duration
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_metrics
from unlearn_bench.cache import cache_root, make_folder, write_text
from unlearn_bench.documents import parse_json
from unlearn_bench.metrics.further import Images, Models
from unlearn_bench.metrics.relearning import STEPS, Relearning, relearn
from unlearn_bench.metrics.shared.attacks import spelled_out
from unlearn_bench.metrics.shared.encoding import KEPT
from unlearn_bench.metrics.shared.shots import SHOTS
from unlearn_bench.models.names import MINI

LIMIT_S = 60.0
"""Seconds a cell that relearning may take by a suite's wish alone."""

_BATCH = 16  # images of an update, at least
_BACKWARD = 3  # passes of an image through the tower that an update costs: there, and back at twice the price
_UPDATES = 2  # that are timed


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """A choice whose metrics are within the limit.

    Attributes:
        choice: the user's, perhaps without relearning.
        seconds: of relearning in a cell by dataset; empty where nobody asks for it.
        said: a line for the user; empty where there is nothing to say. is_left_out: whether that is a warning.
    """

    choice: Choice
    seconds: Mapping[str, float]
    said: str = ""
    is_left_out: bool = False

    def say(self, console: Console) -> None:
        """Write the line, if there is one."""
        if self.said:
            style = "yellow" if self.is_left_out else None
            console.print(self.said, style=style, markup=False, highlight=False, soft_wrap=True)


def bounded(suite: Suite, choice: Choice, bench: Workbench) -> Bounded:
    """The choice for this model: without relearning where the suite alone asks for it and it takes over `LIMIT_S`.

    Whoever names the metrics gets them, whatever they take. So does who runs a model of this package, which takes
    seconds: how busy the machine is shall not decide what its cells are. The first forecast of a model on a machine
    is kept, so that a sweep that goes on has the metrics, and so the keys, with which it began.
    """
    names = chosen_metrics(suite, choice)
    forgotten = {name: item for name, item in bench.evaluated.items() if not item.control}
    if Relearning.name not in names or not forgotten:
        return Bounded(choice=choice, seconds={})
    rate = _seconds_per_pass(bench, next(iter(forgotten.values())))
    if rate is None:
        return Bounded(choice=choice, seconds={})
    seconds = {name: rate * _passes(item, bench.setting) for name, item in forgotten.items()}
    most, model = max(seconds.values()), bench.setting.model
    if choice.metrics is not None or model in MINI or most <= LIMIT_S:
        said = f"{model}: relearning takes about {duration(most)} a cell, and as much once for each forget set"
        return Bounded(choice=choice, seconds=seconds, said=said)
    kept = [name for name in spelled_out(suite.metrics) if name != Relearning.name]
    said = (
        f"{model}: relearning is left out: it would take about {duration(most)} a cell, and over {LIMIT_S:.0f} s are "
        f"not spent unasked; to have it, name it: --metrics {','.join(suite.metrics)}"
    )
    return Bounded(choice=replace(choice, metrics=kept), seconds={}, said=said, is_left_out=True)


def _passes(item: Evaluated, setting: Setting) -> float:
    """Images that go through the tower in one cell: those trained on, there and back, and those that are asked."""
    classes = len(item.dataset.class_names)
    train, test = (item.dataset.index(as_split(split)).labels for split in (setting.train_split, setting.test_split))
    if not train or not test:
        return 0.0  # then nothing is measured
    target = max(Counter(test).values())
    asked = target + KEPT * (classes - 1)
    batch = min(max(_BATCH, classes), len(train))
    used = min(max(SHOTS) * classes, len(train))
    return _BACKWARD * batch * STEPS * len(SHOTS) + asked * len(SHOTS) + target * STEPS + used + asked


def _seconds_per_pass(bench: Workbench, item: Evaluated) -> float | None:
    """From the cache, or by training on noise for a moment; None where this model can't be trained so."""
    stem = f"{bench.fingerprint}-{device_name(bench.setting.device)}".replace(" ", "-").replace("/", "-")
    path = cache_root() / "rates" / f"relearning-{stem}.json"
    if path.is_file():
        with suppress(ValueError, TypeError, KeyError):  # a broken file is measured again
            return float(parse_json(path.read_text(encoding="utf-8"))["seconds_per_pass"])
    try:
        rate = _measured(bench, item)
    except Exception:  # an outside model may raise anything; its cells will say what
        return None
    make_folder(path.parent, what="cache folder")
    write_text(path, json.dumps({"seconds_per_pass": rate}) + "\n")
    return rate


def _measured(bench: Workbench, item: Evaluated) -> float:
    """Seconds that one image takes to go through the tower, in a short relearning on noise."""
    clip, texts = bench.clip, item.dataset.texts
    noise = np.random.default_rng(0).integers(0, 256, (clip.image_size, clip.image_size, 3), dtype=np.uint8)
    prepared = torch.from_numpy(np.ascontiguousarray(clip.prepare(Image.fromarray(noise))))
    images = Images(
        pixels=prepared.repeat(_BATCH, *[1] * prepared.ndim), labels=torch.arange(_BATCH) % max(1, len(texts))
    )
    models = Models(
        original=clip,
        unlearned=clip,
        train=images,
        test=images,
        template=item.dataset.template,
        classes=item.dataset.class_names,
        phrases=(),
        synonyms={},
    )
    rows = torch.arange(_BATCH)

    def train(updates: int) -> float:
        watch = Stopwatch(clip.device)
        with watch, torch.random.fork_rng():
            relearn(clip, models, texts, [[rows] * updates], rows, scale=float(clip.logit_scale))
        return watch.seconds

    train(1)  # the first one chooses algorithms
    passes = _BATCH * (_BACKWARD * _UPDATES + (_UPDATES + 1) + 2)  # trained, asked, and both on their way there
    return train(_UPDATES) / passes
