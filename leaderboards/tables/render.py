"""A leaderboard as a file: Markdown, CSV, LaTeX, or one HTML page."""

import base64
import html
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
from unlearn_bench.leaderboards.statistics.settings import main_settings
from unlearn_bench.leaderboards.tables import audits, curves
from unlearn_bench.leaderboards.tables.asides import section_of
from unlearn_bench.leaderboards.tables.captions import CURVE_DRAWING, FRONT, INTERVALS, READING, SHARES, title
from unlearn_bench.leaderboards.tables.figure import inline
from unlearn_bench.leaderboards.tables.long_table import tidy
from unlearn_bench.leaderboards.tables.predictions import predictions
from unlearn_bench.leaderboards.tables.section import Section
from unlearn_bench.leaderboards.tables.tables import missing, sections
from unlearn_bench.shown import one_line, visible

Format = Literal["md", "csv", "latex", "html"]
FORMATS: tuple[str, ...] = get_args(Format)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #1a1a1a; }
h1, h2, h3, h4 { line-height: 1.2; margin: 2rem 0 .5rem; }
h2 { border-top: 2px solid #1a1a1a; padding-top: 1rem; }
p { color: #555; margin: .3rem 0; max-width: 64rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; font-size: .9rem; }
th { border-bottom: 2px solid #999; text-align: left; vertical-align: bottom; }
th, td { padding: .25rem .4rem; }
td.number, th.number { text-align: right; }
td.number, td:first-child { white-space: nowrap; }
tr:nth-child(even) td { background: #f4f4f4; }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; }
figcaption { color: #555; font-size: .85rem; }
img { max-width: 100%; }
svg { max-width: 100%; height: auto; background: white; }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #e4e4e4; }
  p { color: #aaa; }
  h2 { border-color: #e4e4e4; }
  tr:nth-child(even) td { background: #222; }
}
"""


def render(
    records: Iterable[Record],
    *,
    fmt: Format | str,
    baseline: str | None = None,
    short: bool = False,
    plan: Collection[Cell] = (),
    sheets: Mapping[str, bytes] | None = None,
    all_settings: bool = False,
) -> str:
    """The leaderboards of `records` as text, ending in a line feed.

    Args:
        fmt: `md`; `latex` (needs the package booktabs); `html`, one file without scripts; `csv`, a row for each
            number.
        baseline: to which method differences are taken; without it, the best-ranked one of each board.
        short: only the overall tables.
        plan: cells that there should be, besides those of which there are records.
        sheets: contact sheets of synthetic images, PNGs by name, for the HTML page.
        all_settings: also of records that fuller ones of the same model stand for (`main_settings`); else those are
            named in a short section at the end, and left out of `csv`.

    Raises:
        InputError: no records, an unknown format, or a baseline that no board has.
    """
    if fmt not in FORMATS:
        raise unknown("format", fmt, FORMATS)
    main, aside = (tuple(records), ()) if all_settings else main_settings(records)
    found = boards(main, plan=plan)
    if not found:
        raise InputError("no records to make a leaderboard of; give a run's folder that has cells in it")
    if baseline is not None and not any(board.find(baseline) for board in found):
        raise unknown("baseline", baseline, {row.label for board in found for row in board.rows})
    if fmt == "csv":
        numbers = pd.DataFrame(tidy(found)).map(
            lambda cell: literal(visible(cell)) if isinstance(cell, str) else cell
        )
        return numbers.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    parts = [part for board in found for part in _parts(board, baseline, short=short, drawn=fmt == "html")]
    reading = Section(title="" if short else "How to read the tables", level=2, paragraphs=_reading(found))
    parts = [*parts, reading] if short else [reading, *parts]
    parts.extend(section_of(aside))
    if sheets and fmt == "html":
        parts.append(_pictures(sheets))
    return _WRITERS[cast("Format", fmt)](parts, short)


def _pictures(sheets: Mapping[str, bytes]) -> Section:
    said = "What methods without real data were given: up to sixteen images of a forget set, as the model made them."
    return Section(title="Synthetic images", level=2, paragraphs=(said,), pictures=tuple(sorted(sheets.items())))


def _reading(found: Sequence[Board]) -> tuple[str, ...]:
    """What holds for all of these boards."""
    if all(is_curve(board) for board in found):
        return SHARES, INTERVALS
    return (*READING, audits.READING) if any(audits.sections(board) for board in found) else READING


def _parts(board: Board, baseline: str | None, *, short: bool, drawn: bool) -> tuple[Section, ...]:
    drawings = _drawing(board) if drawn and not short else ()
    if is_curve(board):
        return (*curves.sections(board, drawings=drawings), *missing(board))
    found = sections(board, _baseline(board, baseline), short=short, drawings=drawings)
    return found if short else (*found, *predictions(board))


def _drawing(board: Board) -> tuple[Section, ...]:
    """The plot of forgetting against retention; nothing where no row has both."""
    drawing = inline(board)
    if not drawing:
        return ()
    name = f"Forgetting against retention: {title(board)}"
    said = CURVE_DRAWING if is_curve(board) else FRONT
    return (Section(title=name, level=3, paragraphs=(said,), drawing=drawing),)


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


def _page(parts: Sequence[Section], short: bool) -> str:  # noqa: ARG001
    blocks = []
    for section in parts:
        if section.title:
            blocks.append(f"<h{section.level}>{html.escape(section.title)}</h{section.level}>")
        blocks.extend(f"<p>{html.escape(text)}</p>" for text in section.paragraphs)
        if section.headers:
            blocks.append(_html_table(section))
        if section.drawing:
            blocks.append(f"<figure>{section.drawing}</figure>")
        blocks.extend(_html_picture(name, picture) for name, picture in section.pictures)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Leaderboard</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Leaderboard</h1>\n"
        + "\n".join(blocks)
        + "\n</body>\n</html>\n"
    )


def _html_picture(name: str, picture: bytes) -> str:
    said = html.escape(name)
    data = base64.b64encode(picture).decode("ascii")
    image = f'<img alt="contact sheet: {said}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{said}</figcaption></figure>"


def _html_table(section: Section) -> str:
    kinds = _alignment(section, "", ' class="number"')

    def line(cells: Sequence[str], tag: str) -> str:
        inner = "".join(
            f"<{tag}{kind}>{html.escape(str(cell))}</{tag}>" for cell, kind in zip(cells, kinds, strict=True)
        )
        return f"<tr>{inner}</tr>"

    body = "\n".join(line(row, "td") for row in section.rows)
    return (
        f'<div class="wide"><table>\n<thead>{line(section.headers, "th")}</thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


_WRITERS: Mapping[Format, Callable[[Sequence[Section], bool], str]] = {
    "md": _markdown,
    "latex": _latex,
    "html": _page,
}
