"""The table of curves: each method's area, and forgetting and retention at its points."""

from collections.abc import Iterator

from unlearn_bench.leaderboards.statistics.curves import Curve, curves
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.statistics.rows import Board
from unlearn_bench.leaderboards.tables import captions, costs
from unlearn_bench.leaderboards.tables.section import Section, joined, not_found, number, span

UNMEASURED = "-"
"""For a point without numbers."""


def sections(board: Board) -> tuple[Section, ...]:
    """What is said of a board of curves: what was measured, and the table."""
    about = Section(
        title=captions.title(board), level=2, paragraphs=(*captions.measured(board), *captions.settings(board))
    )
    return about, table(board)


def table(board: Board) -> Section:
    """One row for each method, by area, references last and marked."""
    found = curves(board)
    most = max(len(curve.points) for curve in found)
    headers = ("rank", "method", "access", "area", "95 % interval")
    return Section(
        title=f"Curves: {captions.title(board)}",
        level=3,
        paragraphs=captions.of_curves(board),
        headers=(*headers, *(f"point {place + 1}" for place in range(most)), "trials", "note"),
        rows=tuple(_row(curve, most) for curve in found),
        words=3,
    )


def _row(curve: Curve, most: int) -> tuple[str, ...]:
    place = costs.UNKNOWN if curve.standing in UNRANKED else "" if curve.place is None else str(curve.place)
    name = f"{curve.label} (reference)" if curve.standing == "reference" else curve.label
    points = list(_points(curve))
    return (
        place,
        name,
        curve.points[0].row.run.access,
        number(curve.area),
        span(curve.interval),
        *points,
        *("" for _ in range(most - len(points))),
        _trials(curve),
        _note(curve),
    )


def _points(curve: Curve) -> Iterator[str]:
    for point in curve.points:
        known = point.is_measured
        yield f"{number(point.forgetting)} / {number(point.retention)}" if known else UNMEASURED


def _trials(curve: Curve) -> str:
    """How many the front is of; 0 where there was nothing to tune."""
    found = {costs.tuning(point.row)[1] for point in curve.points}
    trials = found.pop() if len(found) == 1 else None
    return costs.UNKNOWN if trials is None else str(trials)


def _note(curve: Curve) -> str:
    forgot = [point for point in curve.measured if not point.row.overall.did_not_forget]
    return joined(
        UNRANKED.get(curve.standing, ""),
        "did not forget" if curve.measured and not forgot else "",
        not_found(curve.records),
        _gap(curve),
    )


def _gap(curve: Curve) -> str:
    """Why there is no area; nothing where there is one."""
    if curve.mixed:
        return "points of more than one front, so no area"
    if curve.area is None:
        return f"{len(curve.measured)} of {curve.expected} points measured, so no area"
    return ""
