"""The main paper's tables as pages: what it reports, what was measured beside it, and what can't stand beside it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unlearn_bench.cache import write_text
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.reported.comparison import ComparedCell, Comparison, compare_with_reported
from unlearn_bench.leaderboards.reported.printed import (
    SCORE,
    SIDES,
    ReportedRetrieval,
    ReportedRow,
    ReportedTables,
    quantity,
    reported_tables,
)
from unlearn_bench.leaderboards.statistics.intervals import OTHER, TARGET
from unlearn_bench.leaderboards.tables.captions import INTERVALS
from unlearn_bench.leaderboards.tables.section import Section, number, span

TITLE = "The main paper's tables, reported and measured"
UNMEASURED = "not measured yet"
TABLES = {"table1": "Table 1", "table2": "Table 2", "table3": "Table 3"}

_REPORTED = (
    "Reported numbers are the paper's, as printed, and nobody's measurement here: Alexey Kravets, Vinay P. "
    "Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples, https://arxiv.org/abs/2407.07485. "
    "Nothing is computed from them, and a number that the source lacks stays empty."
)
_MEASURED = (
    "Measured numbers are those of runs with the paper's model, splits, templates and forget classes; their "
    f"hyperparameters may differ. BF, AF: before and after forgetting. {INTERVALS} Of retrieval: of forget classes "
    "alone, with this project's choice of queries, since the paper names none."
)
_ABOUT = (_REPORTED, _MEASURED)

Row = ReportedRow | ReportedRetrieval
Cells = Mapping[tuple[str, str, str], Mapping[str, Mapping[str, ComparedCell]]]
"""Compared cells by table, row and forget dataset; then by measured row; then by quantity."""


def page(records: Iterable[Record]) -> str:
    """The reported tables with the measured columns beside them, as Markdown; without records these are empty."""
    reported = reported_tables()
    comparison = compare_with_reported(records, reported)
    about = [Section(title="", level=2, paragraphs=_ABOUT)]
    parts = [*about, *_printed(reported, _index(comparison)), *_left_out(comparison)]
    return _markdown(TITLE, parts)


def report(records: Iterable[Record]) -> str:
    """Measured beside reported, cell by cell, and what can't be compared; the reported tables if nothing can."""
    reported = reported_tables()
    comparison = compare_with_reported(records, reported)
    parts = [Section(title="", level=2, paragraphs=(*_ABOUT, _summary(comparison)))]
    parts += _compared(comparison)
    if not comparison.comparable:
        parts += _printed(reported, {})
    return _markdown(TITLE, [*parts, *_left_out(comparison)])


def publish_page(path: Path, records: Sequence[Record]) -> None:
    """Write `page` anew."""
    write_text(path, page(records))


def is_stale(path: Path, records: Sequence[Record]) -> bool:
    """Whether the file is not what `publish_page` would write."""
    try:
        return path.read_text(encoding="utf-8") != page(records)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise InputError(f"{str(path)!r} can't be read ({error.strerror}); give the file to publish in") from error


def _markdown(title: str, parts: Sequence[Section]) -> str:
    from unlearn_bench.leaderboards.tables.render import markdown  # noqa: PLC0415  (pandas takes its time)

    return markdown([Section(title=title, level=1), *parts])


def _index(comparison: Comparison) -> Cells:
    found: dict[tuple[str, str, str], dict[str, dict[str, ComparedCell]]] = {}
    for cell in comparison.comparable:
        place = found.setdefault((cell.table, cell.row, cell.forget_dataset), {})
        place.setdefault(cell.measured_row, {})[cell.quantity] = cell
    return found


def _printed(reported: ReportedTables, cells: Cells) -> list[Section]:
    notes = reported.notes
    parts = [Section(title="Table 1: methods", level=2, paragraphs=notes["table1"])]
    for name in reported.protocol:
        rows = [row for row in reported.table1 if row.forget_dataset == name]
        parts += _accuracies("table1", rows, f"Forgetting from {name}", list(reported.protocol), cells)
    parts.append(Section(title="Table 2: retrieval", level=2, paragraphs=notes["table2"]))
    parts.append(_table("table2", "Precision@k", reported.table2, _precisions(reported), cells))
    parts.append(Section(title="Table 3: ablations", level=2, paragraphs=notes["table3"]))
    parts += _accuracies("table3", list(reported.table3), "Over all forget datasets", list(reported.protocol), cells)
    return parts


def _precisions(reported: ReportedTables) -> list[str]:
    return list(reported.table2[0].numbers)


