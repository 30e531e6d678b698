"""The sweep: cells in parallel, each ending in a record, through kills, crashes and a second sweep beside it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal, cast

import joblib
import torch
from filelock import Timeout
from joblib.externals.loky.process_executor import TerminatedWorkerError

from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions, describe
from unlearn_bench.benchmarks.referee.workbench import Setting, open_workbench
from unlearn_bench.benchmarks.referee.zero_shot import ZeroShot, zero_shot
from unlearn_bench.benchmarks.sweep.work import Done, hold, label, placed, stay_alive, work
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.endings import endings
from unlearn_bench.leaderboards.records.record import Record, Status
from unlearn_bench.leaderboards.records.storage import (
    CELLS,
    write_record,
)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a sweep came to: cells by how they ended, and those that were done before it began."""

    ok: int = 0
    skipped: int = 0
    failed: int = 0
    resumed: int = 0


Listener = Callable[[Done], None]


def unheard(_: Sequence[ZeroShot]) -> None:
    """For those who do not want to know what the models know."""


Part = Literal["before", "train"]
"""What a workbench keeps of a dataset: embeddings of the test images, or the images that methods are given."""

_POLL_S = 1.0

_MOST_DEATHS = 3
"""So often may a pool die with nothing done before the sweep gives up."""


def recorded(out: Path, *, warn: Callable[[str], None]) -> dict[str, Status]:
    """How the cells with a record in `out` ended, by key; only those that are `ok` need not run again.

    What failed may have been mended. What was skipped is asked again, which costs little: weights or images that it
    lacked may be there by now.
    """
    found = endings(out)
    for broken in found.set_aside:
        warn(str(broken))
    return {key: ending.status for key, ending in found.by_key.items()}


def sweep(
    cells: Sequence[Cell],
    out: Path,
    conditions: Conditions,
    *,
    listener: Listener,
    fresh: bool = False,
    keep: bool = False,
    warn: Callable[[str], None],
    before: Callable[[Sequence[ZeroShot]], None] = unheard,
) -> Tally:
    """Run the cells that have no record of status `ok` in `out`; each writes its record as it ends.

    If `keep`, unlearned models are kept beside the records. Those that are there are measured, and their methods do
    not run, unless `fresh`.

    Cells run in `conditions.jobs` processes. If the system kills one (out of memory, say), the others of the pool
    are lost with it: the cells that were in flight then run one by one, and one that kills its process again gets a
    failed record; the rest goes on in a new pool.

    `before` is told first what the original models know of the datasets.
    """
    ended = {} if fresh else recorded(out, warn=warn)
    waiting = [cell for cell in cells if ended.get(cell.run.key) != "ok"]
    counts = {"ok": 0, "skipped": 0, "failed": 0}

    def note(done: Done) -> None:
        if done.warning:
            warn(done.warning)
        counts[done.status] += 1
        listener(done)

    before(tuple(_prepared(waiting, conditions)))
    carry_out(waiting, out, conditions, listener=note, fresh=fresh, keep=keep)
    return Tally(resumed=len(cells) - len(waiting), **counts)


def carry_out(
    cells: Sequence[Cell],
    out: Path,
    conditions: Conditions,
    *,
    listener: Listener,
    fresh: bool = False,
    keep: bool = False,
) -> None:
    """Run cells until each has its record in `out`, through workers that die and other sweeps on the folder.

    Raises:
        InputError: workers die again and again with nothing done, or records can't be written.
    """
    waiting = {cell.run.key: cell for cell in cells}

    def note(done: Done) -> None:
        if not done.busy:
            waiting.pop(done.key, None)
            listener(done)

    deaths = 0
    while waiting:
        there = len(waiting)
        try:
            for done in _pool(list(waiting.values()), out, conditions, fresh=fresh, keep=keep):
                note(done)
        except TerminatedWorkerError:
            for cell in [waiting[key] for key in _in_flight(out) if key in waiting]:
                note(_alone(cell, out, conditions, fresh=fresh, keep=keep))
            deaths = _one_more_death(deaths) if len(waiting) == there else 0
            continue
        if len(waiting) == there:
            time.sleep(_POLL_S)  # the rest is in the hands of another sweep on this folder


def _one_more_death(deaths: int) -> int:
    """Count a pool that died with nothing done.

    Raises:
        InputError: it was one too many.
    """
    if deaths + 1 == _MOST_DEATHS:
        raise InputError(
            "the worker processes die before they finish a cell; most often that means out of memory: "
            "give fewer --jobs (finished cells are kept)"
        ) from None
    return deaths + 1


