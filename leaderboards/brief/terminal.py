"""A leaderboard on a terminal: a table that fits 100 columns, and the sentences that it comes to."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

from unlearn_bench.leaderboards.brief.finality import attacked, number_of
from unlearn_bench.leaderboards.brief.headline import headline, short
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.statistics.curves import Curve, curves, is_curve
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.statistics.settings import main_settings
from unlearn_bench.leaderboards.tables.captions import title

WIDTH = 100
"""Columns that every line fits."""

_MARK = "*"
_ROWS = ("rank", "method", "access", "score (95 %)", "forgetting", "retention")
_LAST = {False: "irreversibility", True: "worst recovery"}
"""The last heading; `True`: the standard attack ran."""

_WIDTHS = (4, 23, 7, 20, 10, 9, 15)
_CURVES = ("rank", "method", "access", "area (95 %)", "settings")
_CURVE_WIDTHS = (4, 40, 7, 19, 8)
_MARKED = f"{_MARK} did not forget: more than half of the target accuracy is left."
_BETTER = {
    False: "Of scores, lower is better; of the other three, higher.",
    True: "Of scores and of what the worst known attack recovers, lower is better; of the other two, higher.",
}


def summary(records: Iterable[Record]) -> str:
    """The tables of all boards with their sentences; empty without records. No line is wider than `WIDTH`."""
    main, _ = main_settings(records)
    return "\n\n".join(of_board(board) for board in boards(main))


def of_board(board: Board) -> str:
    """A title, the table, what its marks mean, and the headline."""
    if is_curve(board):
        lines = _laid_out(_CURVES, _CURVE_WIDTHS, [[_curve(curve) for curve in curves(board)]])
        note: list[str] = []
    else:
        recovered = attacked([board])
        competing = [_row(row, recovered) for row in board.rows if row.standing != "reference"]
        references = [_row(row, recovered) for row in board.rows if row.standing == "reference"]
        lines = _laid_out((*_ROWS, _LAST[recovered]), _WIDTHS, [competing, references])
        note = wrapped(f"{_MARKED} {_BETTER[recovered]}") if any(_MARK in line for line in lines) else []
    return "\n".join([*wrapped(title(board)), "", *lines, *note, "", *wrapped(headline(board))])


def leader(board: Board) -> str:
    """Who leads so far, in a few words; empty where nobody has a score."""
    scored = [row for row in board.rows if row.standing != "reference" and row.overall.score is not None]
    if is_curve(board) or not scored:
        return ""
    return f"{scored[0].label} leads on {board.run.model} ({short(scored[0].overall.score)})"


def wrapped(text: str) -> list[str]:
    """Text in lines of at most `WIDTH` columns; a word that is longer is cut into pieces."""
    lines, line = [], ""
    for word in text.split():
        while cell_len(word) > WIDTH:
            head = set_cell_size(word, WIDTH).rstrip()
            lines += [*([line] if line else []), head]
            line, word = "", word[len(head) :]  # noqa: PLW2901  (what is left of it)
        joined = f"{line} {word}".strip()
        if cell_len(joined) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = joined
    return [*lines, *([line] if line else [])]


def _laid_out(headers: Sequence[str], widths: Sequence[int], parts: Sequence[Sequence[Sequence[str]]]) -> list[str]:
    rule = "  ".join("-" * width for width in widths)
    lines = [_line(headers, widths), rule]
    for number, part in enumerate(filter(None, parts)):
        lines += [*([rule] if number else []), *(_line(cells, widths) for cells in part)]
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_fitted(cell, width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _fitted(text: str, width: int) -> str:
    """The text in so many columns: filled up, or cut with two dots at its end."""
    flat = " ".join(text.split())
    return set_cell_size(flat, width) if cell_len(flat) <= width else set_cell_size(flat, width - 2).rstrip() + ".."


def _row(row: Row, recovered: bool) -> list[str]:
    summary = row.overall
    mark = _MARK if summary.did_not_forget and row.standing != "reference" else ""
    return [
        "-" if row.place is None else str(row.place),
        row.label,
        row.run.access,
        _spanned(summary.score, summary.interval),
        short(summary.forgetting) + mark,
        short(summary.retention),
        number_of(row, recovered=recovered),
    ]


def _curve(curve: Curve) -> list[str]:
    place = "-" if curve.place is None else str(curve.place)
    return [
        place,
        curve.label,
        curve.points[0].row.run.access,
        _spanned(curve.area, curve.interval),
        str(len(curve.measured)),
    ]


def _spanned(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return short(value)
    return f"{short(value)} ({short(interval.low)} to {short(interval.high)})"
