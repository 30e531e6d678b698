"""What audits find of the target after forgetting, in one table; each audit has a longer one of its own."""

from unlearn_bench.leaderboards.captions import title
from unlearn_bench.leaderboards.rows import Board
from unlearn_bench.leaderboards.section import Section, label, number

_COLUMNS = (
    ("zero-shot", "accuracy", "target"),
    ("linear probe", "linear-probe", "target"),
    ("relearned, 1 image", "relearning", "shots@1/target"),
    ("relearned, 16 images", "relearning", "shots@16/target"),
    ("updates to return", "relearning", "steps-to-return"),
    ("best paraphrase", "paraphrases", "worst"),
    ("int8", "quantisation", "target"),
    ("separability", "separability", "target"),
    ("near classes", "neighbours", "near"),
    ("unlike retrained: target", "retrain-distance", "target"),
    ("unlike retrained: kept", "retrain-distance", "other"),
)
"""Title, metric and group."""

_ZERO_SHOT = 1
"""How many of the first columns every run has."""

READING = (
    "What remains: what audits find of the target after forgetting. Accuracy on it: zero-shot; of a linear probe on "
    "the image embeddings; after 16 updates on 1 or 16 images of every class; under the paraphrase that brings back "
    "most; with int8 weights. Updates to return: 17 if 16 were not enough. Separability: how well one can tell the "
    "target's training images from its test images (.5: not at all). Near classes: accuracy on those closest to the "
    "target by name. Unlike retrained: share of the target's and of the kept classes' images that a model which was "
    "trained again without the class takes for something else. identity is the untouched model, random-weights one "
    "that knows nothing, retrain that model itself: what it still recognises without having seen the class is the "
    "honest zero of forgetting."
)
"""How to read it."""


def sections(board: Board) -> tuple[Section, ...]:
    """The table, each audit's number after forgetting; nothing where none ran."""
    found = {row: [row.mean(metric, group).after for _, metric, group in _COLUMNS] for row in board.rows}
    used = [place for place in range(len(_COLUMNS)) if any(values[place] is not None for values in found.values())]
    if not any(place >= _ZERO_SHOT for place in used):
        return ()
    return (
        Section(
            title=f"What remains: {title(board)}",
            level=3,
            headers=("method", "access", *(_COLUMNS[place][0] for place in used)),
            rows=tuple((*label(row), *(number(values[place]) for place in used)) for row, values in found.items()),
            words=2,
        ),
    )
