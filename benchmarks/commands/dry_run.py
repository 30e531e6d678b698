"""`unlearn-bench run --dry-run`: what would run, where, how long it would take, and how much memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from unlearn_bench.benchmarks.engines.engine import Engine
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep.advice import Given, rehearsal_command
from unlearn_bench.benchmarks.sweep.estimate import Known, estimate
from unlearn_bench.benchmarks.sweep.memory import peak_of, worker_memory
from unlearn_bench.benchmarks.sweep.work import label
from unlearn_bench.leaderboards.published.places import published_records
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder

_GIB = 2**30
_ASKED = ("seconds", "peak-memory")
"""The metrics that estimates of time and memory rest on."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a sweep is going to do.

    Attributes:
        cells: of this part of the sweep. waiting: that would run now. lasting: of those, all that take time.
        known: of the models, by spec. measured: keys of cells whose unlearned models are kept.
    """

    cells: Sequence[Cell]
    waiting: Sequence[Cell]
    lasting: Sequence[Cell]
    known: Mapping[str, Known]
    measured: Collection[str]


def show_plan(plan: Plan, folder: Path, engine: Engine, given: Given) -> None:
    """The cells with their keys, the workers with what they take, and at last how many cells and how long."""
    records = [*read_folder(folder).records, *published_records(metrics=_ASKED)]
    conditions, workers = engine.conditions, sum(machine.workers for machine in engine.machines)
    guess = estimate(plan.lasting, records, plan.known, measured=plan.measured)
    for cell in plan.waiting:
        typer.echo(f"{cell.run.key}  {label(cell)}")
    for line in _of_workers(plan, records, engine):
        typer.echo(line)
    if guess.unknown and plan.waiting:
        sizes = [item for about in plan.known.values() for item in about.sizes.values()]
        hint = rehearsal_command(given, conditions.device, sizes)
        typer.echo(f"to measure how long these methods take, rehearse: {hint}")
    typer.echo(
        f"{len(plan.waiting)} cells to run, {len(plan.cells) - len(plan.waiting)} left out or done in "
        f"{str(folder)!r}; {workers} at a time, {conditions.threads} threads each, on {conditions.device}; "
        f"{guess.say(workers)}"
    )


def _of_workers(plan: Plan, records: Sequence[Record], engine: Engine) -> list[str]:
    """A line each on where workers are, on their main memory and on that of GPUs."""
    device = engine.conditions.device
    on_gpu = device.startswith("cuda")
    peak = peak_of(plan.lasting, records, plan.known, device=device)
    mib, source = worker_memory(plan.lasting, records, peak, device=device)
    gib = mib / 1024
    where = ", ".join(f"{machine.workers} on {machine.name}" for machine in engine.machines)
    needed = ", ".join(
        f"{machine.workers * gib:.1f} of {machine.free_bytes / _GIB:.1f} GiB free on {machine.name}"
        for machine in engine.machines
    )
    return [
        f"workers: {where}; threads of each: {engine.conditions.threads}; device: {engine.device_name}",
        f"memory of a worker: {gib:.1f} GiB ({source}); in all {needed}",
        f"GPU memory of a cell: {f'{peak}, beside model and data' if on_gpu else 'none, cells run on the processor'}",
    ]
