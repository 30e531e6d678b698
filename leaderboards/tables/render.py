"""A leaderboard as text: Markdown, CSV or LaTeX. What a browser shows is made in `leaderboards/page`."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, cast, get_args

import pandas as pd
from tabulate import tabulate

from unlearn_bench.errors import InputError, unknown
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.wide_csv import literal
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.statistics.curves import is_curve
from unlearn_bench.leaderboards.statistics.rows import Board, Cell, Row
from unlearn_bench.leaderboards.statistics.settings import Aside, main_settings
from unlearn_bench.leaderboards.tables import audits, curves
from unlearn_bench.leaderboards.tables.asides import section_of
from unlearn_bench.leaderboards.tables.captions import INTERVALS, READING, SHARES
from unlearn_bench.leaderboards.tables.long_table import tidy
from unlearn_bench.leaderboards.tables.predictions import predictions
from unlearn_bench.leaderboards.tables.section import Section
from unlearn_bench.leaderboards.tables.tables import missing, sections
from unlearn_bench.shown import one_line, visible

Format = Literal["md", "csv", "latex"]
FORMATS: tuple[str, ...] = get_args(Format)


def render(
    records: Iterable[Record],
    *,
    fmt: Format | str,
    baseline: str | None = None,
    short: bool = False,
    plan: Collection[Cell] = (),
    all_settings: bool = False,
) -> str:
    """The leaderboards of `records` as text, ending in a line feed.

    Args:
        fmt: `md`; `latex` (needs the package booktabs); `csv`, a row for each number.
        baseline: to which method differences are taken; without it, the best-ranked one of each board.
        short: only the overall tables.
        plan: cells that there should be, besides those of which there are records.
        all_settings: also of records that fuller ones of the same model stand for (`main_settings`); else those are
            named in a short section at the end, and left out of `csv`.

    Raises:
        InputError: no records, an unknown format, or a baseline that no board has.
    """
    if fmt not in FORMATS:
        raise unknown("format", fmt, FORMATS)
    found, aside = boards_of(records, baseline=baseline, plan=plan, all_settings=all_settings)
    if fmt == "csv":
        numbers = pd.DataFrame(tidy(found)).map(
            lambda cell: literal(visible(cell)) if isinstance(cell, str) else cell
        )
        return numbers.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    parts = [part for board in found for part in parts_of(board, baseline, short=short)]
    reading = reading_of(found, title="" if short else "How to read the tables")
    parts = [*parts, reading] if short else [reading, *parts]
    parts.extend(section_of(aside))
    return _WRITERS[cast("Format", fmt)](parts, short)


def boards_of(
    records: Iterable[Record],
    *,
    baseline: str | None = None,
    plan: Collection[Cell] = (),
    all_settings: bool = False,
) -> tuple[tuple[Board, ...], tuple[Aside, ...]]:
    """The boards to show, and the records that are only named beside them; arguments and errors as `render`."""
    main, aside = (tuple(records), ()) if all_settings else main_settings(records)
    found = boards(main, plan=plan)
    if not found:
        raise InputError("no records to make a leaderboard of; give a run's folder that has cells in it")
    if baseline is not None and not any(board.find(baseline) for board in found):
        raise unknown("baseline", baseline, {row.label for board in found for row in board.rows})
    return found, aside


def reading_of(found: Sequence[Board], *, title: str = "How to read the tables") -> Section:
    """What holds for all of these boards."""
    if all(is_curve(board) for board in found):
        return Section(title=title, level=2, paragraphs=(SHARES, INTERVALS))
    said: tuple[str, ...] = READING
    if any(row.recovery for board in found for row in board.rows):
        said = (*said, audits.RECOVERY)
    if any(audits.sections(board) for board in found):
        said = (*said, audits.READING)
    return Section(title=title, level=2, paragraphs=said)


def parts_of(board: Board, baseline: str | None, *, short: bool = False) -> tuple[Section, ...]:
    """All sections of a board, or those of its short form."""
    if is_curve(board):
        return (*curves.sections(board), *missing(board))
    found = sections(board, _baseline(board, baseline), short=short)
    return found if short else (*found, *predictions(board))


def _baseline(board: Board, name: str | None) -> Row | None:
    chosen = board.find(name) if name else None
    scored = [row for row in board.rows if row.overall.score is not None]
    ranked = [row for row in scored if row.place is not None]
    return chosen or next(iter([*ranked, *scored]), None)


def _frame(section: Section) -> pd.DataFrame:
    # Two columns may have one name ("95 % interval"), which a frame from a mapping could not hold.
    return pd.DataFrame(list(section.rows), columns=list(section.headers), dtype=object)


def _alignment(section: Section, left: str = "left", right: str = "right") -> list[str]:
    return [left if place < section.words else right for place in range(len(section.headers))]


def _markdown(parts: Sequence[Section], short: bool) -> str:
    return markdown(parts, bold=True) if short else markdown([Section(title="Leaderboard", level=1), *parts])


def markdown(parts: Sequence[Section], *, bold: bool = False) -> str:
    """Sections as Markdown, ending in a line feed; their titles as headings, or `bold`."""
    blocks = []
    for section in parts:
        title = _markdown_escape(section.title)
        if title:
            blocks.append(f"**{title}**" if bold else f"{'#' * section.level} {title}")
        blocks.extend(_markdown_escape(text) for text in section.paragraphs)
        if section.headers:
            frame = _frame(section).map(_markdown_escape)
            table = tabulate(
                frame.to_numpy().tolist(),
                headers=[_markdown_escape(name) for name in section.headers],
                tablefmt="pipe",
                colalign=_alignment(section) if section.rows else None,
                disable_numparse=True,
            )
            blocks.append(table)
    return "\n\n".join(blocks) + "\n"


def _markdown_escape(text: str) -> str:
    """One line in which no character of a name or a reason is taken for markup or ends a cell."""
    return re.sub(r"([\\|*`])", r"\\\1", one_line(text)).replace("<", "&lt;").replace(">", "&gt;")


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def _latex_escape(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in one_line(text))


def _latex(parts: Sequence[Section], short: bool) -> str:  # noqa: ARG001  (writers share a signature)
    blocks = ["% needs \\usepackage{booktabs}"]
    for section in parts:
        caption = " ".join(_latex_escape(text) for text in (section.title + ".", *section.paragraphs))
        if not section.headers:
            lines = (one_line(text) for text in (section.title, *section.paragraphs))
            blocks.append("\n".join(f"% {line}" for line in lines if line))
            continue
        cells = [[_latex_escape(str(cell)) for cell in row] for row in _frame(section).to_numpy().tolist()]
        table = tabulate(
            cells,
            headers=[_latex_escape(name) for name in section.headers],
            tablefmt="latex_raw",  # escaped above; its lines become those of booktabs below
            colalign=_alignment(section) if cells else None,
            disable_numparse=True,
        )
        table = _booktabs(table)
        blocks.append("\\begin{table}\n\\caption{" + caption + "}\n" + table + "\n\\end{table}")
    return "\n\n".join(blocks) + "\n"


def _booktabs(table: str) -> str:
    lines = iter(("\\toprule", "\\midrule", "\\bottomrule"))
    return re.sub(r"\\hline", lambda _: next(lines), table)


_WRITERS: Mapping[Format, Callable[[Sequence[Section], bool], str]] = {
    "md": _markdown,
    "latex": _latex,
}
