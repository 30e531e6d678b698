"""What a GPU makes of it: one command that measures all that has to be known there, part by part, into one file.

    python -m unlearn_bench.benchmarks.speed.gpu --out gpu.md

Parts, each of which can be left out (`--parts encoder,memory`):

- `encoder`: images per second of the image towers, by precision and batch, bare and as the suite's evaluation runs
  them from the image cache on, and the share of the bare rate that is left.
- `memory`: the most that one step of Lip holds, at 64 images and 25 noisy copies.
- `rehearsal`: seconds and memory of each method of the paper's suite, and the estimate for the whole of it.
- `equality`: cells of the suite `mini` here and on the processor, by `check`'s tolerances.
- `sharing`: the same cells by one, two and four workers that share the device.

Weights are random and images noise, but for `equality` and `sharing`, which run the embedded model. It runs on a
processor too, where it is of use to try it out.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from tabulate import tabulate

from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.isolation.measuring import PeakMemory, Stopwatch
from unlearn_bench.benchmarks.referee.cell import Cell, on_device
from unlearn_bench.benchmarks.referee.conditions import choose_device, conditions_for, device_name
from unlearn_bench.benchmarks.referee.embedding import encoding_in
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.speed.rehearsal import Noise, rehearse, summary
from unlearn_bench.benchmarks.speed.sweep_against_loop import empty_cache
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.sweep.runner import sweep
from unlearn_bench.cache import write_text
from unlearn_bench.clip import Clip
from unlearn_bench.errors import unknown
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.regression import compare_runs
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.models.sources import open_model
from unlearn_bench.seeding import generator
from unlearn_bench.shown import console_of
from unlearn_bench.training.perturbation import lipschitz_loss, perturb


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured.

    Attributes:
        device: where. models: random weights of these architectures, for `encoder`, `memory` and `rehearsal`.
        batches: images at a time. seconds: for each rate. images, copies: of Lip's step. noise: what is rehearsed on.
        suite: what is rehearsed. small: whose first `cells` cells are run for `equality` and `sharing`. jobs: workers
            that share.
    """

    device: str
    models: tuple[str, ...] = ("RN50:random", "ViT-B-16:random")
    batches: tuple[int, ...] = (64, 256, 512, 1024)
    seconds: float = 2.0
    images: int = 64
    copies: int = 25
    noise: Noise
    suite: str = "paper"
    small: str = "mini"
    cells: int = 40
    jobs: tuple[int, ...] = (1, 2, 4)


def encoder(extent: Extent) -> str:
    """Images per second, bare and from uint8 images on the host."""
    rows = []
    for spec in extent.models:
        clip = open_model(spec).to(extent.device)
        for precision in ("fp32", "bf16"):
            for batch in extent.batches:
                with torch.inference_mode(), encoding_in(precision, clip.device):
                    bare, whole = (rate(clip, batch, extent.seconds, fetched=fetched) for fetched in (False, True))
                rows.append((spec, precision, batch, bare, whole, whole / bare))
    headers = ["model", "precision", "batch", "bare, images/s", "from the host, images/s", "share"]
    return tabulate(rows, headers=headers, tablefmt="pipe", floatfmt=("", "", "", ".0f", ".0f", ".2f"))


def rate(clip: Clip, batch: int, seconds: float, *, fetched: bool) -> float:
    """Images per second of the image tower over batches of noise, each made input from uint8 if `fetched`."""
    size = clip.image_size
    pixels = torch.randint(256, (batch, size, size, 3), generator=generator("gpu"), dtype=torch.uint8)
    ready = clip.to_input(pixels)
    clip.encode_images(ready)  # the first pass chooses algorithms
    watch, passes, until = Stopwatch(clip.device), 0, time.perf_counter() + seconds
    while not passes or time.perf_counter() < until:
        with watch:
            for _ in range(4):
                clip.encode_images(clip.to_input(pixels) if fetched else ready)
        passes += 4
    return passes * batch / watch.seconds


