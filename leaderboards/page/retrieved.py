"""Retrieval examples: the test images that the words of a forget class find, before and after each method."""

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_bench.leaderboards.page.extras import Extras, Place
from unlearn_bench.leaderboards.page.pictures import sheet
from unlearn_bench.leaderboards.statistics.intervals import ClassKey
from unlearn_bench.leaderboards.statistics.rows import Board
from unlearn_bench.metrics.shared.rankings import Found, Ranking

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
    first = [
        (row, extras.rankings.get(row.by_class[key][0].run.key, ())) for row in board.rows if row.by_class.get(key)
    ]
    queries = dict.fromkeys(ranking.query for _, rankings in first for ranking in rankings)
    found = []
    for query in queries:
        rows = [(row, each) for row, rankings in first for each in rankings if each.query == query]
        places = _places([ranking for _, ranking in rows], extras)
        original = Answer(label="", access="", reference=False, images=_hits(rows[0][1], "before", places))
        after = (
            Answer(
                label=row.label,
                access=row.run.access,
                reference=row.standing == "reference",
                images=_hits(ranking, "after", places),
            )
            for row, ranking in rows
        )
        pictures = [extras.pictures[place] for place in places]
        source = sheet(pictures, side=SIDE, columns=_COLUMNS) if pictures else ""
        found.append(Retrieved(query=query, sheet=source, answers=(original, *after)))
    return tuple(found)


def _places(rankings: Sequence[Ranking], extras: Extras) -> dict[Place, tuple[int, int]]:
    """Where in the sheet each image is whose picture is there."""
    images = (image for ranking in rankings for image in (*ranking.before, *ranking.after))
    there = dict.fromkeys(place for image in images if (place := (image.dataset, image.row)) in extras.pictures)
    return {place: (number % _COLUMNS, number // _COLUMNS) for number, place in enumerate(there)}


def _hits(ranking: Ranking, side: str, places: dict[Place, tuple[int, int]]) -> tuple[Hit, ...]:
    images: tuple[Found, ...] = getattr(ranking, side)
    return tuple(
        Hit(
            shows=image.shows,
            dataset=image.dataset,
            is_hit=ranking.is_hit(image),
            place=places.get((image.dataset, image.row)),
        )
        for image in images
    )
