"""What the browser draws, as plain data: points of methods, trials of a search, histories of a run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from unlearn_bench.leaderboards.page.addresses import slug
from unlearn_bench.leaderboards.page.extras import Trial
from unlearn_bench.leaderboards.statistics.curves import curves, is_curve
from unlearn_bench.leaderboards.statistics.frame import least_shown, told
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.rows import Board, Row

_LONGEST = 120
"""Steps of a history that are drawn: of a longer one, every n-th."""

Chart = dict[str, Any]
"""What becomes JSON: `kind`, and what that kind needs."""


def front_of(board: Board) -> Chart | None:
    """Forgetting against retention, a point for each row or a line for each curve; None without any point.

    Points that lie below the frame say so, and `outside` tells of them in words.
    """
    if is_curve(board):
        points = [
            _point(point.row, curve.label) | {"line": curve.label, "order": point.number}
            for curve in curves(board)
            for point in curve.points
            if point.is_measured
        ]
    else:
        rows = [row for row in board.rows if None not in (row.overall.forgetting, row.overall.retention)]
        points = [_point(row, row.label) | {"page": slug(row.label)} for row in rows]
    return _framed(points) if points else None


def _framed(points: Sequence[Chart]) -> Chart:
    """The chart of these points, those that it does not show at first marked; a line is shown as a whole or not."""
    competing = (point for point in points if point["access"] != "reference")
    least = least_shown(
        (point["retention"], Interval(low=point["r_low"], high=point["r_high"])) for point in competing
    )
    within = {point["name"] for point in points if point["retention"] >= least}
    below = [point for point in points if point["name"] not in within]
    said = {point["name"]: (point["name"], point["forgetting"], point["retention"]) for point in reversed(below)}
    return {
        "kind": "front",
        "points": [point | {"outside": point["name"] not in within} for point in points],
        "outside": told(list(reversed(said.values()))),
    }


def _point(row: Row, name: str) -> Chart:
    summary = row.overall
    gone, kept = summary.intervals.get("forgetting"), summary.intervals.get("retention")
    return {
        "name": name,
        "access": "reference" if row.standing == "reference" else row.run.access,
        "forgetting": rounded(summary.forgetting),
        "retention": rounded(summary.retention),
        **_ends("f", gone, summary.forgetting),
        **_ends("r", kept, summary.retention),
        "score": rounded(summary.score),
        "rank": row.place,
        "irreversibility": rounded(row.irreversibility if row.audits else None),
        "recovery": rounded(row.recovery.share if row.recovery else None),
        "attack": row.recovery.attack if row.recovery else "",
        "front": row.on_front,
    }


def _ends(letter: str, found: Interval | None, value: float | None) -> dict[str, float | None]:
    low, high = (found.low, found.high) if found else (value, value)
    return {f"{letter}_low": rounded(low), f"{letter}_high": rounded(high)}


def trials(found: Sequence[Trial]) -> Chart | None:
    """The settings that tuning kept; None without any."""
    if not found:
        return None
    points = [
        {"forgetting": rounded(each.forgetting), "retention": rounded(each.retention), "chosen": each.chosen}
        for each in found
    ]
    return {"kind": "trials", "points": points}


def history(steps: Sequence[Mapping[str, object]]) -> Chart | None:
    """Each number that a method reported, by step; None where it reported none twice."""
    series: dict[str, list[tuple[float, float]]] = {}
    for place, step in enumerate(steps):
        at = step.get("step", place)
        for name, value in step.items():
            if name != "step" and _is_number(value) and _is_number(at):
                series.setdefault(name, []).append((float(at), float(value)))  # type: ignore[arg-type]
    drawn = {name: values for name, values in series.items() if len(values) > 1}
    points = [
        {"series": name, "step": step, "value": float(f"{value:.4g}")}
        for name, values in drawn.items()
        for step, value in values[:: math.ceil(len(values) / _LONGEST)]
    ]
    return {"kind": "history", "points": points} if points else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def rounded(value: float | None) -> float | None:
    """Four decimals: a quarter of a pixel of what is drawn."""
    return None if value is None else round(value, 4)
