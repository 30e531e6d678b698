"""What is there already: cells that are done, and those that ran before and were measured in another way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.leaderboards.records.endings import endings
from unlearn_bench.leaderboards.records.record import Run, Status
from unlearn_bench.leaderboards.records.storage import CELLS, WEIGHTS, read_folder, read_records, weights_file

_ASPECTS = {"metrics": "metrics", "evaluation": "evaluation sets or templates", "precision": "precision"}


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Cells whose unlearned model an earlier run made.

    Attributes:
        measured: keys of those whose weights were kept, so that no method runs. again: how many were not.
        other: in what the earlier runs of the latter were measured otherwise.
    """

    measured: frozenset[str] = frozenset()
    again: int = 0
    other: tuple[str, ...] = ()

    def say(self) -> tuple[str, ...]:
        """A line for each that there are."""
        lines = []
        if self.measured:
            lines.append(f"{_cells(len(self.measured))} measured from kept weights; their methods do not run")
        if self.again:
            other = f"with other {' and '.join(self.other)}" if self.other else "under another name"
            lines.append(
                f"{_cells(self.again)} run again that ran before {other}, since their weights were not kept; --keep "
                "keeps them"
            )
        return tuple(lines)


def recorded(out: Path, *, warn: Callable[[str], None]) -> dict[str, Status]:
    """How the cells with a record in `out` ended, by key; only those that are `ok` need not run again.

    What failed may have been mended. What was skipped is asked again, which costs little: weights or images that it
    lacked may be there by now.
    """
    found = endings(out)
    for broken in found.set_aside:
        warn(str(broken))
    return {key: ending.status for key, ending in found.by_key.items()}


def repeats(waiting: Sequence[Cell], folder: Path) -> Repeats:
    """What of the cells that are about to run is in the folder already, but for what is measured."""
    if not waiting or not folder.is_dir():
        return Repeats()
    kept = frozenset(cell.run.key for cell in waiting if weights_file(folder, cell.run).is_file())
    done = {ending.unlearned_key: key for key, ending in endings(folder).by_key.items() if ending.status == "ok"}
    again = {
        cell.run.key: done[cell.run.unlearned_key]
        for cell in waiting
        if cell.run.key not in kept and cell.run.unlearned_key in done
    }
    paths = {folder / CELLS / f"{key}.json" for key in again.values()}
    then = {record.run.key: record.run for record in read_records([p for p in paths if p.is_file()]).records}
    pairs = [(cell.run, then[again[cell.run.key]]) for cell in waiting if again.get(cell.run.key) in then]
    other = [name for field, name in _ASPECTS.items() if any(_differ(now, then, field) for now, then in pairs)]
    return Repeats(measured=kept, again=len(pairs), other=tuple(other))


def kept_so_far(cells: Sequence[Cell], folder: Path) -> str:
    """In one line: of how many cells the weights are kept, what they take on the disk, and which lack them."""
    files = {weights_file(folder, cell.run) for cell in cells}  # cells that differ in what is measured share one
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    finished = [record.run for record in read_folder(folder).records if record.status == "ok"]
    planned = {cell.run.key for cell in cells}
    bare = sum(run.key in planned and weights_file(folder, run) not in sizes for run in finished)
    place, taken = str(folder / WEIGHTS), megabytes(sum(sizes.values()))
    text = f"kept weights of {len(sizes)} unlearned model{'' if len(sizes) == 1 else 's'} in {place!r}: {taken}"
    if not bare:
        return text
    return f"{text}; {bare} of the cells that were done before have none, and --keep --fresh runs them again"


def megabytes(size: int) -> str:
    """Bytes for people.

    >>> megabytes(1_234_567), megabytes(2_000)
    ('1.2 MB', '0.0 MB')
    """
    return f"{size / 1e6:.1f} MB"


def _differ(now: Run, then: Run, field: str) -> bool:
    return bool(getattr(now, field) != getattr(then, field))


def _cells(count: int) -> str:
    return f"{count} cell is" if count == 1 else f"{count} cells are"
