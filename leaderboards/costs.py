"""What methods cost: time, memory, and how much of the model they moved."""

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from unlearn_bench.leaderboards.records import Record
from unlearn_bench.leaderboards.rows import Board, Row

METRICS = ("seconds", "peak-memory", "share-changed", "relative-change")
MARK = "*"
"""Behind seconds that don't compare with the others of the table."""

_COLUMNS = (
    ("method, s", "seconds", "method"),
    ("synthesis, s", "seconds", "synthesis"),
    ("evaluation, s", "seconds", "evaluation"),
    ("peak memory, MiB", "peak-memory", "all"),
    ("changed scalars", "share-changed", "all"),
    ("changed tensors", "share-changed", "tensors"),
    ("relative change", "relative-change", "all"),
)


@dataclass(frozen=True)
class Timing:
    """Which seconds of a board compare: those taken alone on the machine, under its most common conditions."""

    board: Board

    @cached_property
    def conditions(self) -> tuple[str, ...] | None:
        """Device, jobs and threads of most of the runs that had the machine for themselves; None without any."""
        records = [record for row in self.board.rows for record in row.records if record.status == "ok"]
        counted = Counter(_conditions(record) for record in records if not record.provenance.get("contended"))
        if not counted:
            return None
        return min(counted, key=lambda conditions: (-counted[conditions], conditions))

    def seconds(self, row: Row, part: str) -> str:
        """The median over the row's comparable runs, marked if there are none; nothing for an incomplete row."""
        alike = median(row, "seconds", part, only=self._compares)
        if alike is not None:
            return f"{alike:.2f}"
        loose = median(row, "seconds", part)
        return "" if loose is None else f"{loose:.2f}{MARK}"

    def _compares(self, record: Record) -> bool:
        return not record.provenance.get("contended") and _conditions(record) == self.conditions

    @property
    def caption(self) -> str:
        """What the seconds are."""
        said = "Medians over the cells. "
        if self.conditions:
            device, jobs, threads = self.conditions
            said += f"Seconds: {device}, jobs {jobs}, threads {threads}, nothing else running. "
        return f"{said}{MARK}: measured under other conditions or with neighbours, not comparable."


def median(row: Row, metric: str, group: str, *, only: Callable[[Record], bool] = lambda _: True) -> float | None:
    """The median of a cost over a complete row's runs; None where no run has it."""
    if row.overall.done < row.overall.planned:
        return None
    runs = [record for record in row.records if record.status == "ok" and only(record)]
    found = [record.find(metric, group=group) for record in runs]
    known = [item.after for item in found if item is not None and item.after is not None]
    return statistics.median(known) if known else None


def table(board: Board) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headers and rows of the costs that were measured."""
    timing = Timing(board)
    columns = [
        (title, [_cell(row, metric, group, timing) for row in board.rows]) for title, metric, group in _COLUMNS
    ]
    shown = [(title, cells) for title, cells in columns if any(cells)]
    rows = tuple((row.label, *(cells[place] for _, cells in shown)) for place, row in enumerate(board.rows))
    return ("method", *(title for title, _ in shown)), rows


def _cell(row: Row, metric: str, group: str, timing: Timing) -> str:
    if metric == "seconds":
        return timing.seconds(row, group)
    value = median(row, metric, group)
    if value is None:
        return ""
    return f"{value:.0f}" if metric == "peak-memory" else f"{value:.3f}"


def _conditions(record: Record) -> tuple[str, ...]:
    return tuple(str(record.provenance.get(name, "unknown")) for name in ("device", "jobs", "threads"))