def _pool(cells: list[Cell], out: Path, conditions: Conditions, *, fresh: bool, keep: bool) -> Iterator[Done]:
    if conditions.jobs == 1:
        for cell in cells:
            yield work(cell, out, conditions, fresh=fresh, keep=keep)
        return
    order = spread(cells, conditions.jobs)
    tasks = (joblib.delayed(work)(cell, out, conditions, fresh=fresh, keep=keep) for cell in order)
    yield from _parallel(conditions)(tasks)


def _parallel(conditions: Conditions) -> joblib.Parallel:
    return joblib.Parallel(
        n_jobs=conditions.jobs,
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch="2*n_jobs",
    )


def _prepared(cells: list[Cell], conditions: Conditions) -> Iterator[ZeroShot]:
    """Make what all cells need of the datasets, side by side, and say what the original models know of them.

    If the system kills a worker here, the sweep goes on without: each cell makes what it lacks, and its pool knows
    what to do with a worker that dies.
    """
    parts = _parts(cells)
    try:
        found = (
            (_prepare(*part, conditions.threads) for part in parts)
            if conditions.jobs == 1
            else _parallel(conditions)(joblib.delayed(_prepare)(*part, conditions.threads) for part in parts)
        )
        yield from (item for item in found if item is not None)
    except TerminatedWorkerError:
        return


def _parts(cells: Sequence[Cell]) -> list[tuple[Cell, str, Part]]:
    """What every cell needs of the datasets, each thing once, so that no worker waits for another to make it."""
    found: dict[tuple[Setting, str, Part], Cell] = {}
    for cell in cells:
        for item in cell.run.evaluation:
            found.setdefault((cell.setting, item.name, "before"), cell)
        if cell.run.access != "ZS":
            found.setdefault((cell.setting, cell.run.dataset, "train"), cell)
    return [(cell, name, part) for (_, name, part), cell in found.items()]


def _prepare(cell: Cell, dataset: str, part: Part, threads: int) -> ZeroShot | None:
    """Decode and embed a dataset into the caches; a bad image ends the sweep here, before the first cell."""
    stay_alive()
    torch.set_num_threads(threads)
    item = open_workbench(placed(cell).setting).evaluated[dataset]
    getattr(item, part)
    return zero_shot(item, cell.run.model) if part == "before" else None


def spread(cells: Sequence[Cell], jobs: int) -> list[Cell]:
    """The cells in an order in which `jobs` neighbours forget different classes.

    Cells that forget the same need the same synthetic images; side by side, all but one would wait for them.
    """
    groups: dict[tuple[str, str, tuple[str, ...], int], list[Cell]] = {}
    for cell in cells:
        run = cell.run
        groups.setdefault((run.fingerprint, run.dataset, run.forget, run.seed), []).append(cell)
    listed = list(groups.values())
    blocks = [listed[start : start + jobs] for start in range(0, len(listed), jobs)]
    return [cell for block in blocks for row in zip_longest(*block) for cell in row if cell is not None]


def _in_flight(out: Path) -> list[str]:
    """Keys of cells that somebody began and nobody holds any more."""
    keys = []
    for flag in sorted((out / CELLS).glob(".*.running")):
        key = flag.name.removeprefix(".").removesuffix(".running")
        lock = hold(out, key)
        try:
            with lock.acquire(timeout=0):
                flag.unlink(missing_ok=True)
                keys.append(key)
        except Timeout:
            continue
    return keys


def _alone(cell: Cell, out: Path, conditions: Conditions, *, fresh: bool, keep: bool) -> Done:
    """Run a cell in a process of its own; if that is killed as well, its failed record says so."""
    parallel = joblib.Parallel(n_jobs=2, backend="loky", batch_size=1)  # one job in flight; n_jobs=1 forks nothing
    try:
        (done,) = parallel([joblib.delayed(work)(cell, out, conditions, fresh=fresh, keep=keep)])
        return cast(Done, done)
    except TerminatedWorkerError:
        _in_flight(out)
        reason = "its process was killed twice by the system; most often that means out of memory"
        record = Record(
            run=cell.run, status="failed", reason=reason, preset=cell.preset, provenance=describe(conditions)
        )
        write_record(out, record)
        return Done(key=cell.run.key, label=label(cell), status="failed", reason=reason)
