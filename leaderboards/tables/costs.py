"""What methods cost: what they may see, time, memory, how much of the model they moved, and how they were tuned."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.rows import Board, Row

METRICS = ("seconds", "peak-memory", "share-changed", "relative-change")
MARK = "*"
"""Behind a cost that doesn't compare with the others of the table."""

_MARKED = f"{MARK}: measured under other conditions or with neighbours, not comparable."

QUIET = 0.1
"""The share of the machine's cores that other processes may use without counting as neighbours."""

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

_DIGITS = {"seconds": 2, "peak-memory": 1, "share-changed": 3, "relative-change": 3}

MEASURED = tuple((metric, group) for _, metric, group in _COLUMNS)
"""Metric and group of each."""

TUNING = ("tuned parameters", "tuning trials")


@dataclass(frozen=True)
class Costs:
    """Which costs of a board compare.

    Seconds: those taken without neighbours, as far as the records tell (`has_company`), under the most common
    conditions. Memory: what was counted in the most
    common of the ways that records name (see `measuring`); those that name none counted too little.
    """

    board: Board

    @cached_property
    def conditions(self) -> tuple[str, ...] | None:
        """Device, jobs and threads of most of the runs without neighbours; None without any."""
        return _most_common(_conditions(record) for record in self._done if not has_company(record))

    @cached_property
    def counting(self) -> tuple[str, ...] | None:
        """The device and what was counted there as memory in most of the runs that say so; None without any."""
        return _most_common(_counting(record) for record in self._done if record.provenance.get("memory"))

    def shown(self, row: Row, metric: str, group: str) -> str:
        """The median over the row's comparable runs, marked if there are none; nothing for an incomplete row."""
        alike, digits = self.comparable(row, metric, group), _DIGITS[metric]
        if alike is not None:
            return f"{alike:.{digits}f}"
        loose = median(row, metric, group)
        return "" if loose is None else f"{loose:.{digits}f}{MARK}"

    def comparable(self, row: Row, metric: str, group: str) -> float | None:
        """The median over the row's comparable runs; None without any."""
        return median(row, metric, group, only=lambda record: self._compares(record, metric))

    @property
    def caption(self) -> str:
        """What the numbers are, and of how many runs."""
        said = f"Medians over the cells; access: what the method may see. {self._measured_seconds}"
        if self.counting:
            way = ", ".join(self.counting)
            said += f"Peak memory: {way}; above what was held before ({self._share('peak-memory')}). "
        said += f"{_MARKED} Changed: share of the model's scalars and tensors. "
        return f"{said}Tuned parameters: of all that the method has; {UNKNOWN}: not recorded."

    @property
    def _measured_seconds(self) -> str:
        if not self.conditions:
            return ""
        device, jobs, threads = self.conditions
        under = f"{device}, jobs {jobs}, threads {threads}, {self._company}"
        return f"Seconds: {under} ({self._share('seconds')}). "

    @property
    def _company(self) -> str:
        """What the comparable runs say of other processes: no more than was measured."""
        alike = [record for record in self._done if self._compares(record, "seconds")]
        known = [share for share in map(_others, alike) if share is not None]
        if len(known) == len(alike):
            return f"nothing else running: other processes used at most {max(known):.0%} of the cores"
        return f"the machine's load was {f'measured in {len(known)}' if known else 'not measured'}"

    @cached_property
    def _done(self) -> tuple[Record, ...]:
        return tuple(record for row in self.board.rows for record in row.records if record.status == "ok")

    def _compares(self, record: Record, metric: str) -> bool:
        if metric not in {"seconds", "peak-memory"}:
            return True
        known = self._known.get(id(record))
        if known is None:
            quiet = not has_company(record) and _conditions(record) == self.conditions
            counted = bool(self.counting) and _counting(record) == self.counting
            known = self._known[id(record)] = quiet, counted
        return known[metric == "peak-memory"]

    @cached_property
    def _known(self) -> dict[int, tuple[bool, bool]]:
        """Of records of the board: whether their seconds compare, and whether their memory does."""
        return {}

    def _share(self, metric: str) -> str:
        return f"{sum(self._compares(record, metric) for record in self._done)} of {len(self._done)} runs"


def has_company(record: Record) -> bool:
    """Whether a run shared the machine: with other cells of its sweep, or with processes that it measured."""
    return bool(record.provenance.get("contended")) or (_others(record) or 0.0) > QUIET


def _others(record: Record) -> float | None:
    """The share of the cores that other processes used meanwhile; None where it was not measured."""
    found = record.provenance.get("others_cpu_share")
    return float(found) if isinstance(found, int | float) else None


def _most_common(found: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    counted = Counter(found)
    return min(counted, key=lambda item: (-counted[item], item)) if counted else None


def median(row: Row, metric: str, group: str, *, only: Callable[[Record], bool] = lambda _: True) -> float | None:
    """The median of a cost over a complete row's runs; None where no run has it."""
    if row.overall.done < row.overall.planned:
        return None
    runs = [record.measured for record in row.records if record.status == "ok" and only(record)]
    found = [item.after[places[0]] for item in runs if (places := item.layout.find(metric, group=group))]
    known = [value for value in found if not math.isnan(value)]
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
    spent = Costs(board)
    columns = [(title, [spent.shown(row, metric, group) for row in board.rows]) for title, metric, group in _COLUMNS]
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


def _conditions(record: Record) -> tuple[str, ...]:
    return tuple(str(record.provenance.get(name, "unknown")) for name in ("device", "jobs", "threads"))


def _counting(record: Record) -> tuple[str, ...]:
    return tuple(str(record.provenance.get(name, "unknown")) for name in ("device", "memory"))
