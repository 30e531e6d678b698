"""The ranked table: which columns there are, what each means, and what stands in the cells."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from unlearn_bench.leaderboards.brief.finality import found_by
from unlearn_bench.leaderboards.statistics.curves import Curve
from unlearn_bench.leaderboards.statistics.frame import least_shown
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.statistics.rows import Board, Recovery, Row
from unlearn_bench.leaderboards.tables import costs
from unlearn_bench.leaderboards.tables.section import number, span

Kind = Literal["text", "bar", "whisker", "number"]

NO_NUMBER = "-"
"""Where a row has no number."""

ACCESS = {
    "ZS": "zero-shot: the names of the classes alone, no image",
    "semi-ZS": "real images of what is to be forgotten too",
    "not-ZS": "real images of everything else too",
}
"""What a method may see, in words."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: `about` explains its heading, `better` says which way; `shown` before anything is chosen."""

    key: str
    title: str
    about: str
    kind: Kind = "number"
    better: Literal["", "higher", "lower"] = ""
    shown: bool = True


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands in a cell.

    Attributes:
        text: as it is read. value: the length of its bar, or the place of its dot.
        span: of the interval, in the unit of `value`. said: the interval in words.
    """

    text: str
    value: float | None = None
    span: tuple[float, float] | None = None
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the table, with what it is filtered by.

    Attributes:
        label: the method's name. competing: whether it is no reference.
    """

    label: str
    access: str
    standing: str
    competing: bool
    forgot: bool | None
    on_front: bool
    cells: Mapping[str, Cell]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A board's table: competitors, then references."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    references: tuple[Line, ...]


COLUMNS = (
    Column(
        key="rank",
        title="Rank",
        about="By score. Methods that the data can't tell apart share a rank: the interval of their paired "
        "difference to the best of the group holds 0. Untuned methods and those tuned on reported classes have none.",
    ),
    Column(
        key="method",
        title="Method",
        kind="text",
        about="The symbol shows what the method may see; the name leads to all that is known of it.",
    ),
    Column(
        key="score",
        title="Score",
        kind="whisker",
        better="lower",
        about="Avg. Score: what is left of the target plus what was lost elsewhere, as shares, averaged over the "
        "terms. The line is its 95 % interval. Doing nothing scores 1 / (number of terms).",
    ),
    Column(
        key="forgetting",
        title="Forgetting",
        kind="bar",
        better="higher",
        about="Share of the accuracy on the forget set that is gone: 1 - after / before, clipped to 0 to 1.",
    ),
    Column(
        key="retention",
        title="Retention",
        kind="bar",
        better="higher",
        about="Share of the accuracy on everything else that is still there; a gain in one place makes up for no "
        "loss in another.",
    ),
    Column(
        key="recovery",
        title="Recovered",
        kind="bar",
        better="lower",
        about="Worst known recovery: the largest share of the target that an attack of the standard set gets back. "
        "0: as if it had never been known; 1: as if nothing had been forgotten. Each cell says which attack.",
    ),
    Column(
        key="irreversibility",
        title="Irreversible",
        kind="bar",
        better="higher",
        about="1 - the largest share of the target that an audit brings back: a linear probe on the embeddings, or "
        "16 updates on one image of each class. A model that never saw the class sets the scale (row retrain).",
    ),
    Column(
        key="seconds",
        title="Seconds",
        better="lower",
        about="What the method itself took for one forget set, median. * measured under other conditions or beside "
        "other processes, not comparable.",
    ),
    Column(
        key="harmonic",
        title="H",
        better="higher",
        shown=False,
        about="The harmonic mean of forgetting and retention; 0 if either is.",
    ),
    Column(
        key="before",
        title="Target before",
        shown=False,
        about="Zero-shot accuracy on the forget set before forgetting.",
    ),
    Column(
        key="after",
        title="Target after",
        better="lower",
        shown=False,
        about="Zero-shot accuracy on the forget set after forgetting.",
    ),
    Column(
        key="front",
        title="Front",
        kind="text",
        shown=False,
        about="On the Pareto front: no other method of the table forgets and keeps as much, and more of one.",
    ),
    Column(
        key="memory",
        title="Memory, MiB",
        better="lower",
        shown=False,
        about="Peak memory above what was held before.",
    ),
    Column(
        key="changed", title="Changed", shown=False, about="Share of the model's numbers that the method changed."
    ),
    Column(
        key="trials",
        title="Trials",
        shown=False,
        about="With how many trials its settings were found; - not recorded.",
    ),
    Column(key="cells", title="Cells", shown=False, about="Runs that are done, of those that there should be."),
    Column(key="note", title="Note", kind="text", shown=False, about="Why a row has no rank, and what else is odd."),
)  # fmt: skip
"""All of them, in their order."""


def table_of(board: Board, note: Callable[[Row], str]) -> Table:
    """The table of a board of methods; `note` says what is odd about a row."""
    spent = costs.Costs(board)
    scale = _scale(board)
    lines = [_line(row, spent, scale, note(row)) for row in board.rows]
    used = [column for column in COLUMNS if any(_holds(line.cells[column.key]) for line in lines)]
    if any(column.key == "recovery" for column in used):  # it says the same of more attacks, and on a scale
        used = [replace(column, shown=column.shown and column.key != "irreversibility") for column in used]
    return Table(
        columns=tuple(used),
        lines=tuple(line for line in lines if line.competing),
        references=tuple(line for line in lines if not line.competing),
    )


