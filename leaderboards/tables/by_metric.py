"""A table for every metric that is no part of the score, each group before and after."""

import re
from collections import Counter
from collections.abc import Sequence

from unlearn_bench.leaderboards.records.layout import Layout
from unlearn_bench.leaderboards.statistics.intervals import ClassKey
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.tables import captions, costs
from unlearn_bench.leaderboards.tables.section import Section, both, label, sides
from unlearn_bench.registry import catalogue

_RETRIEVAL = re.compile(r"(?P<kind>[^@/]+)@(?P<k>\d+)/(?P<part>[^/]+)")


_KINDS = {
    "ift": "image from text",
    "ifi": "image from image, every image a query",
    "ifi-one": "image from image, one query for each forget class",
    "tfi": "text from image",
}


_RETRIEVALS = {"retrieval": "Retrieval", "pair-retrieval": "Retrieval of pairs"}


_SHOWN_ELSEWHERE = {"accuracy", "average-score", "predictions", *_RETRIEVALS, *costs.METRICS}


def retrieval(board: Board) -> tuple[Section, ...]:
    """One table for each kind of query: precision or recall @k before and after, with ceiling and chance."""
    found: dict[tuple[str, str], dict[tuple[str, int], None]] = {}
    for metric in _RETRIEVALS:
        for group in _groups(board, metric):
            match = _RETRIEVAL.fullmatch(group)
            if match:
                found.setdefault((metric, match["kind"]), {})[match["part"], int(match["k"])] = None
    return tuple(_retrieval(board, metric, kind, list(places)) for (metric, kind), places in found.items())


def _retrieval(board: Board, metric: str, kind: str, places: Sequence[tuple[str, int]]) -> Section:
    places = sorted(places, key=lambda place: (place[0] != "target", *place))
    headers = ["method", *(side for part, k in places for side in both(f"{part} @{k}"))]

    def cells(row: Row, extra: str = "") -> list[str]:
        groups = [f"{kind}@{k}/{extra}{part}" for part, k in places]
        return [text for group in groups for text in sides(row.mean(metric, group))]

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


def further(board: Board) -> tuple[Section, ...]:
    """A table for every other metric, each group before and after; above it, what the metric is."""
    known = catalogue("metrics")
    found = []
    measured = {metric for layout in _layouts(board) for metric in layout.places} - _SHOWN_ELSEWHERE
    for metric in sorted(measured):
        groups = _groups(board, metric)
        said = (known[metric].summary,) if metric in known else ()
        left_out = f" {captions.PARTIAL}" if any(_partial(row, metric, groups) for row in board.rows) else ""
        rows = [
            (label(row)[0], *(text for group in groups for text in sides(row.mean(metric, group))))
            for row in board.rows
        ]
        found.append(
            Section(
                title=f"{metric.replace('-', ' ').capitalize()}: {captions.title(board)}",
                level=3,
                paragraphs=(*said, captions.of_means(board) + _several(board, metric) + left_out),
                headers=("method", *(side for group in groups for side in both(group))),
                rows=tuple(rows),
            )
        )
    return tuple(found)


def _several(board: Board, metric: str) -> str:
    """For the caption, where a run has a group of the metric on several datasets."""
    counted = [Counter(layout.groups(metric)) for layout in _layouts(board)]
    return f" {captions.SEVERAL}" if any(max(groups.values(), default=0) > 1 for groups in counted) else ""


def _partial(row: Row, metric: str, groups: Sequence[str]) -> bool:
    """Whether a group is there for some of the row's forget sets and not for others."""
    sets = [seeds.layouts for seeds in row.seeds.values() if seeds.layouts]
    there = [[any(layout.find(metric, group=group) for layout in found) for found in sets] for group in groups]
    return any(any(found) and not all(found) for found in there)


def controls(board: Board) -> tuple[Section, ...]:
    """Accuracy on the control sets, which are no part of any score."""
    names = [item.name for item in board.run.evaluation if item.control]
    if not names:
        return ()
    rows = [
        (
            label(row)[0],
            *(text for name in names for text in sides(row.mean("accuracy", "control", dataset=name))),
        )
        for row in board.rows
    ]
    return (
        Section(
            title=f"Control sets: {captions.title(board)}",
            level=3,
            paragraphs=(f"Outside the score. {captions.of_means(board)}",),
            headers=("method", *(side for name in names for side in both(name))),
            rows=tuple(rows),
        ),
    )


def _layouts(board: Board) -> set[Layout]:
    return {layout for row in board.rows for layout in row.layouts}


def _groups(board: Board, metric: str) -> list[str]:
    """The groups of a metric in the order in which it says them.

    Groups that fewer than half of the forget sets have (each has neighbours of its own) are in the records only.
    """
    having: dict[str, set[ClassKey]] = {}
    everywhere: set[ClassKey] = set()
    for row in board.rows:
        for key, seeds in row.seeds.items():
            groups = [group for layout in seeds.layouts for group in layout.groups(metric)]
            everywhere |= {key} if groups else set()
            for group in groups:
                having.setdefault(group, set()).add(key)
    return [group for group, keys in having.items() if 2 * len(keys) >= len(everywhere)]
