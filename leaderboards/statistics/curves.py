"""Curves: what a method reaches at several points of its trade-off, and how much of the square they dominate."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from unlearn_bench.leaderboards.records.encoding import compact
from unlearn_bench.leaderboards.records.record import CURVE, Record
from unlearn_bench.leaderboards.statistics.identity import curve_identity, describe_differences
from unlearn_bench.leaderboards.statistics.intervals import Floats, Interval, interval
from unlearn_bench.leaderboards.statistics.ranking import Standing, rank, standing_of
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.statistics.tradeoff import front

_DIGITS = 12
"""Numbers that differ by less are equal: the last bits depend on the order of adding."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One setting of a method.

    Attributes:
        number: its place on the front of the trials, from 1.
        on_front: whether it is on the front of what was measured.
    """

    row: Row
    number: int
    on_front: bool

    @property
    def forgetting(self) -> float | None:
        return self.row.overall.forgetting

    @property
    def retention(self) -> float | None:
        return self.row.overall.retention

    @property
    def across(self) -> Interval | None:
        """The interval of forgetting."""
        return self.row.overall.intervals.get("forgetting")

    @property
    def along(self) -> Interval | None:
        """The interval of retention."""
        return self.row.overall.intervals.get("retention")

    @property
    def is_measured(self) -> bool:
        """Whether all its cells are there."""
        return self.forgetting is not None and self.retention is not None


@dataclass(frozen=True)
class Missed:
    """What ranking goes by: the share of the square that is not dominated, so that lower is better."""

    score: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One method with all its points.

    Attributes:
        label: the method's name, with what differs where several curves have that name.
        points: by their number. expected: how many its front has.
        mixed: whether they are of more than one front, so that no area can be theirs.
        standing, place: as a row's.
        area: `dominated_area`; None unless all points are measured. draws: of the same resamples as all else.
    """

    label: str
    points: tuple[CurvePoint, ...]
    expected: int
    mixed: bool
    standing: Standing
    area: float | None
    draws: Floats | None
    place: int | None = None

    @property
    def overall(self) -> Missed:
        return Missed(None if self.area is None else 1 - self.area)

    @property
    def interval(self) -> Interval | None:
        """Of the area, 95 %."""
        return interval(self.draws)

    @property
    def measured(self) -> tuple[CurvePoint, ...]:
        """The points that have both numbers."""
        return tuple(point for point in self.points if point.is_measured)

    @property
    def records(self) -> tuple[Record, ...]:
        """Of all points."""
        return tuple(record for point in self.points for record in point.row.records)


def is_curve(board: Board) -> bool:
    """Whether its rows are points of curves."""
    return board.run.suite.endswith(CURVE)


def dominated_area(forgotten: Floats, kept: Floats) -> Floats:
    """The share of the unit square that points dominate: 0 for doing nothing, 1 for forgetting all at no cost.

        A = | union_i [0, F_i] x [0, R_i] |
          = sum_k (F_(k) - F_(k+1)) max_{j <= k} R_(j),    F_(1) >= F_(2) >= .., F_(P+1) = 0

    A point that another one beats in both adds nothing. The reference point is (0, 0) for every method and model.
    More points never make it smaller, and chance in one of them can make it larger; so methods have equally few.

    Args:
        forgotten, kept: (P, ...) forgetting and retention in [0, 1], point by point.

    Returns:
        (...) in [0, 1], higher is better; nan where any number is nan or P is 0.

    Source: Zitzler, Thiele, 1998, Multiobjective Optimization Using Evolutionary Algorithms, A Comparative Case
    Study: the size of the space covered, of two objectives.
    Departures: none.

    >>> dominated_area(np.array([0.5, 1.0, 0.4]), np.array([1.0, 0.2, 0.9])).round(3).item()
    0.6
    >>> dominated_area(np.array([0.0]), np.array([1.0])).item()
    0.0
    """
    if len(forgotten) == 0:
        return np.full(forgotten.shape[1:], np.nan)
    order = np.argsort(-forgotten, axis=0)
    widths = np.take_along_axis(forgotten, order, axis=0)  # (P, ...)
    heights = np.maximum.accumulate(np.take_along_axis(kept, order, axis=0), axis=0)
    steps = widths - np.concatenate([widths[1:], np.zeros_like(widths[:1])])
    undefined = np.isnan(forgotten).any(axis=0) | np.isnan(kept).any(axis=0)
    return np.asarray(np.where(undefined, np.nan, (steps * heights).sum(axis=0)))


def curves(board: Board) -> tuple[Curve, ...]:
    """The curves whose points are the rows of a board, in the order of their table: by area, references last.

    Rows are points of one curve if they differ in hyperparameters alone. Those whose paired difference of areas to
    the best of their group has an interval that includes 0 share its rank (`rank`).
    """
    groups: dict[Hashable, list[Row]] = {}
    for row in board.rows:
        groups.setdefault(compact(curve_identity(row.records[0])), []).append(row)
    found = []
    for rows in groups.values():
        name = rows[0].run.label
        alike = [other[0].records[0] for other in groups.values() if other[0].run.label == name]
        mine = curve_identity(rows[0].records[0])
        extra = describe_differences(mine, [curve_identity(record) for record in alike])
        found.append(_curve(f"{name} ({extra})" if extra else name, rows))
    return tuple(replace(curve, place=place) for curve, place in rank(found, _difference))


def _difference(curve: Curve, best: Curve) -> Interval | None:
    if curve.draws is None or best.draws is None:
        return None
    return interval(curve.draws - best.draws)


def _curve(label: str, rows: Sequence[Row]) -> Curve:
    on = front([(_rounded(row.overall.forgetting), _rounded(row.overall.retention)) for row in rows])
    points = [
        CurvePoint(row=row, number=_number(row, "point"), on_front=here) for row, here in zip(rows, on, strict=True)
    ]
    points.sort(key=lambda point: (point.number, point.row.label))
    sizes = {_number(row, "points") for row in rows}
    numbers = [point.number for point in points]
    mixed = len(sizes) > 1 or len(set(numbers)) < len(numbers) or max(numbers) > max(sizes)
    complete = not mixed and len(points) == max(sizes) and all(point.is_measured for point in points)
    area, draws = _areas(rows) if complete else (None, None)
    return Curve(
        label=label,
        points=tuple(points),
        expected=max(sizes),
        mixed=mixed,
        standing=standing_of([record for row in rows for record in row.records]),
        area=area,
        draws=draws,
    )


def _areas(rows: Sequence[Row]) -> tuple[float, Floats | None]:
    """Of complete rows: the area, and that of every resample; no such where a point has no resamples."""
    numbers = np.array([[row.overall.forgetting, row.overall.retention] for row in rows], dtype=np.float64)
    area = float(dominated_area(*numbers.T))
    if not all(row.shares for row in rows):
        return area, None
    gone, kept = (np.stack([row.shares[name] for row in rows]) for name in ("forgetting", "retention"))
    return area, dominated_area(gone, kept)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _number(row: Row, name: str) -> int:
    """What the presets say of it; 1 for a method without a front, which is one point of one."""
    found = row.records[0].preset.get(name, 1)
    return found if isinstance(found, int) else 1
