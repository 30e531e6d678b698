"""What methods cost: what they may see, time, memory, how much of the model they moved, and how they were tuned."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from unlearn_bench.leaderboards.records.layout import Measured
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

_CONDITIONAL = ("seconds", "peak-memory")
"""Those that hang on where a run took place."""

TUNING = ("tuned parameters", "tuning trials")

Provenance = Mapping[str, Any]
"""What a record says of where it was measured; many records share one."""


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
        return self._most_common(_conditions, among=lambda provenance: not has_company(provenance))

    @cached_property
    def counting(self) -> tuple[str, ...] | None:
        """The device and what was counted there as memory in most of the runs that say so; None without any."""
        return self._most_common(_counting, among=lambda provenance: bool(provenance.get("memory")))

    def shown(self, row: Row, metric: str, group: str) -> str:
        """The median over the row's comparable runs, marked if there are none; nothing for an incomplete row."""
        alike, digits = self.comparable(row, metric, group), _DIGITS[metric]
        if alike is not None:
            return f"{alike:.{digits}f}"
        found = loose(row, metric, group)
        return "" if found is None else f"{found:.{digits}f}{MARK}"

    def comparable(self, row: Row, metric: str, group: str) -> float | None:
        """The median over a complete row's comparable runs; None without any."""
        return None if _incomplete(row) else _median(self._comparable(row, metric), metric, group)

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
        alike = [(said, runs) for said, runs in self._provenances if id(said) in self._alike["seconds"]]
        known = [(share, runs) for said, runs in alike if (share := _others(said)) is not None]
        if len(known) == len(alike):
            most = max(share for share, _ in known)
            return f"nothing else running: other processes used at most {most:.0%} of the cores"
        measured = sum(runs for _, runs in known)
        return f"the machine's load was {f'measured in {measured}' if measured else 'not measured'}"

    @cached_property
    def _provenances(self) -> tuple[tuple[Provenance, int], ...]:
        """What the ok runs say of where they ran, each object once, and how many of them share it."""
        said = [record.provenance for row in self.board.rows for record in row.records if record.status == "ok"]
        counted, objects = Counter(map(id, said)), {id(item): item for item in said}
        return tuple((objects[key], runs) for key, runs in counted.items())

    def _most_common(
        self, read: Callable[[Provenance], tuple[str, ...]], *, among: Callable[[Provenance], bool]
    ) -> tuple[str, ...] | None:
        counted: Counter[tuple[str, ...]] = Counter()
        for said, runs in self._provenances:
            if among(said):
                counted[read(said)] += runs
        return min(counted, key=lambda item: (-counted[item], item)) if counted else None

    def _comparable(self, row: Row, metric: str) -> Sequence[Measured]:
        if metric not in _CONDITIONAL:
            return _runs(row)
        if (row.label, metric) not in self._found:
            alike = self._alike[metric]
            self._found[row.label, metric] = [
                record.measured for record in row.records if record.status == "ok" and id(record.provenance) in alike
            ]
        return self._found[row.label, metric]

    @cached_property
    def _alike(self) -> Mapping[str, frozenset[int]]:
        """For each of `_CONDITIONAL`, which of `_provenances` (`id`) are those of runs that compare."""

        def quiet(said: Provenance) -> bool:
            return not has_company(said) and _conditions(said) == self.conditions

        def counted(said: Provenance) -> bool:
            return bool(self.counting) and _counting(said) == self.counting

        return {
            metric: frozenset(id(said) for said, _ in self._provenances if alike(said))
            for metric, alike in zip(_CONDITIONAL, (quiet, counted), strict=True)
        }

    @cached_property
    def _found(self) -> dict[tuple[str, str], Sequence[Measured]]:
        """By a row's label and what is measured: its runs that compare."""
        return {}

    def _share(self, metric: str) -> str:
        alike = sum(runs for said, runs in self._provenances if id(said) in self._alike[metric])
        return f"{alike} of {sum(runs for _, runs in self._provenances)} runs"


def has_company(provenance: Provenance) -> bool:
    """Whether a run shared the machine: with other cells of its sweep, or with processes that it measured."""
    return bool(provenance.get("contended")) or (_others(provenance) or 0.0) > QUIET


def loose(row: Row, metric: str, group: str) -> float | None:
    """The median over all of a complete row's runs, wherever they took place; None without any."""
    return None if _incomplete(row) else _median(_runs(row), metric, group)


def _incomplete(row: Row) -> bool:
    return row.overall.done < row.overall.planned


def _others(provenance: Provenance) -> float | None:
    """The share of the cores that other processes used meanwhile; None where it was not measured."""
    found = provenance.get("others_cpu_share")
    return float(found) if isinstance(found, int | float) else None


def _runs(row: Row) -> Sequence[Measured]:
    return [record.measured for record in row.records if record.status == "ok"]


def _median(runs: Sequence[Measured], metric: str, group: str) -> float | None:
    places = {layout: layout.find(metric, group=group) for layout in dict.fromkeys(run.layout for run in runs)}
    found = [run.after[shown[0]] for run in runs if (shown := places[run.layout])]
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


def _conditions(provenance: Provenance) -> tuple[str, ...]:
    return tuple(str(provenance.get(name, "unknown")) for name in ("device", "jobs", "threads"))


def _counting(provenance: Provenance) -> tuple[str, ...]:
    return tuple(str(provenance.get(name, "unknown")) for name in ("device", "memory"))
