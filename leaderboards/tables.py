"""The tables of a leaderboard as text cells; what they look like in a file is `render`'s business."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from unlearn_bench.leaderboards import captions, costs, remains
from unlearn_bench.leaderboards.aggregate import difference
from unlearn_bench.leaderboards.intervals import OTHER, ClassKey
from unlearn_bench.leaderboards.rows import Board, Pair, Row, Summary
from unlearn_bench.leaderboards.section import Section, label, number, span
from unlearn_bench.leaderboards.standing import STANDINGS
from unlearn_bench.metrics.base import FEATURES, Measurement
from unlearn_bench.registry import catalogue

OWN = "-"
"""In the column of the forget set's own dataset."""

NOT_AUDITED = "-"
"""For irreversibility, where no audit ran."""

_RETRIEVAL = re.compile(r"(?P<kind>[^@/]+)@(?P<k>\d+)/(?P<part>[^/]+)")
_KINDS = {
    "ift": "image from text",
    "ifi": "image from image, every image a query",
    "ifi-one": "image from image, one query for each forget class",
    "tfi": "text from image",
}
_STANDING_TITLES = {
    "ranked": "Overall",
    "apart": "Overall, tuned on the reported classes (ranked apart)",
    "not tuned": "Overall, not tuned (without a rank)",
    "reference": "References",
}
_LONG = (
    "rank", "method", "access", "target BF", "target AF", "Avg. Score", "95 % interval", "forgetting",
    "95 % interval", "retention", "95 % interval", "H", "irreversibility", "front", "cells", "note",
)  # fmt: skip
_SHORT = (
    "rank", "method", "access", "Avg. Score", "95 % interval", "forgetting", "retention", "H", "irreversibility",
    "front", "method, s", "note",
)  # fmt: skip
_RETRIEVALS = {"retrieval": "Retrieval", "pair-retrieval": "Retrieval of pairs"}
_SHOWN_ELSEWHERE = {"accuracy", "average-score", "predictions", *_RETRIEVALS, *costs.METRICS}


def sections(
    board: Board, baseline: Row | None, *, short: bool = False, drawings: Sequence[Section] = ()
) -> tuple[Section, ...]:
    """Everything that is said about one suite and model.

    If `short`: the overall tables, narrow ones, what metrics say that are about this kind of dataset, what remains.

    Args:
        drawings: what stands between the overall tables, with their costs, and those of differences.
    """
    if short:
        about = Section(title="", level=4, paragraphs=(*captions.about(board), costs.Costs(board).about_seconds))
        special = _special()
        return (
            *overall(board, short=True),
            *retrieval(board, special),
            *further(board, special),
            *remains.sections(board),
            about,
        )
    name = captions.title(board)
    return (
        Section(title=name, level=2, paragraphs=captions.about(board)),
        *overall(board),
        *remains.sections(board),
        costs_of(board),
        *drawings,
        *(differences(board, baseline) if baseline else ()),
        *(for_dataset(board, name) for name in board.datasets),
        *(for_class(board, key) for key in board.classes),
        *retrieval(board),
        *further(board),
        *controls(board),
        *missing(board),
    )


def overall(board: Board, *, short: bool = False) -> tuple[Section, ...]:
    """One table for each standing that occurs: ranked, ranked apart, not tuned, references.

    The short one says seconds, as no table of costs follows it, and leaves out intervals but the score's.
    """
    headers = _SHORT if short else _LONG
    spent = costs.Costs(board)
    found = []
    for standing in STANDINGS:
        rows = [row for row in board.rows if row.standing == standing]
        if rows:
            cells = [_short_row(row, spent) if short else _long_row(row) for row in rows]
            title = f"{_STANDING_TITLES[standing]}: {captions.title(board)}"
            found.append(Section(title=title, level=3, headers=headers, rows=tuple(cells), words=3))
    return tuple(found)