def _accuracies(
    table: str, rows: Sequence[ReportedRow], title: str, datasets: Sequence[str], cells: Cells
) -> list[Section]:
    """Two tables, since one would have 26 columns of numbers: before forgetting, and after it with the score."""
    names = [TARGET, OTHER, *(name for name in datasets if name != rows[0].forget_dataset)]
    before, after = ([quantity(name, side) for name in names] for side in SIDES)
    return [
        _table(table, f"{title}: after", rows, [*after, SCORE], cells),
        _table(table, f"{title}: before", rows, before, cells),
    ]


def _table(table: str, title: str, rows: Sequence[Row], quantities: Sequence[str], cells: Cells) -> Section:
    """Each reported number, the measured one, and the interval of the score; a line for each measured row."""
    lines = []
    for row in rows:
        forget = row.forget_dataset if isinstance(row, ReportedRow) else ""
        for label, found in cells.get((table, row.name, forget), {UNMEASURED: {}}).items():
            line = [row.name, *_kind(row), row.standing]
            for name in quantities:
                cell = found.get(name)
                line += [as_printed(row.numbers[name]), number(cell.measured if cell else None)]
            score = found.get(SCORE)
            interval = [span(score.interval if score else None)] if SCORE in quantities else []
            lines.append((*line, *interval, label))
    both = [column for name in quantities for column in (name, "measured")]
    headers = ["row", *_kind_header(rows[0]), "standing", *both]
    headers += ["95 % interval"] if SCORE in quantities else []
    return Section(
        title=title,
        level=3,
        paragraphs=tuple(f"{row.name}: {row.remark}" for row in rows if row.remark),
        headers=(*headers, "measured row"),
        rows=tuple(lines),
        words=2 + len(_kind_header(rows[0])),
    )


def _kind_header(row: Row) -> list[str]:
    if isinstance(row, ReportedRetrieval):
        return []
    return ["method"] if row.ablation else ["access"]


def _kind(row: Row) -> list[str]:
    if isinstance(row, ReportedRetrieval):
        return []
    return [row.method] if row.ablation else [row.access]


def as_printed(value: float | None) -> str:
    """A reported number with the digits that the paper gives it.

    >>> as_printed(0.08), as_printed(0.0), as_printed(None)
    ('0.08', '0.0', '')
    """
    return "" if value is None else repr(value)


def _summary(comparison: Comparison) -> str:
    ready, apart = len(comparison.comparable), len(comparison.cells) - len(comparison.comparable)
    runs = sum(item.runs for item in comparison.left_out)
    if not ready:
        return "No measured number can stand beside a reported one: the reported tables follow, then the reasons."
    inside = [cell.holds_reported for cell in comparison.comparable].count(True)
    return (
        f"{ready} measured numbers stand beside reported ones; {inside} of their intervals hold the reported number. "
        f"{apart} cells of the same rows, and {runs} runs, can't be compared: the reasons are at the end."
    )


def _compared(comparison: Comparison) -> list[Section]:
    headers = (
        "row", "forgotten from", "quantity", "measured row", "reported", "measured", "difference", "95 % interval",
        "holds reported",
    )  # fmt: skip
    parts = []
    for table, title in TABLES.items():
        lines = tuple(_line(cell) for cell in comparison.comparable if cell.table == table)
        if lines:
            parts.append(Section(title=f"{title}, cell by cell", level=2, headers=headers, rows=lines, words=4))
    return parts


def _line(cell: ComparedCell) -> tuple[str, ...]:
    holds = {None: "", True: "yes", False: "no"}[cell.holds_reported]
    return (
        cell.row,
        cell.forget_dataset or "all",
        cell.quantity,
        cell.measured_row,
        as_printed(cell.reported),
        number(cell.measured),
        "" if cell.difference is None else f"{cell.difference:+.3f}",
        span(cell.interval),
        holds,
    )


def _left_out(comparison: Comparison) -> list[Section]:
    """The cells and the runs that can't be compared, each reason once for each row."""
    reasons: dict[tuple[str, ...], list[str]] = {}
    for cell in comparison.cells:
        if cell.why_not:
            place = (TABLES[cell.table], cell.row, cell.forget_dataset or "all", cell.measured_row, cell.why_not)
            reasons.setdefault(place, []).append(cell.quantity)
    parts = []
    if reasons:
        parts.append(
            Section(
                title="Cells that can't be compared",
                level=2,
                headers=("table", "row", "forgotten from", "measured row", "cells", "why"),
                rows=tuple((*place[:4], ", ".join(names), place[4]) for place, names in reasons.items()),
                words=6,
            )
        )
    if comparison.left_out:
        parts.append(
            Section(
                title="Runs that stand in no reported row",
                level=2,
                headers=("what", "runs", "why"),
                rows=tuple((item.what, str(item.runs), item.why) for item in comparison.left_out),
                words=3,
            )
        )
    return parts
