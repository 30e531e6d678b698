"""What audits find of the target after forgetting, in one table; each audit has a longer one of its own."""

from unlearn_bench.leaderboards.statistics.rows import Attempt, Board
from unlearn_bench.leaderboards.tables.captions import title
from unlearn_bench.leaderboards.tables.section import Section, label, number

COLUMNS = (
    ("zero-shot", "accuracy", "target"),
    ("linear probe", "linear-probe", "target"),
    ("relearned, 1 image", "relearning", "shots@1/target"),
    ("relearned, 16 images", "relearning", "shots@16/target"),
    ("relearned, 16 images: kept classes", "relearning", "shots@16/other"),
    ("updates to return", "relearning", "steps-to-return"),
    ("worst paraphrase", "paraphrases", "worst"),
    ("int8", "quantisation", "target"),
    ("separability", "separability", "target-gap"),
    ("near classes", "neighbours", "near"),
    ("unlike retrained: target", "retrain-distance", "target"),
    ("unlike retrained: kept", "retrain-distance", "other"),
)
"""Title, metric and group."""

_ZERO_SHOT = 1
"""How many of the first columns every run has."""

READING = (
    "What remains: what audits find of the target after forgetting. Accuracy on it: zero-shot; of a linear probe on "
    "the image embeddings; after 16 updates on 1 or 16 images of every class; under the worst paraphrase, the "
    "wording that finds most of it; with int8 weights. Relearned, kept classes: accuracy on those after the same 16 "
    "updates; where it is low, the target's is no return but one name for everything. Updates to return: 17 if 16 "
    "were not enough. Separability: how far from .5, over or under, the AUC is with which the model's confidence "
    "parts the target's training images from its test images (0: they can't be told apart; at most .5). Near "
    "classes: no accuracy on the target but collateral, that on the kept classes closest to it by name. Unlike "
    "retrained: share of the target's and of the kept classes' images that a model which was trained again without "
    "the class takes for something else. Where there are such rows, identity is the untouched model, random-weights "
    "one that knows nothing, and retrain that retrained model: what it still recognises without having seen the "
    "class is the honest zero of forgetting. A method without any of these numbers has no row."
)
"""How to read it."""


RECOVERY = (
    "Worst known recovery: the largest share of the target that an attack of the standard set gets back and that "
    "counts; lower is better. The share of one attack: (A - A_r) / (A_o - A_r), clipped to 0 to 1, of its accuracies "
    "on the target with the unlearned model, the original (o) and the one retrained without the class (r): 0 is a "
    "model that never knew, 1 one that forgot nothing. Each accuracy is averaged over the forget sets first. Where a "
    "board has no complete row of the retrained model, the bare share A / A_o stands for it and is marked; it is "
    "larger, since attacks learn something of any class. In brackets, and not counted: an attack that reaches over "
    "half of A_o with the retrained model, since it teaches what it seems to find; one under which the original is "
    "not above the retrained model; one that leaves a row less than half of the accuracy on kept classes that it "
    "leaves the original, since a model that calls everything by the target's name has not brought it back. "
    "Zero-shot is the attack that only asks. The interval is of the largest share, recomputed in each resample."
)
"""How to read the tables of the standard attack."""


def recoveries(board: Board) -> tuple[Section, ...]:
    """The share that each attack got back of each row; nothing where the standard attack did not run."""
    rows = [row for row in board.rows if row.recovery is not None]
    if not rows:
        return ()
    names = [item.name for row in rows[:1] if row.recovery for item in row.recovery.attempts]
    return (
        Section(
            title=f"Standard attack: {title(board)}",
            level=3,
            headers=("method", "access", *names),
            rows=tuple((*label(row), *map(_share, row.recovery.attempts)) for row in rows if row.recovery),
            words=2,
        ),
    )


def _share(item: Attempt) -> str:
    return f"({number(item.share)})" if item.unreliable else number(item.share)


def sections(board: Board) -> tuple[Section, ...]:
    """The table, each audit's number after forgetting; nothing where none ran, and no row without any number."""
    every = {row: [row.mean(metric, group).after for _, metric, group in COLUMNS] for row in board.rows}
    found = {row: values for row, values in every.items() if any(value is not None for value in values)}
    used = [place for place in range(len(COLUMNS)) if any(values[place] is not None for values in found.values())]
    if not any(place >= _ZERO_SHOT for place in used):
        return ()
    return (
        Section(
            title=f"What remains: {title(board)}",
            level=3,
            headers=("method", "access", *(COLUMNS[place][0] for place in used)),
            rows=tuple((*label(row), *(number(values[place]) for place in used)) for row, values in found.items()),
            words=2,
        ),
    )
