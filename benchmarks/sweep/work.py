"""One cell in a worker's hands: claimed, carried out on this worker's device, and written down."""

import getpass
import json
import math
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from joblib.externals.loky import process_executor

from unlearn_bench.benchmarks.images.sheets import write_sheet
from unlearn_bench.benchmarks.referee.cell import Cell, label, on_device
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.kept import keep_weights
from unlearn_bench.benchmarks.referee.referee import Outcome, run_cell
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.sweep.notes import Note
from unlearn_bench.benchmarks.sweep.patience import UNHURRIED, Patience
from unlearn_bench.cache import free, take_lock, write_text
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.endings import write_and_note
from unlearn_bench.leaderboards.records.rankings import write_rankings
from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.records.storage import CELLS, read_records, set_aside, weights_file


@dataclass(frozen=True, kw_only=True)
class Done:
    """How one cell ended: what the progress shows of it.

    Attributes:
        holder: of the cell, where that is another sweep on the same folder; the cell is asked for again later.
        warning: what the user should know of it beside how it ended.
        written: the time in its record.
    """

    key: str
    label: str
    status: str
    reason: str = ""
    holder: str = ""
    warning: str = ""
    written: str = ""


def work(
    cell: Cell,
    out: Path,
    conditions: Conditions,
    *,
    fresh: bool = False,
    keep: bool = False,
    patience: Patience = UNHURRIED,
) -> Done:
    """Carry out one cell in this process and write its record, unless another sweep has it in hand."""
    stay_alive()
    torch.set_num_threads(conditions.threads)
    try:
        with hold(out, cell.run.key) as held:
            if not held:
                return Done(key=cell.run.key, label=label(cell), status="failed", holder=holder(out, cell.run.key))
            there = None if fresh else _finished(out, cell.run.key)
            if there is not None:
                return done(cell, there)
            here, seconds = placed(cell, conditions.device), patience.of(cell)
            record, warning = _carry_out(here, out, conditions, fresh=fresh, keep=keep, timeout_s=seconds)
            return done(cell, record, warning=warning)
    except OSError as error:
        raise InputError(
            f"records can't be written to {str(out)!r} ({error.strerror}); free space or give another --out, then "
            "run again: finished cells are kept"
        ) from error


def done(cell: Cell, record: Record, *, warning: str = "") -> Done:
    """What the progress shows of a cell that has its record."""
    return Done(
        key=cell.run.key,
        label=label(cell),
        status=record.status,
        reason=record.reason,
        warning=warning,
        written=str(record.provenance.get("time", "")),
    )


def _finished(out: Path, key: str) -> Record | None:
    """The record that the cell has by now, if it is one of status `ok`."""
    path = out / CELLS / f"{key}.json"
    found = read_records([path]).records if path.is_file() else ()
    return next((record for record in found if record.status == "ok" and record.run.key == key), None)


@contextmanager
def hold(out: Path, key: str) -> Iterator[bool]:
    """Whether this process holds a cell in this block: who does may write or remove its record.

    The system frees it when its holder dies. Some network folders have no locks; there everybody holds what they ask
    for, and two may run a cell at once: that costs time, but records take their names whole, and equal keys mean
    equal numbers, so that either's record is right.
    """
    try:
        lock = take_lock(out / CELLS / key, timeout=0)
    except Timeout:
        yield False
        return
    said = _holder_file(out, key)
    try:
        with suppress(OSError):  # who can't say who it is may hold it all the same
            said.write_text(f"process {os.getpid()} of {platform.node() or 'this machine'}", encoding="utf-8")
        yield True
    finally:
        with suppress(OSError):
            said.unlink(missing_ok=True)
        if lock is not None:
            free(lock)


def holder(out: Path, key: str) -> str:
    """Which process holds the cell, as that says; it may have ended in the meantime."""
    with suppress(OSError):
        return _holder_file(out, key).read_text(encoding="utf-8", errors="replace") or "another process"
    return "another process"


def _holder_file(out: Path, key: str) -> Path:
    return out / CELLS / f".{key}.holder"


