"""Tables whose cells are shaded: what remains after forgetting, and one method class by class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unlearn_bench.leaderboards.page.columns import NO_NUMBER
from unlearn_bench.leaderboards.statistics.intervals import OTHER, TARGET, ClassKey
from unlearn_bench.leaderboards.statistics.rows import Board, Pair, Recovery, Row, Summary, seed_mean
from unlearn_bench.leaderboards.tables.audits import COLUMNS as REMAINS
from unlearn_bench.leaderboards.tables.section import number

SCALE_ROWS = ("identity", "retrain", "random-weights")
"""References that show how to read what remains: untouched, never taught, knowing nothing."""

_ABOUT_REMAINS = {
    "zero-shot": "Accuracy on the target after forgetting, as tables show it.",
    "linear probe": "Accuracy of a linear classifier on the image embeddings: is the class still told apart in them?",
    "relearned, 1 image": "Accuracy on the target after 16 updates on one image of each class.",
    "relearned, 16 images": "Accuracy on the target after 16 updates on 16 images of each class.",
    "relearned, 16 images: kept classes": "Accuracy on the kept classes after the same updates: where it is low, the "
    "target's is no return but one name for everything.",
    "updates to return": "Updates on 16 images of each class until half of the accuracy is back; 17: more than 16.",
    "worst paraphrase": "Accuracy under the wording of the class's name that finds most of it.",
    "int8": "Accuracy with weights of 8 bits.",
    "separability": "How far from .5 the AUC is with which confidence parts training from test images of the target.",
    "near classes": "Accuracy on the kept classes nearest to the target by name: what the neighbours suffered.",
    "unlike retrained: target": "Share of the target's images that the retrained model takes for something else.",
    "unlike retrained: kept": "The same for images of kept classes.",
}  # fmt: skip

_LITTLE_IS_LOW = {"updates to return", "near classes", "relearned, 16 images: kept classes"}
"""Columns of which a high number means that little remains, or that little was harmed."""


@dataclass(frozen=True, kw_only=True)
class Heading:
    """Of a shaded column. better: which way its numbers are better."""

    title: str
    about: str
    better: Literal["", "higher", "lower"] = ""


@dataclass(frozen=True, kw_only=True)
class Shaded:
    """A number and how dark its cell is, from 0 to 1; None: not shaded."""

    text: str
    shade: float | None = None


@dataclass(frozen=True, kw_only=True)
class HeatLine:
    """A row: what it is called, what kind it is (for its looks and its link), and its cells."""

    label: str
    key: ClassKey | None = None
    reference: bool = False
    cells: tuple[Shaded, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Shaded columns of numbers."""

    headings: tuple[Heading, ...]
    lines: tuple[HeatLine, ...]


def what_remains(board: Board) -> HeatMap | None:
    """What audits find of the target, a row for each method, beside the references that show the scale; None if
    nothing but zero-shot accuracy was measured.

    A cell is as dark as its number is near to that of the untouched model, on the way from the least of its column.
    """
    values = {row: [row.mean(metric, group).after for _, metric, group in REMAINS] for row in board.rows}
    rows = {row: found for row, found in values.items() if any(value is not None for value in found)}
    places = [place for place in range(len(REMAINS)) if any(found[place] is not None for found in rows.values())]
    if not any(place > 0 for place in places):
        return None
    first = [row for name in SCALE_ROWS for row in rows if row.label == name and row.standing == "reference"]
    ordered = [*first, *(row for row in rows if row not in first)]
    columns = [_relative([rows[row][place] for row in ordered]) for place in places]
    return HeatMap(
        headings=tuple(
            Heading(
                title=REMAINS[place][0],
                about=_ABOUT_REMAINS.get(REMAINS[place][0], ""),
                better="higher" if REMAINS[place][0] in _LITTLE_IS_LOW else "lower",
            )
            for place in places
        ),
        lines=tuple(
            HeatLine(
                label=row.label,
                reference=row.standing == "reference",
                cells=tuple(column[number_] for column in columns),
            )
            for number_, row in enumerate(ordered)
        ),
    )


def what_attacks_find(board: Board) -> HeatMap | None:
    """The share of the target that each attack of the standard set gets back, least recovered method first; None
    where the set did not run.

    A cell is as dark as its share is large. One in brackets does not count: the attack is not to be trusted there.
    """
    found = [(row, row.recovery) for row in board.rows if row.recovery is not None]
    if not found:
        return None
    ordered = sorted(found, key=lambda pair: (pair[0].standing != "reference", _share(pair[1])))
    worst = Heading(title="worst", about="The largest share that counts.", better="lower")
    attacks = [
        Heading(title=item.name, about=f"Recovered by {item.name}; in brackets: not counted.", better="lower")
        for item in found[0][1].attempts
    ]
    return HeatMap(
        headings=(worst, *attacks),
        lines=tuple(
            HeatLine(
                label=row.label,
                reference=row.standing == "reference",
                cells=(
                    _attempt(recovery.share),
                    *(_attempt(item.share, item.unreliable) for item in recovery.attempts),
                ),
            )
            for row, recovery in ordered
        ),
    )