def memory(extent: Extent) -> str:
    """The peak of one step of Lip, all tensors of the last image stage and of the text tower moving."""
    rows = []
    for spec in extent.models:
        clip = open_model(spec).to(extent.device)
        size, last = clip.image_size, clip.image_stages[-1]
        clip.train_only([w.name for w in clip.weights() if w.place.stage == last or w.place.tower == "text"])
        inputs = torch.randn(extent.images, 3, size, size, generator=generator("gpu")).to(clip.device)
        tokens, peak, watch = clip.tokenize(["a photo of a cat"]), PeakMemory(clip.device), Stopwatch(clip.device)
        with peak, watch:
            noisy = perturb(clip, inputs, sigma=0.5, count=extent.copies, generator=generator("gpu noise"))
            texts = clip.encode_texts(tokens).expand(extent.images, -1)
            loss = lipschitz_loss(clip.encode_images(inputs), texts, noisy)
            loss.backward()  # type: ignore[no-untyped-call]
        rows.append((spec, extent.images, extent.copies, peak.bytes / 2**20, watch.seconds))
    headers = ["model", "images", "copies", "peak, MiB", "step, s"]
    return tabulate(rows, headers=headers, tablefmt="pipe", floatfmt=("", "", "", ".0f", ".2f"))


def rehearsal(extent: Extent) -> str:
    """What the methods of the suite take, model by model."""
    suite = load_suite(extent.suite)
    said = []
    for spec in suite.models:
        with empty_cache() as folder:
            rates, _ = rehearse(suite, spec, extent.noise, conditions_for(extent.device, 1), folder)
        said.append(f"{spec}: {summary(rates)}")
    return "\n\n".join(said)


def equality(extent: Extent) -> str:
    """The same cells on both devices."""
    found: dict[str, list[Record]] = {}
    for device in ("cpu", extent.device):
        conditions = conditions_for(device, 1)
        with empty_cache():
            found[device] = [
                run_cell(cell, open_workbench(cell.setting), conditions).record for cell in _small(extent, device)
            ]
    comparison = compare_runs(found[extent.device], found["cpu"], told_only=("lip", "emb"))
    return "\n\n".join(text for text in (comparison.summary, comparison.table(), comparison.table(told=True)) if text)


def sharing(extent: Extent) -> str:
    """Wall seconds of the same cells by several workers on one device."""
    rows = []
    for jobs in extent.jobs:
        with empty_cache(), tempfile.TemporaryDirectory() as folder:
            cells = _small(extent, extent.device)
            started = time.perf_counter()
            engine = Local(conditions=conditions_for(extent.device, jobs))
            sweep(cells, Path(folder), engine, listener=lambda _: None, warn=_unheard)
            rows.append((jobs, len(cells), time.perf_counter() - started))
    return tabulate(rows, headers=["workers", "cells", "seconds"], tablefmt="pipe", floatfmt=".1f")


def _small(extent: Extent, device: str) -> list[Cell]:
    suite = load_suite(extent.small)
    (setting,) = settings_for(suite, Choice(models=suite.models[:1]), device=device, skip_bad=False)
    cells = cells_for(suite, Choice(models=suite.models[:1]), open_workbench(setting))
    return [on_device(cell, device) for cell in cells[: extent.cells]]


def _unheard(_: str) -> None:
    """Warnings of a sweep whose records nobody keeps."""


PARTS: Mapping[str, Callable[[Extent], str]] = {
    "encoder": encoder,
    "memory": memory,
    "rehearsal": rehearsal,
    "equality": equality,
    "sharing": sharing,
}


def report(extent: Extent, parts: Sequence[str], told: Callable[[str], None]) -> Iterator[str]:
    """Each part as Markdown, as soon as it is measured; a part that fails says so, and the others go on."""
    yield f"# {device_name(extent.device)}, torch {torch.__version__}\n"
    for name in parts:
        told(f"{name} ..")
        started = time.perf_counter()
        try:
            text = PARTS[name](extent)
        except Exception as error:  # minutes on a lent machine are dear: what can be had shall be
            text = f"failed: {type(error).__name__}: {error}"
        yield f"## {name} ({time.perf_counter() - started:.0f} s)\n\n{text}\n"


@mistakes_in_a_line
def main(
    out: Annotated[Path, typer.Option(help="Where to write; kept up to date as parts end.")] = Path("gpu.md"),
    parts: Annotated[str, typer.Option(help="Names, separated by commas.")] = ",".join(PARTS),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    cells: Annotated[int, typer.Option(min=1, help="Of the suite mini, for equality and sharing.")] = 40,
) -> None:
    """Measure the parts one after the other."""
    console, text = console_of(stderr=True), ""
    chosen = [name.strip() for name in parts.split(",")]
    strange = next((name for name in chosen if name not in PARTS), None)
    if strange is not None:
        raise unknown("part", strange, PARTS)
    extent = Extent(device=choose_device(device), noise=Noise(classes=100, train=50, test=50), cells=cells)
    for part in report(extent, chosen, lambda said: console.print(said, markup=False, highlight=False)):
        text += part + "\n"
        write_text(out, text)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
