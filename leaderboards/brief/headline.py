"""A leaderboard in a few sentences, computed from its rows."""

from unlearn_bench.leaderboards.statistics.curves import Curve, curves, is_curve
from unlearn_bench.leaderboards.statistics.findings import Findings, findings
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.tables.section import number

_FEW = 3
_WELL = "of those that forgot with less harm than good"


def headline(board: Board) -> str:
    """Who leads, by how much and within what interval; who did not forget; whether anything is beyond recall."""
    return " ".join(sentences(board))


def sentences(board: Board) -> tuple[str, ...]:
    """The same, the most important first."""
    if is_curve(board):
        return (_of_curves([curve for curve in curves(board) if curve.standing != "reference"]),)
    found = findings(board)
    if found.best is None:
        return (_unscored(board),)
    return tuple(filter(None, (_who(found), _lead(found), _unforgotten(found), _spilled(found), _undone(found))))


def _unscored(board: Board) -> str:
    """Why nobody has a score."""
    whole = [row for row in board.rows if row.overall.done == row.overall.planned]
    if whole and not any("average-score" in layout.places for row in whole for layout in row.layouts):
        return (
            "No accuracy on class names was measured, so no method has a score; what was measured is in the tables."
        )
    return "No method has all its cells yet, so none has a score."


def measured_line(board: Board) -> str:
    """What was measured, in one line: `mini-rn: 12 forget sets of 4 datasets, 3 seeds, 18 methods`."""
    rows = curves(board) if is_curve(board) else board.rows
    references = sum(row.standing == "reference" for row in rows)
    methods = len(rows) - references
    parts = [
        f"{counted(len(board.classes), 'forget set')} of {counted(len(board.datasets), 'dataset')}",
        counted(len(board.seeds), "seed"),
        counted(methods, "method") + (f" and {counted(references, 'reference')}" if references else ""),
    ]
    return f"{board.run.model}: {', '.join(parts)}"


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "seed"), counted(3, "class")
    ('1 seed', '3 classes')
    """
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def short(value: float | None) -> str:
    """A share with three decimals and no leading zero; `-` where there is none.

    >>> short(0.029), short(0.812), short(1.0), short(-0.0001), short(None)
    ('.029', '.812', '1.000', '.000', '-')
    """
    return number(value).replace("0.", ".", 1) if value is not None and abs(value) < 0.9995 else number(value) or "-"


def listed(names: list[str]) -> str:
    """Names in a sentence.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a', 'a and b', 'a, b, c and 2 more')
    """
    if len(names) > _FEW + 1:
        return f"{', '.join(names[:_FEW])} and {len(names) - _FEW} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _who(found: Findings) -> str:
    if not found.leaders:
        assert found.best is not None
        return (
            f"No method was tuned for this, so none is ranked; {found.best.label} has the best score, "
            f"{_score(found.best)}: it {_does(found.best)}."
        )
    first, *others = found.leaders
    tied = f", not told apart from {listed([row.label for row in others])}" if others else ""
    return f"{first.label} leads with a score of {_score(first)}{tied}: it {_does(first)}."


def _lead(found: Findings) -> str:
    if found.follower is None or found.lead is None or found.lead.mean is None:
        return ""
    by = f"{short(found.lead.mean)}{_within(found.lead.interval)}"
    return f"The next, {found.follower.label}, is {by} behind."


def _score(row: Row) -> str:
    return f"{short(row.overall.score)}{_within(row.overall.interval)}"


def _within(interval: Interval | None) -> str:
    return f" ({short(interval.low)} to {short(interval.high)})" if interval else ""


def _does(row: Row) -> str:
    gone, kept = row.overall.forgetting, row.overall.retention
    return f"forgets {_percent(gone)} of what it should and keeps {_percent(kept)} of the rest"


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{share:.1%}".replace("%", " %")


def _unforgotten(found: Findings) -> str:
    if not found.unforgotten:
        return ""
    if found.unforgotten == found.competing:
        return "No method forgot: each still recognises more than half of it."
    return f"{found.unforgotten} of {found.competing} methods did not forget."


def _spilled(found: Findings) -> str:
    if not found.spared:
        return ""
    row, pair = found.spared[0]
    return (
        f"{_WELL.capitalize()}, {found.spilled} of {len(found.spared)} lost more than half of what the model knew of "
        f"the entity's other links; {row.label} lost least of it (accuracy {short(pair.before)} before, "
        f"{short(pair.after)} after)."
    )


def _undone(found: Findings) -> str:
    if found.attacked:
        return _recovered(found)
    if found.hardest is None:
        return ""
    row, most = found.hardest
    if found.retrained is None:
        return f"{_WELL.capitalize()}, {row.label} is the least reversible: {short(most)} (0: comes back whole)."
    scale = f"the model that was trained again without it ({short(found.retrained)})"
    if not found.as_hard:
        return f"None {_WELL} is as irreversible as {scale}; the nearest is {row.label} ({short(most)})."
    names = listed([each.label for each in found.as_hard])
    return f"As irreversible as {scale}: {names}."


def _recovered(found: Findings) -> str:
    """What the strongest attack finds of the row that gives least back, and how many give back most of it."""
    least, *_ = found.attacked
    assert least.recovery is not None
    share = f"{short(least.recovery.share)}{_within(least.recovery.interval)}"
    bare = ", with no retrained model as zero" if least.recovery.is_bare else ""
    many = f"{found.regained} of these {len(found.attacked)} give back more than half."
    return (
        f"{_WELL.capitalize()}, {least.label} gives least back: the worst known attack recovers {share} of it"
        f"{bare}{f' ({least.recovery.attack})' if least.recovery.share else ''}. {many}"
    )


def _of_curves(competing: list[Curve]) -> str:
    known = [curve for curve in competing if curve.area is not None]
    if not known:
        return "No method has all the points of its front yet, so none has an area."
    ranked = [curve for curve in known if curve.place is not None]
    first = (ranked or known)[0]
    others = [curve.label for curve in ranked if curve.place == 1 and curve is not first]
    tied = f", not told apart from {listed(others)}" if others else ""
    return (
        f"{first.label} reaches most: its settings dominate {short(first.area)}{_within(first.interval)} "
        f"of the square of forgetting and retention{tied}."
    )