def _share(found: Recovery) -> float:
    return 2.0 if found.share is None else found.share


def _attempt(share: float | None, unreliable: str = "") -> Shaded:
    if share is None:
        return Shaded(text=NO_NUMBER)
    return Shaded(text=f"({number(share)})") if unreliable else Shaded(text=number(share), shade=share)


def _relative(values: Sequence[float | None]) -> list[Shaded]:
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    return [
        Shaded(text=NO_NUMBER)
        if value is None
        else Shaded(text=number(value), shade=(value - low) / (high - low) if high > low else 0.0)
        for value in values
    ]


def class_by_class(board: Board, row: Row) -> HeatMap:
    """One method: a line for each forget set, columns of shares; darker is better in each."""
    others = [item.name for item in board.run.evaluation if not item.control]
    columns: list[tuple[Heading, Callable[[ClassKey, Summary], tuple[float | None, float | None]]]] = [
        (Heading(title="Score", about="Avg. Score of this forget set.", better="lower"), _score),
        (Heading(title="Forgetting", about="Share of the target accuracy that is gone.", better="higher"), _gone),
        (
            Heading(title="Own dataset", about="Share of the accuracy on its dataset's other classes that is kept.",
                    better="higher"),
            lambda _, summary: _kept(summary.others.get(OTHER)),
        ),
        *(
            (
                Heading(title=name, about=f"Share of the accuracy on {name} that is kept.", better="higher"),
                lambda _, summary, name=name: _kept(summary.others.get(name)),
            )
            for name in others
        ),
        *(
            (Heading(title=title, about=about, better=better), _audit(row, metric, group, better))
            for title, about, better, metric, group in _AUDITS
        ),
    ]  # fmt: skip
    found = [[cell(key, row.classes[key]) for _, cell in columns] for key in board.classes]
    used = [place for place in range(len(columns)) if any(line[place][0] is not None for line in found)]
    return HeatMap(
        headings=tuple(columns[place][0] for place in used),
        lines=tuple(
            HeatLine(
                label=" + ".join(key[1]), key=key, cells=tuple(_shaded(*line[place]) for place in used)
            )
            for key, line in zip(board.classes, found, strict=True)
        ),
    )  # fmt: skip


_AUDITS: tuple[tuple[str, str, Literal["higher", "lower"], str, str], ...] = (
    ("Neighbours", "Share of the accuracy on the nearest kept classes that is kept.", "higher", "neighbours", "near"),
    ("Probe", "Share of a linear probe's accuracy that is still reached.", "lower", "linear-probe", TARGET),
    ("Relearned", "Share of the accuracy that 16 updates on one image each bring back.", "lower", "relearning",
     f"shots@1/{TARGET}"),
    ("Paraphrase", "Share of the accuracy that the worst wording still finds.", "lower", "paraphrases", "worst"),
)  # fmt: skip


def _shaded(value: float | None, good: float | None) -> Shaded:
    return Shaded(text=NO_NUMBER) if value is None else Shaded(text=number(value), shade=good)


def _score(_: ClassKey, summary: Summary) -> tuple[float | None, float | None]:
    return summary.score, None if summary.score is None else float(np.clip(1 - 3 * summary.score, 0, 1))


def _gone(_: ClassKey, summary: Summary) -> tuple[float | None, float | None]:
    return summary.forgetting, summary.forgetting


def _kept(pair: Pair | None) -> tuple[float | None, float | None]:
    share = share_kept(pair)
    return share, None if share is None else float(np.clip(2 * share - 1, 0, 1))  # half lost is as bad as all


def _audit(
    row: Row, metric: str, group: str, better: str
) -> Callable[[ClassKey, Summary], tuple[float | None, float | None]]:
    def cell(key: ClassKey, _: Summary) -> tuple[float | None, float | None]:
        records = row.by_class.get(key, ())
        share = share_kept(seed_mean(records, metric, group, None)) if records else None
        return share, share if share is None or better == "higher" else 1 - share

    return cell


def share_kept(pair: Pair | None) -> float | None:
    """min(1, after / before); None where undefined."""
    if pair is None or pair.after is None or not pair.before:
        return None
    return min(1.0, pair.after / pair.before)