def _holds(cell: Cell) -> bool:
    return cell.text not in {"", NO_NUMBER}


def _scale(board: Board) -> float:
    """The score at which a whisker ends: just over that of the worst method that a picture shows."""
    scored = [row for row in board.rows if row.standing != "reference" and row.overall.score is not None]
    kept = [(row.overall.retention or 0.0, row.overall.intervals.get("retention")) for row in scored]
    least = least_shown(kept)
    found = [
        max(row.overall.score or 0.0, row.overall.interval.high if row.overall.interval else 0.0)
        for row, (retention, _) in zip(scored, kept, strict=True)
        if retention >= least
    ]
    return 1.05 * max(found, default=1.0) or 1.0


def _line(row: Row, spent: costs.Costs, scale: float, note: str) -> Line:
    summary = row.overall
    audited = row.irreversibility if row.audits else None
    target = summary.target
    cells = {
        "rank": Cell(text="" if row.place is None else str(row.place)),
        "method": Cell(text=row.label),
        "score": _measured(summary.score, summary.interval, scale),
        "forgetting": _measured(summary.forgetting, summary.intervals.get("forgetting")),
        "retention": _measured(summary.retention, summary.intervals.get("retention")),
        "recovery": _recovered(row.recovery),
        "irreversibility": _measured(audited, None),
        "seconds": _cost(row, spent, "seconds", "method"),
        "harmonic": _plain(summary.harmonic),
        "before": _plain(target.before if target else None),
        "after": _plain(target.after if target else None),
        "front": Cell(text="yes" if row.on_front else ""),
        "memory": _cost(row, spent, "peak-memory", "all"),
        "changed": _cost(row, spent, "share-changed", "all"),
        "trials": _whole(costs.tuning(row)[1]),
        "cells": Cell(text=f"{summary.done} of {summary.planned}"),
        "note": Cell(text=note),
    }
    return Line(
        label=row.label,
        access=row.run.access,
        standing=row.standing,
        competing=row.standing != "reference",
        forgot=None if summary.ratio is None else not summary.did_not_forget,
        on_front=row.on_front,
        cells=cells,
    )


def _measured(value: float | None, interval: Interval | None, scale: float = 1.0) -> Cell:
    if value is None:
        return Cell(text=NO_NUMBER)

    def place(of: float) -> float:
        return round(min(1.0, max(0.0, of / scale)), 4)

    return Cell(
        text=number(value),
        value=place(value),
        span=(place(interval.low), place(interval.high)) if interval else None,
        said=f"95 % interval {span(interval)}" if interval else "",
    )


def _recovered(found: Recovery | None) -> Cell:
    if found is None or found.share is None:
        return Cell(text=NO_NUMBER)
    cell = _measured(found.share, found.interval)
    return replace(cell, said="; ".join(filter(None, (found_by(found), cell.said))))


def _plain(value: float | None) -> Cell:
    return Cell(text=NO_NUMBER) if value is None else Cell(text=number(value))


def _whole(value: int | None) -> Cell:
    return Cell(text=NO_NUMBER) if value is None else Cell(text=str(value))


def _cost(row: Row, spent: costs.Costs, metric: str, group: str) -> Cell:
    return Cell(text=spent.shown(row, metric, group) or NO_NUMBER)


AREA = Column(
    key="area",
    title="Area",
    kind="whisker",
    better="higher",
    about="The share of the square of forgetting and retention that the method's settings dominate; doing nothing "
    "has 0, forgetting all at no cost 1. The line is its 95 % interval.",
)
POINTS = Column(
    key="points",
    title="Forgetting / retention at its settings",
    kind="text",
    about="The front of its tuning trials, measured again on the reported classes.",
)


def table_of_curves(curves: tuple[Curve, ...], note: Callable[[Curve], str]) -> Table:
    """The table of a board of curves: a line for each method."""
    by_key = {column.key: column for column in COLUMNS}
    lines = [_curve_line(curve, note(curve)) for curve in curves]
    columns = (by_key["rank"], by_key["method"], AREA, POINTS, by_key["note"])
    return Table(
        columns=tuple(column for column in columns if any(_holds(line.cells[column.key]) for line in lines)),
        lines=tuple(line for line in lines if line.competing),
        references=tuple(line for line in lines if not line.competing),
    )


def _curve_line(curve: Curve, note: str) -> Line:
    points = [
        f"{number(point.forgetting)} / {number(point.retention)}" for point in curve.points if point.is_measured
    ]
    forgot = [point for point in curve.measured if not point.row.overall.did_not_forget]
    return Line(
        label=curve.label,
        access=curve.points[0].row.run.access,
        standing=curve.standing,
        competing=curve.standing != "reference",
        forgot=bool(forgot) if curve.measured else None,
        on_front=any(point.on_front for point in curve.points),
        cells={
            "rank": Cell(text="" if curve.place is None else str(curve.place)),
            "method": Cell(text=curve.label),
            "area": _measured(curve.area, curve.interval),
            "points": Cell(text=", ".join(points)),
            "note": Cell(text=note),
        },
    )


def standing_in_words(standing: str) -> str:
    """A row's standing for a filter and a note."""
    return {**UNRANKED, "ranked": "ranked", "reference": "reference"}[standing]  # type: ignore[index]
