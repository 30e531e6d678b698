"""A leaderboard as one Markdown file: what it comes to and a table that a window shows whole, the rest folded."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import replace

from unlearn_bench.leaderboards.brief.finality import attacked, cell, heading
from unlearn_bench.leaderboards.brief.headline import headline, measured_line, short
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.curves import is_curve
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.tables.asides import section_of
from unlearn_bench.leaderboards.tables.captions import title
from unlearn_bench.leaderboards.tables.curves import table as table_of_curves
from unlearn_bench.leaderboards.tables.render import boards_of, markdown, parts_of, reading_of
from unlearn_bench.leaderboards.tables.section import Section, short_note
from unlearn_bench.shown import one_line

_WHOLE = 3
"""The level of headings about all of a board; what is deeper is about one forget set."""

_HEADERS = ("rank", "method", "access", "score (95 %)", "forgetting", "retention")


def document(records: Iterable[Record], *, baseline: str | None = None, all_settings: bool = False) -> str:
    """The leaderboards of `records` as Markdown, ending in a line feed.

    Raises:
        InputError: no records, or a baseline that no board has.
    """
    found, asides = boards_of(records, baseline=baseline, all_settings=all_settings)
    blocks = [markdown([Section(title="Leaderboard", level=1)])]
    for board in found:
        head = Section(title=title(board), level=2, paragraphs=(f"{measured_line(board)}. {headline(board)}",))
        shown = of_board(board)
        rest = [section for section in parts_of(board, baseline) if section.rows != shown.rows or not shown.rows]
        blocks += [markdown([head, shown]), *_folded_board(rest)]
    blocks += [_folded(section) for section in (reading_of(found), *section_of(asides))]
    return "\n".join(blocks)


def of_board(board: Board) -> Section:
    """The table of a board in eight columns, references last; of curves, the table that they have anyway."""
    if is_curve(board):
        return table_of_curves(board)
    recovered = attacked([board])
    headers = (*_HEADERS, heading(recovered=recovered), "note")
    rows = tuple(line(row, recovered=recovered) for row in board.rows)
    return Section(title="", level=3, headers=headers, rows=rows, words=4)


def line(row: Row, *, recovered: bool = False) -> tuple[str, ...]:
    """A row in eight cells."""
    found = row.overall
    return (
        "-" if row.place is None else str(row.place),
        f"{row.label} (reference)" if row.standing == "reference" else row.label,
        row.run.access,
        spanned(found.score, found.interval),
        short(found.forgetting),
        short(found.retention),
        cell(row, recovered=recovered),
        short_note(row, found),
    )


def spanned(value: float | None, interval: Interval | None) -> str:
    """A score with its interval."""
    if value is None or interval is None:
        return short(value)
    return f"{short(value)} ({short(interval.low)} to {short(interval.high)})"


def _folded_board(sections: Sequence[Section]) -> list[str]:
    """Each section in a fold of its own; those about one forget set in a fold that holds them all."""
    single = [section for section in sections if section.level > _WHOLE]
    about, *rest = (section for section in sections if section.level <= _WHOLE)
    measured = replace(about, title=f"How it was measured: {about.title}")
    blocks = [_folded(section) for section in (measured, *rest)]
    if single:
        inner = "\n".join(map(_folded, single))
        summary = f"Forget sets, one by one ({len(single)} tables)"
        blocks.append(f"<details>\n<summary>{summary}</summary>\n\n{inner}\n</details>\n")
    return blocks


def _folded(section: Section) -> str:
    """A section under a summary that is its title."""
    named = html.escape(one_line(section.title))
    return f"<details>\n<summary>{named}</summary>\n\n{markdown([replace(section, title='')])}\n</details>\n"
