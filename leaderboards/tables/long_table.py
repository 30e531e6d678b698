"""The numbers of leaderboards as one long table, a row for each: for plots and other programs."""

from collections.abc import Iterator, Sequence

from unlearn_bench.leaderboards.statistics.curves import Curve, curves, is_curve
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.rows import Board, Pair, Row, Summary
from unlearn_bench.leaderboards.tables import costs

Line = dict[str, str | int | float | None]
"""One row of the table, at the edge to pandas."""


def tidy(boards: Sequence[Board]) -> list[Line]:
    """Accuracies, scores and costs of every method: over all (`scope` overall), by dataset, by forget set.

    Over all there are also irreversibility, `pareto-front` (1 if the method is on it) and the costs: those
    that compare, or others with `, not comparable` behind the group. Where the standard attack ran, also
    `worst-known-recovery`, whose group is the attack, and `recovery` of each attack, with `, unreliable` behind the
    group of one that does not count; bare shares have `, bare` there.

    Of a board of curves: each method's `dominated-area`, then forgetting and retention at each point, whose group is
    `point 2 of 5`.
    """
    found: list[Line] = []
    for board in boards:
        if is_curve(board):
            found += [line for curve in curves(board) for line in _of_curve(board, curve)]
        else:
            found += [line for row in board.rows for line in _of_row(board, row)]
    return found


def _of_curve(board: Board, curve: Curve) -> Iterator[Line]:
    first = curve.points[0].row
    same = _shared(board, first, label=curve.label, standing=curve.standing, place=curve.place)
    same |= {"scope": "overall", "dataset": "", "forget": ""}
    counted = [point.row.overall for point in curve.points]
    cells: Line = {"done": sum(item.done for item in counted), "planned": sum(item.planned for item in counted)}
    area = Pair(before=None, after=curve.area)
    yield {**same, **_numbers("dominated-area", "", area, curve.interval), **cells}
    for point in curve.points:
        group, summary = f"point {point.number} of {curve.expected}", point.row.overall
        for metric, value, spread in (
            ("forgetting", point.forgetting, point.across),
            ("retention", point.retention, point.along),
        ):
            said = _numbers(metric, group, Pair(before=None, after=value), spread)
            yield {**same, **said, "done": summary.done, "planned": summary.planned}


def _of_row(board: Board, row: Row) -> Iterator[Line]:
    same = _shared(board, row, label=row.label, standing=row.standing, place=row.place)
    everywhere: Line = {"scope": "overall", "dataset": "", "forget": ""}
    yield from _of_summary({**same, **everywhere}, row.overall)
    for metric, group, value in _of_all(row, costs.Costs(board)):
        said = _numbers(metric, group, Pair(before=None, after=value), None)
        yield {**same, **everywhere, **said, "done": row.overall.done, "planned": row.overall.planned}
    for metric, group, value, found in _of_recovery(row):
        said = _numbers(metric, group, Pair(before=None, after=value), found)
        yield {**same, **everywhere, **said, "done": row.overall.done, "planned": row.overall.planned}
    for name in board.datasets:
        yield from _of_summary({**same, "scope": "dataset", "dataset": name, "forget": ""}, row.datasets[name])
    for key in board.classes:
        place: Line = {"scope": "forget set", "dataset": key[0], "forget": " + ".join(key[1])}
        yield from _of_summary({**same, **place}, row.classes[key])


def _shared(board: Board, row: Row, *, label: str, standing: str, place: int | None) -> Line:
    """What every line of a row or curve says."""
    return {
        "suite": board.run.suite,
        "model": board.run.model,
        "fingerprint": board.run.fingerprint,
        "variant": board.variant,
        "method": label,
        "method_version": row.run.method_version,
        "access": row.run.access,
        "standing": standing,
        "rank": place,
    }


def _of_all(row: Row, spent: costs.Costs) -> Iterator[tuple[str, str, float | None]]:
    """What only the row as a whole has."""
    yield "irreversibility", "", row.irreversibility
    yield "pareto-front", "", float(row.on_front)
    for metric, group in costs.MEASURED:
        alike, loose = spent.comparable(row, metric, group), costs.loose(row, metric, group)
        if alike is None and loose is not None:
            yield metric, f"{group}, not comparable", loose
        else:
            yield metric, group, alike
    yield from zip(("tuned-parameters", "tuning-trials"), ("", ""), costs.tuning(row), strict=True)


def _of_recovery(row: Row) -> Iterator[tuple[str, str, float | None, Interval | None]]:
    if row.recovery is None:
        return
    bare = ", bare" if row.recovery.is_bare else ""
    yield "worst-known-recovery", f"{row.recovery.attack}{bare}", row.recovery.share, row.recovery.interval
    for item in row.recovery.attempts:
        unreliable = ", unreliable" if item.unreliable else ""
        yield "recovery", f"{item.name}{bare}{unreliable}", item.share, None


def _of_summary(same: Line, summary: Summary) -> Iterator[Line]:
    score = Pair(before=None, after=summary.score)
    quantities = [("average-score", "", score, summary.interval)]
    quantities += [
        ("forgetting", "", Pair(before=None, after=summary.forgetting), summary.intervals.get("forgetting")),
        ("retention", "", Pair(before=None, after=summary.retention), summary.intervals.get("retention")),
        ("harmonic-mean", "", Pair(before=None, after=summary.harmonic), summary.intervals.get("harmonic")),
    ]
    pairs = {"target": summary.target or Pair(before=None, after=None), **summary.others}
    quantities += [("accuracy", role, pair, None) for role, pair in pairs.items()]
    for metric, group, pair, found in quantities:
        yield {**same, **_numbers(metric, group, pair, found), "done": summary.done, "planned": summary.planned}


def _numbers(metric: str, group: str, pair: Pair, found: Interval | None) -> Line:
    return {
        "metric": metric,
        "group": group,
        "before": pair.before,
        "after": pair.after,
        "low": found.low if found else None,
        "high": found.high if found else None,
    }