def _long_row(row: Row) -> tuple[str, ...]:
    summary = row.overall
    return (
        *_names(row),
        *_sides(summary.target),
        number(summary.score),
        span(summary.interval),
        number(summary.forgetting),
        span(summary.intervals.get("forgetting")),
        number(summary.retention),
        span(summary.intervals.get("retention")),
        *_tail(row),
        _cells(summary),
        _note(summary),
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
        _note(summary),
    )


def _names(row: Row) -> tuple[str, str, str]:
    return "" if row.place is None else str(row.place), row.label, row.run.access


def _tail(row: Row) -> tuple[str, str, str]:
    audited = number(row.irreversibility) if row.audits else NOT_AUDITED
    return number(row.overall.harmonic), audited, "yes" if row.on_front else ""


def _note(summary: Summary) -> str:
    return "did not forget" if summary.did_not_forget else ""


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


def for_dataset(board: Board, dataset: str) -> Section:
    """The columns of the paper's Table 1, for one forget dataset."""
    return _accuracies(
        board,
        dataset,
        title=f"Forgetting from {dataset}: {captions.title(board)}",
        level=3,
        caption=captions.of_dataset(board, dataset),
        summary=lambda row: row.datasets[dataset],
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
    )


def _accuracies(
    board: Board, own: str, *, title: str, level: int, caption: str, summary: Callable[[Row], Summary]
) -> Section:
    names = [item.name for item in board.run.evaluation if not item.control]
    has_intervals = any(summary(row).interval for row in board.rows)
    headers = ["method", "access", *_both("target"), *_both("other")]
    headers += [side for name in names for side in _both(name)]
    headers += ["Avg. Score", *(["95 % interval"] if has_intervals else []), "cells", "note"]
    rows = []
    for row in board.rows:
        found = summary(row)
        cells = [*label(row), *_sides(found.target), *_sides(found.others.get(OTHER))]
        for name in names:
            cells += (OWN, OWN) if name == own else _sides(found.others.get(name))
        cells += [number(found.score), *([span(found.interval)] if has_intervals else []), _cells(found)]
        rows.append((*cells, _note(found)))
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


def _special() -> set[str]:
    """Metrics that are about a feature which few datasets have: where they were measured, they are the point."""
    return {name for name, entry in catalogue("metrics").items() if entry.facts.get("default") in FEATURES}


def retrieval(board: Board, metrics: Collection[str] = tuple(_RETRIEVALS)) -> tuple[Section, ...]:
    """One table for each kind of query of these: precision or recall @k before and after, with ceiling and chance."""
    found: dict[tuple[str, str], dict[tuple[str, int], None]] = {}
    for metric in [name for name in _RETRIEVALS if name in metrics]:
        for group in _groups(board, metric):
            match = _RETRIEVAL.fullmatch(group)
            if match:
                found.setdefault((metric, match["kind"]), {})[match["part"], int(match["k"])] = None
    return tuple(_retrieval(board, metric, kind, list(places)) for (metric, kind), places in found.items())


def _retrieval(board: Board, metric: str, kind: str, places: Sequence[tuple[str, int]]) -> Section:
    places = sorted(places, key=lambda place: (place[0] != "target", *place))
    headers = ["method", *(side for part, k in places for side in _both(f"{part} @{k}"))]

    def cells(row: Row, extra: str = "") -> list[str]:
        groups = [f"{kind}@{k}/{extra}{part}" for part, k in places]
        return [text for group in groups for text in _sides(row.mean(metric, group))]

    rows = [(label(row)[0], *cells(row)) for row in board.rows]
    complete = [row for row in board.rows if row.overall.done == row.overall.planned]
    if complete:
        scale = [(f"({name})", *cells(complete[0], f"{name}/")) for name in ("ceiling", "chance")]
        rows += [line for line in scale if any(line[1:])]
    caption = captions.of_retrieval(board) if metric == "retrieval" else captions.of_pairs(board)
    return Section(
        title=f"{_RETRIEVALS[metric]}, {_KINDS.get(kind, kind)}: {captions.title(board)}",
        level=3,
        paragraphs=(caption + _several(board, metric),),
        headers=tuple(headers),
        rows=tuple(rows),
    )


