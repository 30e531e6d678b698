"""What target images are taken for, before and after: the paper's figure 3 as a table for each forget set."""

from collections.abc import Sequence

from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.intervals import ClassKey
from unlearn_bench.leaderboards.statistics.rows import Board, Row, seed_mean
from unlearn_bench.leaderboards.tables import captions
from unlearn_bench.leaderboards.tables.section import Section, number

METRIC = "predictions"

_SHARE, _DISTANCE = "share/", "distance/"
_MOST = 5
_DISTANCES = ("mean-distance", "wrong-distance", "chance-distance")


def predictions(board: Board) -> tuple[Section, ...]:
    """One table for each forget set of which the metric was measured; none where it was not."""
    return tuple(section for key in board.classes if (section := _of_class(board, key)) is not None)


def _of_class(board: Board, key: ClassKey) -> Section | None:
    rows = [(row, list(row.by_class[key])) for row in board.rows if _measured(row, key)]
    if not rows:
        return None
    first = rows[0][1]
    before = _numbers(first, "before")
    lines = [("(before)", named(first[0], "before"), *before)]
    lines += [(row.label, named(records[0], "after"), *_numbers(records, "after")) for row, records in rows]
    caption = (
        f"Most frequent predicted classes of the target images, at most {_MOST}, of seed {first[0].run.seed}: share "
        "of the images, and in brackets the class's distance to the target, 1 - cosine of the original model's "
        "class texts. Mean distance: of the predicted class, over all target images and seeds, 0 where it is right; "
        "if wrong: over those that are not; by chance: of all other classes. The definition is this project's: the "
        "paper's figure 3 shows examples."
    )
    return Section(
        title=f"Predictions on {', '.join(key[1])} ({key[0]}): {captions.title(board)}",
        level=4,
        paragraphs=(caption,),
        headers=("method", "taken for", "mean distance", "if wrong", "by chance"),
        rows=tuple(lines),
        words=2,
    )


def _measured(row: Row, key: ClassKey) -> bool:
    records = row.by_class.get(key, ())
    return bool(records) and all(METRIC in record.measured.layout.places for record in records)


def _numbers(records: Sequence[Record], side: str) -> list[str]:
    pairs = [seed_mean(records, METRIC, group, records[0].run.dataset) for group in _DISTANCES]
    return [number(getattr(pair, side)) for pair in pairs]


def named(record: Record, side: str) -> str:
    """The most frequent classes of one side with share and distance, e.g. `cat .62 (.11), dog .38 (.00)`."""
    shares: list[tuple[str, float]] = []
    for item in record.measurements:
        share = getattr(item, side)
        if item.metric == METRIC and item.group.startswith(_SHARE) and share:
            shares.append((item.group.removeprefix(_SHARE), share))
    shares.sort(key=lambda pair: -pair[1])  # stable: ties stay in the metric's order
    said = []
    for name, share in shares[:_MOST]:
        found = record.find(METRIC, group=_DISTANCE + name)
        distance = number(found.before) if found else "?"
        said.append(f"{name} {number(share)} ({distance})")
    return ", ".join(said)