def _carry_out(
    cell: Cell, out: Path, conditions: Conditions, *, fresh: bool, keep: bool, timeout_s: float
) -> tuple[Record, str]:
    """Run one cell, or measure what is kept of it, and write all that it leaves; the record last, as it says "done".

    Returns:
        The record, and what to warn of.
    """
    run, bench = cell.run, open_workbench(cell.setting)
    _check_plan(run, bench)
    weights = weights_file(out, run)
    keep = keep or weights.is_file()  # what is kept stays that of the newest run
    with Note(out, run.key, label(cell)) as note:
        outcome = run_cell(
            cell,
            bench,
            conditions,
            note=note,
            weights=None if fresh else weights,
            hidden=(out,),
            timeout_s=timeout_s,
        )
    warning = _refuse(weights, outcome.refused) if outcome.refused else ""
    if keep and outcome.unlearned is not None:
        keep_weights(out, run, bench, outcome.unlearned)
    write_text(out / CELLS / f"{run.key}.history.jsonl", _history(out, outcome))
    write_rankings(out, run, outcome.rankings)
    if outcome.synthetic is not None:
        write_sheet(out, run, outcome.synthetic)
    write_and_note(out, outcome.record)
    return outcome.record, warning


def _check_plan(run: Run, bench: Workbench) -> None:
    """See that model and data are the ones that the record will name.

    Raises:
        InputError: they changed since the cell was planned, or are others on this machine.
    """
    planned = {run.model: run.fingerprint, **{item.name: item.version for item in run.evaluation}}
    found = {run.model: bench.fingerprint, **{name: item.version for name, item in bench.evaluated.items()}}
    other = [name for name, version in planned.items() if found.get(name) != version]
    if other:
        raise InputError(
            f"{', '.join(other)}: not what the sweep was planned with (changed since, or another on "
            f"{platform.node()}); see that all machines have the same weights and data, then run again"
        )


def _history(out: Path, outcome: Outcome) -> str:
    """What the method reported, in this run or in the one whose weights were measured: a JSON object a line."""
    origin = outcome.record.provenance.get("kept_weights")
    if origin is None:
        return "".join(f"{json.dumps(_as_json(step), allow_nan=False)}\n" for step in outcome.history)
    path = out / CELLS / f"{origin['record']}.history.jsonl"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _as_json(step: Mapping[str, float | str]) -> dict[str, float | str]:
    """A step as JSON has it: what is not finite as a text, since JSON knows no such numbers."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in step.items()
    }


def _refuse(weights: Path, reason: str) -> str:
    moved = set_aside(weights)
    where = f"set aside as {moved.name!r}" if moved else "left where it is"
    return f"{str(weights)!r} holds no weights for its cell ({reason}); {where}; the method runs again"


def stay_alive() -> None:
    """Keep loky from ending a worker whose memory grew: that is torch's allocator, and a new worker takes seconds.

    There is no public switch for it.
    """
    process_executor._USE_PSUTIL = False


def placed(cell: Cell, device: str) -> Cell:
    """The cell on the workers' device: where a machine has several GPUs, on this worker's own one."""
    cell = on_device(cell, device)
    if cell.setting.device != "cuda" or torch.cuda.device_count() < 2:
        return cell
    return on_device(cell, f"cuda:{_slot(torch.cuda.device_count())[0]}")


@lru_cache(maxsize=1)
def _slot(count: int) -> tuple[int, FileLock | None]:
    """This process's GPU; the cache keeps the lock, and the system frees it when the process ends."""
    return claim_slot(Path(tempfile.gettempdir()) / f"unlearn-bench-gpu-{getpass.getuser()}", count)


def claim_slot(folder: Path, count: int) -> tuple[int, FileLock | None]:
    """The first number below `count` that no other live process holds, with its lock.

    Where all are taken it is 0 without a lock: sharing a GPU is better than stopping.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for slot in range(count):
        lock = FileLock(folder / f"{slot}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return slot, lock
    return 0, None
