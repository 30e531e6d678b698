"""The sweep against the straightforward loop: the same cells, in one run, on this machine.

    python -m unlearn_bench.benchmarks.speed.sweep_against_loop --methods lip,amns,salun --cells 12

The loop treats each cell on its own, as one would write it first: open the model, decode the images, embed them
before, make the synthetic images, unlearn, embed everything after. The sweep shares what cells have in common and
does not run again what a method left as it was. Both start with empty caches, use the same threads, and are checked
to give the same accuracies. Wall seconds of a shared machine are noise; the ratio within one run is what is printed.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import torch
import typer
from tabulate import tabulate

from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.sweep.work import work
from unlearn_bench.cache import ENVIRONMENT_VARIABLE
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.models.open_clip_model import OpenClip

P = ParamSpec("P")
R = TypeVar("R")


class EncoderClock:
    """Counts the seconds spent inside the encoders of every open_clip model while it is on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Wrap the encoders for the length of a block."""
        originals = OpenClip.run_image_stages, OpenClip.encode_texts
        OpenClip.run_image_stages = self._timed(originals[0])  # type: ignore[method-assign]
        OpenClip.encode_texts = self._timed(originals[1])  # type: ignore[method-assign]
        try:
            yield
        finally:
            OpenClip.run_image_stages, OpenClip.encode_texts = originals  # type: ignore[method-assign]

    def _timed(self, function: Callable[P, R]) -> Callable[P, R]:
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


@contextmanager
def empty_cache() -> Iterator[Path]:
    """A cache folder of its own for the length of a block."""
    before = os.environ.get(ENVIRONMENT_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[ENVIRONMENT_VARIABLE] = folder
        open_workbench.cache_clear()
        try:
            yield Path(folder)
        finally:
            os.environ.pop(ENVIRONMENT_VARIABLE)
            if before is not None:
                os.environ[ENVIRONMENT_VARIABLE] = before
            open_workbench.cache_clear()


def straightforward(cells: Sequence[Cell], conditions: Conditions) -> list[Record]:
    """Each cell on its own: nothing is kept from one to the next."""
    records = []
    for cell in cells:
        with empty_cache():
            records.append(run_cell(cell, Workbench(cell.setting), conditions).record)
    return records


def shared(cells: Sequence[Cell], conditions: Conditions) -> list[Record]:
    """The same cells as the sweep runs them, in this process."""
    with empty_cache() as folder:
        for cell in cells:
            work(cell, folder / "out", conditions)
        found = {record.run.key: record for record in read_folder(folder / "out").records}
    return [found[cell.run.key] for cell in cells]


@mistakes_in_a_line
def main(
    suite: Annotated[str, typer.Option(help="Whose cells.")] = "mini",
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = "lip,emb,amns,salun",
    cells: Annotated[int, typer.Option(help="How many cells.")] = 12,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Run the same cells both ways and print the ratio."""
    torch.set_num_threads(threads)
    chosen = load_suite(suite)
    choice = Choice(methods=methods.split(","), models=[chosen.models[0]])
    with empty_cache():
        (setting,) = settings_for(chosen, choice, device="cpu", skip_bad=False)
        picked = cells_for(chosen, choice, open_workbench(setting))[:cells]
    conditions = Conditions(device="cpu", jobs=1, threads=threads, commit=None)
    rows: list[tuple[str, float, float, float]] = []
    results: list[list[Record]] = []
    for name, way in (("straightforward loop", straightforward), ("sweep", shared)):
        clock = EncoderClock()
        started = time.perf_counter()
        with clock.counting():
            results.append(way(picked, conditions))
        seconds = time.perf_counter() - started
        rows.append((name, seconds, seconds / len(picked), clock.seconds / seconds))
    table = tabulate(rows, headers=["way", "seconds", "a cell", "share in encoders"], floatfmt=".2f")
    typer.echo(f"{len(picked)} cells of {suite}, {setting.model}, {threads} threads\n{table}")
    typer.echo(f"the loop takes {rows[0][1] / rows[1][1]:.2f} times as long; {agreement(*results)}")


def agreement(loop: Sequence[Record], sweep: Sequence[Record]) -> str:
    """How far the two ways' accuracies are apart, since speed that changes numbers is worth nothing."""
    gaps = [
        abs((one.after or 0.0) - (other.after or 0.0))
        for left, right in zip(loop, sweep, strict=True)
        for one, other in zip(left.measurements, right.measurements, strict=True)
        if one.metric == "accuracy"
    ]
    return f"largest difference of an accuracy {max(gaps, default=0.0):.4f} over {len(gaps)}"


if __name__ == "__main__":
    typer.run(main)