def further(board: Board, metrics: Collection[str] | None = None) -> tuple[Section, ...]:
    """A table for every other metric (of these), each group before and after; above it, what the metric is."""
    known = catalogue("metrics")
    found = []
    measured = {item.metric for item in _measured(board)} - _SHOWN_ELSEWHERE
    for metric in sorted(measured if metrics is None else measured & set(metrics)):
        groups = _groups(board, metric)
        said = (known[metric].summary,) if metric in known else ()
        left_out = f" {captions.PARTIAL}" if any(_partial(row, metric, groups) for row in board.rows) else ""
        rows = [
            (label(row)[0], *(text for group in groups for text in _sides(row.mean(metric, group))))
            for row in board.rows
        ]
        found.append(
            Section(
                title=f"{metric.replace('-', ' ').capitalize()}: {captions.title(board)}",
                level=3,
                paragraphs=(*said, captions.of_means(board) + _several(board, metric) + left_out),
                headers=("method", *(side for group in groups for side in _both(group))),
                rows=tuple(rows),
            )
        )
    return tuple(found)


def _several(board: Board, metric: str) -> str:
    """For the caption, where a run has a group of the metric on several datasets."""
    records = [record for row in board.rows for record in row.records]
    counted = [Counter(item.group for item in record.matching(metric)) for record in records]
    return f" {captions.SEVERAL}" if any(max(groups.values(), default=0) > 1 for groups in counted) else ""


def _partial(row: Row, metric: str, groups: Sequence[str]) -> bool:
    """Whether a group is there for some of the row's forget sets and not for others."""
    sets = [found for found in row.by_class.values() if found]
    there = [[any(item.find(metric, group=group) for item in found) for found in sets] for group in groups]
    return any(any(found) and not all(found) for found in there)


def controls(board: Board) -> tuple[Section, ...]:
    """Accuracy on the control sets, which are no part of any score."""
    names = [item.name for item in board.run.evaluation if item.control]
    if not names:
        return ()
    rows = [
        (
            label(row)[0],
            *(text for name in names for text in _sides(row.mean("accuracy", "control", dataset=name))),
        )
        for row in board.rows
    ]
    return (
        Section(
            title=f"Control sets: {captions.title(board)}",
            level=3,
            paragraphs=(f"Outside the score. {captions.of_means(board)}",),
            headers=("method", *(side for name in names for side in _both(name))),
            rows=tuple(rows),
        ),
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


def _both(name: str) -> tuple[str, str]:
    return f"{name} BF", f"{name} AF"


def _sides(pair: Pair | None) -> tuple[str, str]:
    return ("", "") if pair is None else (number(pair.before), number(pair.after))


def _cells(summary: Summary) -> str:
    return f"{summary.done} of {summary.planned}"


def _measured(board: Board) -> list[Measurement]:
    records = [record for row in board.rows for record in row.records if record.status == "ok"]
    return [item for record in records for item in record.measurements]


def _groups(board: Board, metric: str) -> list[str]:
    """The groups of a metric in the order in which it says them.

    Groups that fewer than half of the forget sets have (each has neighbours of its own) are in the records only.
    """
    having: dict[str, set[ClassKey]] = {}
    everywhere: set[ClassKey] = set()
    for row in board.rows:
        for key, records in row.by_class.items():
            groups = [item.group for record in records for item in record.measurements if item.metric == metric]
            everywhere |= {key} if groups else set()
            for group in groups:
                having.setdefault(group, set()).add(key)
    return [group for group, keys in having.items() if 2 * len(keys) >= len(everywhere)]
