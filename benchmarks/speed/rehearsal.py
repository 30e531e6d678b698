"""A rehearsal: what the methods of a suite take on this device, with random weights and noise for images.

    python -m unlearn_bench.benchmarks.speed.rehearsal --suite paper --device cuda

builds each model's architecture, runs one cell of every method through the referee on one dataset of noise, and
prints images per second (the bare encoder's, and the suite's from the image cache on), seconds and peak memory of
each method, and how often the suite's precision and fp32 name the same class. What it found is kept, and
`run --suite paper --dry-run` estimates from it, scaled to the images that the suite's datasets have. Neither weights
nor images need to be there.

Random weights do not recognise anything, so that the length of loops which stop by accuracy is not that of real
weights, and synthetic images are those of the class that the weights happen to see in noise.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from tabulate import tabulate

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.isolation.measuring import Stopwatch
from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions, choose_device, conditions_for, device_name
from unlearn_bench.benchmarks.referee.embedding import BATCH, agreement, embed_after, encoding_in
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import Evaluated, Workbench, open_workbench
from unlearn_bench.benchmarks.speed.sweep_against_loop import empty_cache
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.sweep.rates import MethodRate, Rates, save_rates
from unlearn_bench.errors import CellFailure
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.models.open_clip_names import published
from unlearn_bench.seeding import generator
from unlearn_bench.shown import console_of
from unlearn_bench.synthesis.ascent import synthesize

app = typer.Typer(add_completion=False)

_METRICS = ("accuracy", "seconds", "peak-memory")
_ASCENT_STEPS = 10


class Noise(Dataset):
    """Pictures of noise, `train` and `test` of them for each of `classes` classes."""

    name = "noise"
    template = "a photo of a {}."
    licence = source = "none; random numbers"

    def __init__(self, *, classes: int, train: int, test: int) -> None:
        self.class_names = tuple(f"thing {number}" for number in range(classes))
        self.version = f"{classes}-{train}-{test}"
        self._counts = {"train": train, "test": test}

    def index(self, split: Split) -> Index:
        """As many pictures of each class as there are."""
        count = self._counts.get(split, 0)
        labels = tuple(label for label in range(len(self.class_names)) for _ in range(count))
        return Index(labels=labels, names=tuple(f"{split}/{row}" for row in range(len(labels))))

    def picture(self, split: Split, row: int) -> Image.Image:
        """Uniform noise, 64 x 64."""
        rng = np.random.default_rng([row, split == "test"])
        return Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))


def twin(spec: str) -> str:
    """The same architecture with random weights, for published weights; any other model is taken as it is."""
    found = published(spec)
    return spec if found is None else f"{found.name_for_file}:random"


def rehearse(
    suite: Suite,
    model: str,
    noise: Noise,
    conditions: Conditions,
    folder: Path,
    *,
    methods: Sequence[str] | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> tuple[Rates, str]:
    """Rates of one of the suite's models, and its architecture, measured in an empty cache.

    Args:
        suite: whose methods, variants and precision.
        model: spec; its `twin` is what runs.
        noise: the images.
        conditions: device and threads.
        folder: for a file that makes the dataset, by which workbenches find it.
        methods: other than the suite's.
        told: called with each row's name before it runs.
    """
    counts = ", ".join(f"{split}={count}" for split, count in noise._counts.items())
    (folder / "noise.py").write_text(
        "from unlearn_bench.benchmarks.speed.rehearsal import Noise\n\n\n"
        f"def make() -> Noise:\n    return Noise(classes={len(noise.class_names)}, {counts})\n"
    )
    spec = f"{folder / 'noise.py'}:make"
    own = replace(
        suite, models=(twin(model),), datasets=(spec,), control=(), classes={}, seeds=(0,), metrics=_METRICS
    )
    with empty_cache():
        (setting,) = settings_for(own, Choice(), device=conditions.device, skip_bad=False)
        bench = open_workbench(setting)
        (item,) = bench.evaluated.values()
        forget = _seen_in_noise(bench, item)
        cells = cells_for(own, Choice(methods=["identity", *(methods or own.methods)], classes=[forget]), bench)
        records = {}
        for cell in cells:  # identity comes first, and pays for what all of them need once
            told(cell.run.label)
            records[cell.run.label] = run_cell(_accepting(cell), bench, conditions).record
        rates = Rates(
            device=device_name(conditions.device),
            precision=setting.precision,
            threads=conditions.threads,
            test=len(item.images),
            train=len(item.train),
            forget=int((item.train.labels == item.dataset.label(forget)).sum()),
            bare_images_per_s=_bare_rate(bench, item),
            suite_images_per_s=_suite_rate(bench, item),
            agreement=agreement(bench.clip, item.images, item.before.embedded),
            ascent_seconds=_ascent_seconds(bench, item, forget, model),
            methods={name: _rate(record) for name, record in records.items() if record.status == "ok"},
        )
        failed = {name: record.reason for name, record in records.items() if record.status != "ok"}
        for name, reason in failed.items():
            told(f"{name} has no rate: {reason}")
        return rates, bench.clip.architecture


def _seen_in_noise(bench: Workbench, item: Evaluated) -> str:
    """The class that these weights prefer: synthetic images of it are made in a step."""
    unit = torch.rand(1, 3, bench.clip.image_size, bench.clip.image_size, generator=generator("noise"))
    with torch.inference_mode():
        seen = bench.clip.encode_images(bench.clip.normalise(unit.to(bench.clip.device)))
        logits = bench.clip.logits(seen, bench.clip.embed_texts(item.dataset.texts))
    return item.dataset.class_names[int(logits.argmax())]


def _accepting(cell: Cell) -> Cell:
    """The cell with synthetic images that count whatever their probability."""
    changed = {**cell.run.synthesis, "threshold": 0.0, "threshold_floor": 0.0, "max_steps": 50}
    return replace(cell, run=replace(cell.run, synthesis=changed))


def _rate(record: Record) -> MethodRate:
    def value(metric: str, group: str) -> float:
        found = record.find(metric, group=group)
        return found.after if found is not None and found.after is not None else 0.0

    return MethodRate(
        access=record.run.access,
        seconds=value("seconds", "method"),
        evaluation_seconds=value("seconds", "evaluation"),
        peak_memory_mib=value("peak-memory", "all"),
    )


def _bare_rate(bench: Workbench, item: Evaluated) -> float:
    """Images per second of the encoder on one batch that is ready, over and over for two seconds."""
    clip, size = bench.clip, min(BATCH, len(item.images))
    inputs = clip.to_input(item.images.pixels[:size])
    with torch.inference_mode(), encoding_in(bench.setting.precision, clip.device):
        clip.encode_images(inputs)  # the first pass chooses algorithms
        watch, passes, until = Stopwatch(clip.device), 0, time.perf_counter() + 2
        while not passes or time.perf_counter() < until:
            with watch:
                clip.encode_images(inputs)
            passes += 1
    return passes * size / watch.seconds


def _suite_rate(bench: Workbench, item: Evaluated) -> float:
    everything = tuple(bench.clip.state())
    watch = Stopwatch(bench.clip.device)
    with watch:
        embed_after(
            bench.clip,
            item.images,
            item.dataset.texts,
            before=item.before,
            changed=everything,
            precision=bench.setting.precision,
        )
    return len(item.images) / watch.seconds


def _ascent_seconds(bench: Workbench, item: Evaluated, forget: str, model: str) -> float:
    """Seconds of one step for one image: a few steps towards a probability that nothing reaches."""
    settings = presets_for(model).synthesis(
        {"threshold": 1.0, "threshold_floor": 1.0, "max_steps": _ASCENT_STEPS, "max_attempts": 1, "patience": 0}
    )
    watch = Stopwatch(bench.clip.device)
    with watch, suppress(CellFailure):  # it fails, as it must: the time is what is wanted
        synthesize(
            bench.clip,
            texts=item.dataset.texts,
            targets=(item.dataset.label(forget),),
            settings=settings,
            seed=0,
            task="rehearsal",
        )
    return watch.seconds / (_ASCENT_STEPS * settings.images_per_class)


@app.command()
@mistakes_in_a_line
def main(
    *,
    suite: Annotated[str, typer.Option(help="Whose models and methods: a name, or a .toml file.")] = "paper",
    model: Annotated[str | None, typer.Option(help="These models, not the suite's; commas between.")] = None,
    methods: Annotated[str | None, typer.Option(help="Names, separated by commas; the suite's by default.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    precision: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16; the suite's by default.")] = None,
    classes: Annotated[int, typer.Option(min=2)] = 100,
    train: Annotated[int, typer.Option(min=1, help="Training images of each class.")] = 50,
    test: Annotated[int, typer.Option(min=1, help="Test images of each class.")] = 50,
) -> None:
    """Rehearse every model of a suite and keep what it took."""
    console = console_of(stderr=True)
    chosen = load_suite(suite)
    chosen = replace(chosen, precision=precision or chosen.precision)
    conditions = conditions_for(choose_device(device), 1)
    torch.set_num_threads(conditions.threads)
    noise = Noise(classes=classes, train=train, test=test)
    for spec in model.split(",") if model else chosen.models:
        with empty_cache() as folder:  # a folder that goes away
            rates, architecture = rehearse(
                chosen,
                spec,
                noise,
                conditions,
                folder,
                methods=methods.split(",") if methods else None,
                told=lambda text: console.print(text, style="dim", markup=False, highlight=False),
            )
        path = save_rates(rates, architecture)
        typer.echo(f"{spec}: {summary(rates)}\nkept in {str(path)!r}")


def summary(rates: Rates) -> str:
    """The rehearsal as text: one line, and a row for each method."""
    rows = [
        (name, rate.access, rate.seconds, rate.evaluation_seconds, rate.peak_memory_mib)
        for name, rate in rates.methods.items()
    ]
    headers = ["method", "access", "unlearning, s", "evaluation, s", "peak memory, MiB"]
    return (
        f"{rates.device}, {rates.threads} threads, {rates.precision}, {rates.test} test and {rates.train} training "
        f"images: bare encoder {rates.bare_images_per_s:.0f} images/s, suite {rates.suite_images_per_s:.0f} "
        f"({rates.suite_images_per_s / rates.bare_images_per_s:.0%}); same class as in fp32 for "
        f"{rates.agreement:.1%}; one ascent step {1e3 * rates.ascent_seconds:.2f} ms an image\n"
        + tabulate(rows, headers=headers, floatfmt=".2f")
    )


if __name__ == "__main__":
    app()
