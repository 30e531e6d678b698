"""The README's first screen: the sentence of each model, the picture, and a table of the best."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unlearn_bench.leaderboards.brief.finality import attacked, cell, heading
from unlearn_bench.leaderboards.brief.headline import sentences, short
from unlearn_bench.leaderboards.brief.overview import spanned
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.curves import is_curve
from unlearn_bench.leaderboards.statistics.recovery import RETRAINED
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.tables.render import boards_of, markdown
from unlearn_bench.leaderboards.tables.section import Section

ROWS = 12
"""The most rows of the table, of all models together."""

_HEADERS = ("model", "rank", "method", "score (95 %)", "forgetting", "retention")
_ALT = "Forgetting against retention, a panel for each model and a mark for each method"


@dataclass(frozen=True, kw_only=True)
class Links:
    """Where the block's pictures and the whole leaderboard are, seen from the file that holds the block."""

    light: str
    dark: str
    table: str


def short_form(records: Iterable[Record], links: Links) -> str:
    """The block as Markdown, ending in a line feed: at most seven columns and `ROWS` rows.

    Raises:
        InputError: no records.
    """
    found = [board for board in boards_of(records)[0] if not is_curve(board)]
    said = tuple(f"{board.run.model}: {' '.join(sentences(board))}" for board in found)
    recovered = attacked(found)
    headers = (*_HEADERS, heading(recovered=recovered))
    rows = [row for board in found for row in _rows(board, ROWS // len(found))]
    lines = [_line(row, recovered=recovered) for row in rows]
    text = markdown([Section(title="", level=3, paragraphs=said)])
    table = markdown([Section(title="", level=3, headers=headers, rows=tuple(lines), words=3)])
    return f"{text}\n{_picture(links)}\n\n{table}"


def _picture(links: Links) -> str:
    return (
        f'<a href="{links.table}"><picture>\n'
        f'  <source media="(prefers-color-scheme: dark)" srcset="{links.dark}">\n'
        f'  <img alt="{_ALT}" src="{links.light}">\n'
        "</picture></a>"
    )


def _rows(board: Board, most: int) -> Sequence[Row]:
    """The best of a model, and the retrained one, which is the scale, where it was measured."""
    scale = [row for row in board.rows if row.label == RETRAINED and row.overall.score is not None]
    scored = [row for row in board.rows if row.standing != "reference" and row.overall.score is not None]
    return (*scored[: most - len(scale)], *scale)


def _line(row: Row, *, recovered: bool) -> tuple[str, ...]:
    found = row.overall
    return (
        row.run.model,
        "-" if row.place is None else str(row.place),
        f"{row.label} (reference)" if row.standing == "reference" else row.label,
        spanned(found.score, found.interval),
        short(found.forgetting),
        short(found.retention),
        cell(row, recovered=recovered),
    )
