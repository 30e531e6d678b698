"""Taking records out of a run's folder, with what lies beside them, and leaving what others use or hold."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unlearn_bench.benchmarks.images.sheets import SHEETS, sheet_name
from unlearn_bench.benchmarks.sweep.work import hold
from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.records.storage import CELLS, copies, read_folder, read_records, weights_file


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What became of the records that were to go.

    Attributes:
        records: that are gone. files: of weights and sheets that went with them; size: of those, in bytes.
        held: cells that a running sweep has in hand. changed: cells that have another record by now.
    """

    records: int = 0
    files: int = 0
    size: int = 0
    held: int = 0
    changed: int = 0


def remove(out: Path, records: Sequence[Record]) -> Removed:
    """Remove these records with their histories and rankings, and the weights and sheets that no other record shares.

    A cell that another process holds stays as it is, and so does one whose record is no longer the one given here.

    Raises:
        OSError: the folder can't be written.
    """
    more = copies(out)
    ended = {record.run.key: _remove(out, record, more.get(record.run.key, ())) for record in records}
    gone = [record.run for record in records if ended[record.run.key] == "gone"]
    left = [record.run for record in read_folder(out).records]
    orphans = [path for path in _unshared(out, gone, left) if path.is_file()]
    size = sum(path.stat().st_size for path in orphans)
    for path in orphans:
        path.unlink(missing_ok=True)
    counts = list(ended.values())
    return Removed(
        records=len(gone),
        files=len(orphans),
        size=size,
        held=counts.count("held"),
        changed=counts.count("changed"),
    )


def _remove(out: Path, record: Record, more: Sequence[Path]) -> str:
    """`gone`, or why the cell's own files stay: `held` or `changed`."""
    key = record.run.key
    with hold(out, key) as held:
        if not held:
            return "held"
        path = out / CELLS / f"{key}.json"
        files = [item for item in (path, *more) if item.is_file()]
        now = read_records(files[:1]).records
        if [(item.status, item.provenance) for item in now] != [(record.status, record.provenance)]:
            return "changed"
        for item in files:  # copies too, or the record would count again
            item.unlink()
        for beside in ("history", "found"):
            path.with_name(f"{key}.{beside}.jsonl").unlink(missing_ok=True)
        return "gone"


def _unshared(out: Path, gone: Iterable[Run], left: Iterable[Run]) -> list[Path]:
    """The weights and sheets of runs that are gone and of none that is left."""
    places: tuple[Callable[[Run], Path], ...] = (
        lambda run: weights_file(out, run),
        lambda run: out / SHEETS / sheet_name(run),
    )
    left = tuple(left)
    return sorted({path(run) for path in places for run in gone} - {path(run) for path in places for run in left})
