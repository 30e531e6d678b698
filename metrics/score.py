"""The Avg. Score: how much of the target is left, and how much of the rest was lost, in one number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_bench.metrics.accuracy import Accuracy
from unlearn_bench.metrics.base import Evidence, Measurement, Metric

Pair = tuple[float, float]
"""An accuracy before and after forgetting."""


class UndefinedScore(ValueError):  # noqa: N818  (it names a state of the data)
    """The score has no value: an accuracy is missing, or what is compared was 0 before forgetting."""


@dataclass(frozen=True, kw_only=True)
class ClassAccuracies:
    """What the score of one forget class is made of.

    Attributes:
        target: accuracy on the class, before and after.
        others: accuracies on the own dataset's other classes and on each other dataset, before and after.
    """

    target: Pair
    others: tuple[Pair, ...]


def average_score(*, target: Pair, others: Sequence[Pair]) -> float:
    """What is left of the target, averaged with what was lost elsewhere; 0 is perfect forgetting.

        score = ( AF_t / BF_t + sum_i max(0, (BF_i - AF_i) / BF_i) ) / (N + 1)

    A gain elsewhere counts as no loss. A gain on the target does count, so there is no upper bound. Doing
    nothing scores 1 / (N + 1).

    Args:
        target: accuracy (before, after) on the forget set; fractions or percentages, as long as all are
        alike.
        others: N >= 1 pairs: the own dataset's other classes, then each other dataset.

    Raises:
        UndefinedScore: no others, an accuracy that is missing (nan), infinite or negative, or one of 0
        before.

    Source: Kravets, Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples, eq. 10.
    Departures: eq. 10 prints no max; the paper's Table 1 is only reproduced with it.

    >>> average_score(target=(0.8, 0.2), others=[(0.5, 0.4), (0.6, 0.7)])
    0.15
    """
    if not others:
        raise UndefinedScore("the score needs at least one accuracy besides the target's, got none")
    _check("target", target)
    for index, pair in enumerate(others):
        _check(f"others[{index}]", pair)
    before, after = target
    lost = sum(max(0.0, (before - after) / before) for before, after in others)
    return (after / before + lost) / (len(others) + 1)


def class_averages(rows: Sequence[ClassAccuracies]) -> ClassAccuracies:
    """The pairs of several forget classes, averaged over the classes position by position.

    Args:
        rows: one for each class, with the same others in the same order.

    Raises:
        UndefinedScore: no rows, or rows of which one lacks an accuracy that another has.
    """
    if not rows:
        raise UndefinedScore("the score of several classes needs at least one class, got none")
    counts = sorted({len(row.others) for row in rows})
    if len(counts) > 1:
        raise UndefinedScore(f"the classes come with different numbers of other accuracies: {counts}")
    return ClassAccuracies(
        target=_mean_pair([row.target for row in rows]),
        others=tuple(_mean_pair(column) for column in zip(*(row.others for row in rows), strict=True)),
    )


def class_averaged_score(rows: Sequence[ClassAccuracies]) -> float:
    """The score of several forget classes as a ratio of means: average the accuracies, then score them.

    This is how the published table is made. The mean of the classes' own scores is another number: there, a
    class that was hardly known before weighs as much in AF / BF as one that was known well.

    Args:
        rows: one for each class, with the same others in the same order.

    Raises:
        UndefinedScore: as `average_score` and `class_averages`.

    Source: Kravets, Namboodiri, 2025, Table 1.
    Departures: none.
    """
    averages = class_averages(rows)
    return average_score(target=averages.target, others=averages.others)


class AverageScore(Metric):
    """The Avg. Score of one run: `average_score` of its accuracies.

    The others are the own dataset's kept classes and every other dataset that is no control set; `n` is N +
    1, the number of terms. It compares before with after, so it has no value before forgetting.

    Unit: score. Direction: lower is better. Bounds: at least 0; no upper bound, as the target may improve.
    Undefined (None) where a term is: a group without images, or nothing right in it before forgetting.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: Kravets, Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples, eq. 10.
    Departures: see `average_score`.
    """

    name = "average-score"
    version = 1
    unit = "score"
    direction = "lower"
    bounds = (0.0, None)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """One number, under the own dataset's name."""
        found = Accuracy().measure(evidence)
        target = next(_pair(item) for item in found if item.group == "target")
        others = [_pair(item) for item in found if item.group in {"other", "all"}]
        try:
            score = average_score(target=target, others=others)
        except UndefinedScore:
            score = None
        return (self.say(before=None, after=score, n=len(others) + 1, dataset=evidence.dataset, group="all"),)


def _check(name: str, pair: Pair) -> None:
    before, after = pair
    if not (math.isfinite(before) and math.isfinite(after)):
        raise UndefinedScore(f"{name} lacks an accuracy: before {before}, after {after}")
    if before <= 0 or after < 0:
        raise UndefinedScore(f"{name} must be above 0 before and not negative after: {before}, {after}")


def _mean_pair(pairs: Sequence[Pair]) -> Pair:
    return (
        math.fsum(before for before, _ in pairs) / len(pairs),
        math.fsum(after for _, after in pairs) / len(pairs),
    )


def _pair(item: Measurement) -> Pair:
    missing = math.nan
    return (
        missing if item.before is None else item.before,
        missing if item.after is None else item.after,
    )
