"""The sweep: cells in parallel, each ending in a record, through kills, crashes and a second sweep beside it."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import torch

from unlearn_bench.benchmarks.engines.engine import Engine, Lost
from unlearn_bench.benchmarks.images.sheets import SHEETS
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions, describe
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.referee.zero_shot import ZeroShot, zero_shot
from unlearn_bench.benchmarks.sweep.notes import remove_old_notes
from unlearn_bench.benchmarks.sweep.patience import UNHURRIED, Patience
from unlearn_bench.benchmarks.sweep.repeats import recorded
from unlearn_bench.benchmarks.sweep.work import Done, done, placed, stay_alive, work
from unlearn_bench.cache import cache_root, remove_litter
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import CELLS, WEIGHTS, read_records, write_record


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a sweep came to: cells by how they ended, and those that were done before it began."""

    ok: int = 0
    skipped: int = 0
    failed: int = 0
    resumed: int = 0


Listener = Callable[[Done], None]

_CACHES = ("audits", "embeddings", "images", "rates", "retrained", "synthetic", "tuning")
"""Folders of the cache that are written here; others' libraries keep theirs beside them."""


def unheard(_: Sequence[ZeroShot]) -> None:
    """For those who do not want to know what the models know."""


def silent(_: str) -> None:
    """For those who do not want to know whom is waited for."""


Part = Literal["before", "train"]
"""What a workbench keeps of a dataset: embeddings of the test images, or the images that methods are given."""

_POLL_S = 1.0

_REMOTE_POLL_S = 3.0

_SEEN_WITHIN_S = 90.0
"""So long is waited for a record to be seen: NFS keeps what it knows of a folder for up to a minute."""


def sweep(
    cells: Sequence[Cell],
    out: Path,
    engine: Engine,
    *,
    listener: Listener,
    fresh: bool = False,
    keep: bool = False,
    patience: Patience = UNHURRIED,
    warn: Callable[[str], None],
    before: Callable[[Sequence[ZeroShot]], None] = unheard,
) -> Tally:
    """Run the cells that have no record of status `ok` in `out`; each writes its record as it ends.

    If `keep`, unlearned models are kept beside the records. Those that are there are measured, and their methods do
    not run, unless `fresh`.

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

    before(tuple(_prepared(waiting, out, engine)))
    carry_out(waiting, out, engine, listener=note, fresh=fresh, keep=keep, patience=patience, say=warn)
    return Tally(resumed=len(cells) - len(waiting), **counts)


def carry_out(
    cells: Sequence[Cell],
    out: Path,
    engine: Engine,
    *,
    listener: Listener,
    fresh: bool = False,
    keep: bool = False,
    patience: Patience = UNHURRIED,
    say: Callable[[str], None] = silent,
) -> None:
    """Run cells until each has its record in `out`, through workers that die and other sweeps on the folder.

    A cell whose process dies more than once gets a failed record. `say` is told, once for each, which processes are
    waited for.

    Raises:
        InputError: the engine can't go on, or records can't be written, or are not seen here.
    """
    _tidy(out)
    waiting = {cell.run.key: cell for cell in cells}
    finished: list[Done] = []
    named: set[str] = set()
    task = partial(work, out=out, conditions=engine.conditions, fresh=fresh, keep=keep, patience=patience)
    while waiting:
        there, held = len(waiting), dict[str, Done]()
        for ended in engine.each(task, _ordered(waiting, engine), folder=out):
            told = _written_off(ended, out, engine) if isinstance(ended, Lost) else ended
            if told.holder:
                held[told.holder] = told
                continue
            waiting.pop(told.key, None)
            finished.append(told)
            listener(told)
        if len(waiting) == there:
            for holder in sorted(held.keys() - named):
                say(f"{held[holder].label} is in the hands of another sweep ({holder}); waiting for it to end")
            named |= held.keys()
            time.sleep(_REMOTE_POLL_S if engine.is_remote else _POLL_S)
    if engine.is_remote:
        wait_until_seen(finished, out)


def _tidy(out: Path) -> None:
    """Remove what processes that were killed left behind in the run's folder and in the caches."""
    own = [Path(folder) for name in _CACHES for folder, _, _ in os.walk(cache_root() / name)]
    for folder in (out, out / CELLS, out / WEIGHTS, out / SHEETS, *own):
        remove_litter(folder)
    remove_old_notes(out)


def wait_until_seen(finished: Sequence[Done], out: Path, *, seconds: float = _SEEN_WITHIN_S) -> None:
    """Wait for records that workers of other machines wrote: a network folder shows them late, and old ones longer.

    Raises:
        InputError: some don't appear.
    """
    end = time.monotonic() + seconds
    unseen = list(finished)
    while unseen := [told for told in unseen if not _is_seen(told, out)]:
        if time.monotonic() > end:
            raise InputError(
                f"{len(unseen)} records that workers wrote are not to be seen in {str(out)!r} after {seconds:.0f} s; "
                "see whether that folder is the same on all machines, then run again: what is there is kept"
            )
        time.sleep(_POLL_S)


def _is_seen(told: Done, out: Path) -> bool:
    """Whether the record is there, and is the one that was told of or one written after it."""
    path = out / CELLS / f"{told.key}.json"
    found = read_records([path]).records if path.is_file() else ()
    return any(
        record.run.key == told.key and str(record.provenance.get("time", "")) >= told.written for record in found
    )


def _ordered(waiting: Mapping[str, Cell], engine: Engine) -> list[Cell]:
    cells = list(waiting.values())
    return cells if engine.conditions.jobs == 1 else spread(cells, engine.conditions.jobs)


def _written_off(lost: Lost[Cell], out: Path, engine: Engine) -> Done:
    """Write the failed record of a cell that no process survives."""
    cell = lost.item
    record = Record(
        run=cell.run,
        status="failed",
        reason=lost.reason,
        preset=cell.preset,
        provenance=describe(engine.conditions),
    )
    write_record(out, record)
    return done(cell, record)


def _prepared(cells: list[Cell], out: Path, engine: Engine) -> Iterator[ZeroShot]:
    """Make what all cells need of the datasets, side by side, and say what the original models know of them.

    Where a process dies of it, the sweep goes on without: each cell makes what it lacks.
    """
    task = partial(_prepare, conditions=engine.conditions)
    for found in engine.each(task, _parts(cells), folder=out):
        if isinstance(found, ZeroShot):
            yield found


def _parts(cells: Sequence[Cell]) -> list[tuple[Cell, str, Part]]:
    """What every cell needs of the datasets, each thing once, so that no worker waits for another to make it."""
    found: dict[tuple[Setting, str, Part], Cell] = {}
    for cell in cells:
        for item in cell.run.evaluation:
            found.setdefault((cell.setting, item.name, "before"), cell)
        if cell.run.access != "ZS":
            found.setdefault((cell.setting, cell.run.dataset, "train"), cell)
    return [(cell, name, part) for (_, name, part), cell in found.items()]


def _prepare(part: tuple[Cell, str, Part], conditions: Conditions) -> ZeroShot | None:
    """Decode and embed a dataset into the caches; a bad image ends the sweep here, before the first cell."""
    cell, dataset, kept = part
    stay_alive()
    torch.set_num_threads(conditions.threads)
    item = open_workbench(placed(cell, conditions.device).setting).evaluated[dataset]
    getattr(item, kept)
    return zero_shot(item, cell.run.model) if kept == "before" else None


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
