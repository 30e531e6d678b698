"""Where the processor's seconds of a sweep go: by method and stage, and by operator.

    python -m unlearn_bench.benchmarks.speed.breakdown --suite mini --cells 24

runs cells of the suite one after the other in this process, from empty caches, and prints two tables: CPU seconds of
each method in each stage (making synthetic images, unlearning, encoding the test images, every audit by its name,
the rest), and the operators that take most of them, by stage. Cells are picked evenly from the whole sweep, every
method as often as the others, and the sums are scaled to the number of cells that the sweep has; `--cells 0` runs
them all. CPU seconds, not wall seconds: what else runs on the machine counts less. Seconds are those of this process
and of the one in which the method plays; operators are watched in this one alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import psutil
import torch
import typer
from tabulate import tabulate
from threadpoolctl import threadpool_limits
from torch.profiler import ProfilerActivity, profile

from unlearn_bench.benchmarks.images.synthetic_cache import synthetic_images
from unlearn_bench.benchmarks.referee import game
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.speed.sweep_against_loop import empty_cache
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.mistakes import mistakes_in_a_line

SYNTHESIS, UNLEARNING, EVALUATION, REST = "synthesis", "unlearning", "evaluation", "the rest"


def cpu_seconds() -> float:
    """Of this process and of all that it began, those that have ended too."""
    here = psutil.Process()
    own = here.cpu_times()
    seconds = own.user + own.system
    for process in here.children(recursive=True):
        with suppress(psutil.Error):
            seconds += sum(process.cpu_times()[:4])  # user, system, and both of its children that have ended
    return seconds


@dataclass(kw_only=True)
class Breakdown:
    """CPU seconds by (method, stage), and by (stage, operator) where operators are watched.

    Told what a cell is doing, as people who wait are, it counts from one word to the next.
    """

    operators: bool
    stages: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    by_operator: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    def begin(self, method: str) -> None:
        """A cell of this method starts."""
        self._method, self._stage = method, UNLEARNING
        self._start()

    def hear(self, what: str) -> None:
        """What the referee says of the cell under way; a step of the method, or what is measured."""
        named = what.removeprefix("measuring").strip()
        stage = (named or EVALUATION) if what.startswith("measuring") else self._stage
        if stage != self._stage:
            self.turn(stage)

    def turn(self, stage: str) -> str:
        """From now on it is another stage; returns the one that it was."""
        self.end()
        before, self._stage = self._stage, stage
        self._start()
        return before

    def end(self) -> None:
        """The stage under way is over."""
        self.stages[self._method, self._stage] += cpu_seconds() - self._began
        if self._profile is not None:
            self._profile.stop()
            for item in self._profile.key_averages():
                self.by_operator[self._stage, item.key] += item.self_cpu_time_total / 1e6
                self.calls[self._stage, item.key] += item.count

    def _start(self) -> None:
        self._profile = profile(activities=[ProfilerActivity.CPU]) if self.operators else None
        if self._profile is not None:
            self._profile.start()
        self._began = cpu_seconds()


@contextmanager
def synthesis_apart(counted: Breakdown) -> Iterator[None]:
    """For the length of a block, making synthetic images is a stage of its own, wherever a method asks for them."""
    make = synthetic_images

    def timed(*args: object, **kwargs: object) -> object:
        before = counted.turn(SYNTHESIS)
        try:
            return make(*args, **kwargs)  # type: ignore[arg-type]
        finally:
            counted.turn(before)

    vars(game)["synthetic_images"] = timed
    try:
        yield
    finally:
        vars(game)["synthetic_images"] = make


def picked(cells: Sequence[Cell], count: int) -> list[Cell]:
    """About `count` of the cells, of every row equally many, evenly from all; all for 0."""
    rows: dict[str, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.run.label, []).append(cell)
    each = max(1, count // len(rows)) if count else len(cells)
    chosen = [
        row[(2 * k + 1) * len(row) // (2 * min(each, len(row)))]
        for row in rows.values()
        for k in range(min(each, len(row)))
    ]
    return sorted(chosen, key=cells.index)


def run(cells: Sequence[Cell], conditions: Conditions, *, operators: bool) -> Breakdown:
    """Carry the cells out in this process, in an empty cache, and count."""
    counted = Breakdown(operators=operators)
    with (
        empty_cache(),
        synthesis_apart(counted),
        threadpool_limits(1),
    ):  # else scikit-learn's wait busily
        for cell in cells:
            bench = open_workbench(cell.setting)
            for item in bench.evaluated.values():  # once for all cells: not what a cell takes
                _ = item.before
            if cell.run.access != "ZS":
                _ = bench.evaluated[cell.run.dataset].train
            counted.begin(cell.run.label)
            run_cell(cell, bench, conditions, note=counted.hear)
            counted.end()
    return counted


def by_stage(stages: Mapping[tuple[str, str], float], scale: float) -> str:
    """The first table: a row for each method, a column for each stage, sums last."""
    sums: dict[str, float] = defaultdict(float)
    for (_, stage), seconds in stages.items():
        sums[stage] += seconds
    columns = sorted(sums, key=lambda stage: sums[stage], reverse=True)
    rows = {name: [scale * stages.get((name, stage), 0.0) for stage in columns] for name, _ in stages}
    ordered = [*sorted(rows.items(), key=lambda row: -sum(row[1])), ("all", [scale * sums[name] for name in columns])]
    shown: list[tuple[str | float, ...]] = [(name, sum(seconds), *seconds) for name, seconds in ordered]
    return tabulate(shown, headers=["method", "all", *columns], floatfmt=".1f")


def by_operator(counted: Breakdown, scale: float, most: int = 40) -> str:
    """The second table: the operators with most seconds of their own."""
    ordered = sorted(counted.by_operator.items(), key=lambda item: -item[1])[:most]
    rows = [(stage, name, scale * seconds, counted.calls[stage, name]) for (stage, name), seconds in ordered]
    return tabulate(rows, headers=["stage", "operator", "seconds", "calls here"], floatfmt=".1f")


@mistakes_in_a_line
def main(
    suite: Annotated[str, typer.Option(help="Whose cells.")] = "mini",
    methods: Annotated[str, typer.Option(help="Names, separated by commas; the suite's by default.")] = "",
    cells: Annotated[int, typer.Option(min=0, help="About how many to run; 0: all.")] = 24,
    presets: Annotated[Path | None, typer.Option(help="Settings other than the package's, as for `run`.")] = None,
    operators: Annotated[bool, typer.Option(help="Watch operators too, which takes time of its own.")] = True,
) -> None:
    """Run cells of a suite and print where their seconds went."""
    torch.set_num_threads(1)
    chosen = load_suite(suite)
    choice = Choice(methods=methods.split(",") if methods else None, models=[chosen.models[0]], presets=presets)
    with empty_cache():
        (setting,) = settings_for(chosen, choice, device="cpu", skip_bad=False)
        everything = cells_for(chosen, choice, open_workbench(setting))
    some = picked(everything, cells)
    counted = run(some, Conditions(device="cpu", jobs=1, threads=1, commit=None), operators=operators)
    scale = len(everything) / len(some)
    typer.echo(f"CPU seconds of {len(everything)} cells of {suite} on {setting.model}, from {len(some)} of them")
    typer.echo(by_stage(counted.stages, scale))
    if operators:
        typer.echo(by_operator(counted, scale))


if __name__ == "__main__":
    typer.run(main)
