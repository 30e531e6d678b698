"""The tables of a leaderboard as text cells; what they look like in a file is `render`'s business."""

from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.tables import audits, captions, costs
from unlearn_bench.leaderboards.tables.by_metric import controls, further, retrieval
from unlearn_bench.leaderboards.tables.scores import differences, for_class, for_dataset, overall
from unlearn_bench.leaderboards.tables.section import Section


def sections(board: Board, baseline: Row | None) -> tuple[Section, ...]:
    """Everything that is said about one suite and model."""
    name = captions.title(board)
    return (
        Section(title=name, level=2, paragraphs=captions.about(board)),
        *overall(board),
        *audits.recoveries(board),
        *audits.sections(board),
        costs_of(board),
        *(differences(board, baseline) if baseline else ()),
        *(for_dataset(board, name) for name in board.datasets),
        *(for_class(board, key) for key in board.classes),
        *retrieval(board),
        *further(board),
        *controls(board),
        *missing(board),
    )


def costs_of(board: Board) -> Section:
    """One row for each method: access, seconds, memory, what it changed, how it was tuned."""
    headers, rows = costs.table(board)
    return Section(
        title=f"Costs: {captions.title(board)}",
        level=3,
        paragraphs=(costs.Costs(board).caption,),
        headers=headers,
        rows=rows,
        words=2,
    )


def missing(board: Board) -> tuple[Section, ...]:
    """Every cell that gave no numbers, with its reason."""
    rows = []
    for row in board.rows:
        where: dict[tuple[str, str], list[str]] = {}
        there = set()
        for record in row.records:
            cell = (record.run.dataset, record.run.forget, record.run.seed)
            there.add(cell)
            if record.status != "ok":
                where.setdefault((record.status, record.reason), []).append(captions.cell(cell))
        for cell in sorted(board.cells - there):
            where.setdefault(("missing", "no record"), []).append(captions.cell(cell))
        for (status, reason), cells in where.items():
            rows.append((row.label, status, str(len(cells)), captions.listed(cells), reason))
    if not rows:
        return ()
    return (
        Section(
            title=f"Cells without numbers: {captions.title(board)}",
            level=3,
            paragraphs=("A row with such a cell has no mean.",),
            headers=("method", "status", "cells", "which", "reason"),
            rows=tuple(rows),
            words=5,
        ),
    )
