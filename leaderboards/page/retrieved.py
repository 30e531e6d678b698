"""Retrieval examples: the test images that the words of a forget class find, before and after each method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from unlearn_bench.leaderboards.page.extras import Extras, Place, place_of
from unlearn_bench.leaderboards.page.pictures import sheet
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.intervals import ClassKey
from unlearn_bench.leaderboards.statistics.rows import Board
from unlearn_bench.metrics.shared.rankings import Ranking

SIDE = 44
"""Pixels of a picture, as the styles have it too."""

_COLUMNS = 20
"""Of the sheet; one long row would pass what WebP can hold."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """An image that was found: what it shows, whether that was asked for, its column and row in the sheet, if any."""

    shows: str
    dataset: str
    is_hit: bool
    place: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one model finds; `label` is empty for the original."""

    label: str
    access: str
    reference: bool
    images: tuple[Hit, ...]

    @property
    def hits(self) -> int:
        """How many show what was asked for."""
        return sum(image.is_hit for image in self.images)


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """One class: its name, the source of the sheet of all pictures (empty without any), and the answers."""

    query: str
    sheet: str
    answers: tuple[Answer, ...]


def retrieved(board: Board, key: ClassKey, extras: Extras) -> tuple[Retrieved, ...]:
    """For each class of a forget set, what its words find before and after each row's first run, as far as known."""
    first = {row: row.by_class[key][0] for row in board.rows if row.by_class.get(key)}
    told = [
        (row, record, ranking) for row, record in first.items() for ranking in extras.rankings.get(record.run.key, ())
    ]
    found = []
    for query in dict.fromkeys(ranking.query for _, _, ranking in told):
        rows = [(row, record, ranking) for row, record, ranking in told if ranking.query == query]
        named = (
            place_of(record, image) for _, record, ranking in rows for image in (*ranking.before, *ranking.after)
        )
        there = list(dict.fromkeys(place for place in named if place in extras.pictures))
        cells = {place: (number % _COLUMNS, number // _COLUMNS) for number, place in enumerate(there) if place}
        _, record, ranking = rows[0]
        original = Answer(label="", access="", reference=False, images=_hits(record, ranking, "before", cells))
        after = (
            Answer(
                label=row.label,
                access=row.run.access,
                reference=row.standing == "reference",
                images=_hits(record, ranking, "after", cells),
            )
            for row, record, ranking in rows
        )
        pictures = [extras.pictures[place] for place in cells]
        source = sheet(pictures, side=SIDE, columns=_COLUMNS) if pictures else ""
        found.append(Retrieved(query=query, sheet=source, answers=(original, *after)))
    return tuple(found)


def _hits(
    record: Record, ranking: Ranking, side: Literal["before", "after"], cells: Mapping[Place, tuple[int, int]]
) -> tuple[Hit, ...]:
    images = ranking.before if side == "before" else ranking.after
    places = [place_of(record, image) for image in images]
    return tuple(
        Hit(
            shows=image.shows,
            dataset=image.dataset,
            is_hit=ranking.is_hit(image),
            place=cells.get(place) if place else None,
        )
        for image, place in zip(images, places, strict=True)
    )
