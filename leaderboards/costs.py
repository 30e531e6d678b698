"""What methods cost: what they may see, time, memory, how much of the model they moved, and how they were tuned."""

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

UNKNOWN = "-"
"""For what the records don't say."""

_COLUMNS = (
    ("method, s", "seconds", "method"),
    ("synthesis, s", "seconds", "synthesis"),
    ("evaluation, s", "seconds", "evaluation"),
    ("peak memory, MiB", "peak-memory", "all"),
    ("changed scalars", "share-changed", "all"),
    ("changed tensors", "share-changed", "tensors"),
    ("relative change", "relative-change", "all"),
)


MEASURED = tuple((metric, group) for _, metric, group in _COLUMNS)
"""Metric and group of each."""

TUNING = ("tuned parameters", "tuning trials")


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
        alike = self.comparable(row, part)
        if alike is not None:
            return f"{alike:.2f}"
        loose = median(row, "seconds", part)
        return "" if loose is None else f"{loose:.2f}{MARK}"

    def comparable(self, row: Row, part: str) -> float | None:
        """The median over the row's comparable runs; None without any."""
        return median(row, "seconds", part, only=self._compares)

    def _compares(self, record: Record) -> bool:
        return not record.provenance.get("contended") and _conditions(record) == self.conditions

    @property
    def caption(self) -> str:
        """What the seconds are."""
        said = "Medians over the cells; access: what the method may see. "
        if self.conditions:
            device, jobs, threads = self.conditions
            said += f"Seconds: {device}, jobs {jobs}, threads {threads}, nothing else running. "
        said += f"{MARK}: measured under other conditions or with neighbours, not comparable. "
        said += "Changed: share of the model's scalars and tensors. "
        return f"{said}Tuned parameters: of all that the method has; {UNKNOWN}: not recorded."


def median(row: Row, metric: str, group: str, *, only: Callable[[Record], bool] = lambda _: True) -> float | None:
    """The median of a cost over a complete row's runs; None where no run has it."""
    if row.overall.done < row.overall.planned:
        return None
    runs = [record for record in row.records if record.status == "ok" and only(record)]
    found = [record.find(metric, group=group) for record in runs]
    known = [item.after for item in found if item is not None and item.after is not None]
    return statistics.median(known) if known else None


def tuning(row: Row) -> tuple[int | None, int | None]:
    """How many hyperparameters were tuned, and with how many trials; None where the records don't say.

    Nothing was tuned where there is nothing to tune, or where the defaults were taken. What a paper or a hand chose
    had a budget that nobody recorded; so had a row whose records differ.
    """
    if not row.run.hyperparameters:
        return 0, 0
    found = {_tuning(record) for record in row.records}
    return found.pop() if len(found) == 1 else (None, None)


def table(board: Board) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headers and rows: access, the costs that were measured, and tuning."""
    timing = Timing(board)
    columns = [
        (title, [_cell(row, metric, group, timing) for row in board.rows]) for title, metric, group in _COLUMNS
    ]
    shown = [(title, cells) for title, cells in columns if any(cells)]
    rows = tuple(
        (row.label, row.run.access, *(cells[place] for _, cells in shown), *_tuning_cells(row))
        for place, row in enumerate(board.rows)
    )
    return ("method", "access", *(title for title, _ in shown), *TUNING), rows


def _tuning_cells(row: Row) -> tuple[str, str]:
    tuned, trials = tuning(row)
    parameters = UNKNOWN if tuned is None else f"{tuned} of {len(row.run.hyperparameters)}"
    return parameters, UNKNOWN if trials is None else str(trials)


def _tuning(record: Record) -> tuple[int | None, int | None]:
    preset = record.preset
    source = preset.get("source", "default")
    if source != "tuned":
        return (0, 0) if source == "default" else (None, None)
    tuned, trials = preset.get("tuned_parameters"), preset.get("trials", preset.get("budget"))
    return tuned if isinstance(tuned, int) else None, trials if isinstance(trials, int) else None


def _cell(row: Row, metric: str, group: str, timing: Timing) -> str:
    if metric == "seconds":
        return timing.seconds(row, group)
    value = median(row, metric, group)
    if value is None:
        return ""
    return f"{value:.0f}" if metric == "peak-memory" else f"{value:.3f}"


def _conditions(record: Record) -> tuple[str, ...]:
    return tuple(str(record.provenance.get(name, "unknown")) for name in ("device", "jobs", "threads"))
