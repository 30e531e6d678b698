"""Tables of the score: over all forget sets, for a dataset, for a class, and differences between methods."""

from collections.abc import Callable

from unlearn_bench.leaderboards.statistics.aggregate import difference
from unlearn_bench.leaderboards.statistics.intervals import OTHER, ClassKey
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.statistics.rows import Board, Row, Summary
from unlearn_bench.leaderboards.tables import captions, costs
from unlearn_bench.leaderboards.tables.section import Section, both, full_note, label, number, short_note, sides, span

OWN = "-"
"""In the column of the forget set's own dataset."""


NOT_AUDITED = "-"
"""For irreversibility, where no audit ran."""


NO_RANK = "-"
"""In the column of ranks, for competitors that are not ranked; the note says why."""


_LONG = (
    "rank", "method", "access", "target BF", "target AF", "Avg. Score", "95 % interval", "forgetting",
    "95 % interval", "retention", "95 % interval", "H", "irreversibility", "front", "cells", "note",
)  # fmt: skip


_WORST = ("worst known recovery", "95 % interval", "found by")
"""Behind the front, where the standard attack ran."""


_SHORT = (
    "rank", "method", "access", "Avg. Score", "95 % interval", "forgetting", "retention", "H", "irreversibility",
    "front", "method, s", "note",
)  # fmt: skip


def overall(board: Board, *, short: bool = False) -> tuple[Section, ...]:
    """The competitors by their score, ranked or not, and the references.

    The short one says seconds, as no table of costs follows it, and leaves out intervals but the score's.
    """
    headers: tuple[str, ...] = _SHORT if short else _LONG
    if not short and any(row.recovery for row in board.rows):
        place = headers.index("front") + 1
        headers = (*headers[:place], *_WORST, *headers[place:])
    spent = costs.Costs(board)
    found = []
    for name, is_reference in (("Overall", False), ("References", True)):
        rows = [row for row in board.rows if (row.standing == "reference") == is_reference]
        if rows:
            cells = [_short_row(row, spent) if short else _long_row(row) for row in rows]
            title = f"{name}: {captions.title(board)}"
            found.append(Section(title=title, level=3, headers=headers, rows=tuple(cells), words=3))
    return tuple(found)


def _long_row(row: Row) -> tuple[str, ...]:
    summary = row.overall
    return (
        *_names(row),
        *sides(summary.target),
        number(summary.score),
        span(summary.interval),
        number(summary.forgetting),
        span(summary.intervals.get("forgetting")),
        number(summary.retention),
        span(summary.intervals.get("retention")),
        *_tail(row),
        *_worst(row),
        _cells(summary),
        full_note(row, summary),
    )


def _short_row(row: Row, spent: costs.Costs) -> tuple[str, ...]:
    summary = row.overall
    return (
        *_names(row),
        number(summary.score),
        span(summary.interval),
        number(summary.forgetting),
        number(summary.retention),
        *_tail(row),
        spent.shown(row, "seconds", "method"),
        full_note(row, summary),
    )


def _names(row: Row) -> tuple[str, str, str]:
    place = NO_RANK if row.standing in UNRANKED else "" if row.place is None else str(row.place)
    return place, row.label, row.run.access


def _tail(row: Row) -> tuple[str, str, str]:
    audited = number(row.irreversibility) if row.audits else NOT_AUDITED
    return number(row.overall.harmonic), audited, "yes" if row.on_front else ""


def _worst(row: Row) -> tuple[str, ...]:
    found = row.recovery
    if found is None:
        return ()
    bare = " (bare share)" if found.is_bare and found.attack else ""
    return number(found.share), span(found.interval), f"{found.attack}{bare}"


def for_dataset(board: Board, dataset: str) -> Section:
    """The columns of the paper's Table 1, for one forget dataset."""
    return _accuracies(
        board,
        dataset,
        title=f"Forgetting from {dataset}: {captions.title(board)}",
        level=3,
        caption=captions.of_dataset(board, dataset),
        summary=lambda row: row.datasets[dataset],
        note=full_note,
    )


def for_class(board: Board, key: ClassKey) -> Section:
    """The same columns for one forget class."""
    return _accuracies(
        board,
        key[0],
        title=f"Forgetting {', '.join(key[1])} ({key[0]}): {captions.title(board)}",
        level=4,
        caption=captions.of_class(board, key),
        summary=lambda row: row.classes[key],
        note=short_note,
    )


def _accuracies(
    board: Board,
    own: str,
    *,
    title: str,
    level: int,
    caption: str,
    summary: Callable[[Row], Summary],
    note: Callable[[Row, Summary], str],
) -> Section:
    names = [item.name for item in board.run.evaluation if not item.control]
    has_intervals = any(summary(row).interval for row in board.rows)
    headers = ["method", "access", *both("target"), *both("other")]
    headers += [side for name in names for side in both(name)]
    headers += ["Avg. Score", *(["95 % interval"] if has_intervals else []), "cells", "note"]
    rows = []
    for row in board.rows:
        found = summary(row)
        cells = [*label(row), *sides(found.target), *sides(found.others.get(OTHER))]
        for name in names:
            cells += (OWN, OWN) if name == own else sides(found.others.get(name))
        cells += [number(found.score), *([span(found.interval)] if has_intervals else []), _cells(found)]
        rows.append((*cells, note(row, found)))
    return Section(title=title, level=level, paragraphs=(caption,), headers=tuple(headers), rows=tuple(rows), words=2)


def differences(board: Board, baseline: Row) -> tuple[Section, ...]:
    """Each method against the baseline: difference of Avg. Score over all datasets and for each."""
    scopes = ["", *board.datasets]
    headers = ["method", *(word for name in scopes for word in (name or "overall", "95 % interval"))]
    rows = []
    for row in board.rows:
        if row is not baseline:
            found = [difference(row, baseline, name) for name in scopes]
            cells = [text for item in found for text in (number(item.mean), span(item.interval))]
            rows.append((label(row)[0], *cells))
    if not rows:
        return ()
    section = Section(
        title=f"Differences to {baseline.label}: {captions.title(board)}",
        level=3,
        paragraphs=(captions.of_differences(board, baseline),),
        headers=tuple(headers),
        rows=tuple(rows),
    )
    return (section,)


def _cells(summary: Summary) -> str:
    return f"{summary.done} of {summary.planned}"
