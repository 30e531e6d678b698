"""What a trial came to: forgetting, retention and score of one setting on the classes it was tried on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics import tradeoff
from unlearn_bench.leaderboards.statistics.curves import dominated_area
from unlearn_bench.leaderboards.statistics.rows import FORGOTTEN
from unlearn_bench.metrics.score import ClassAccuracies, Pair, average_score, class_averages

FAILED_SCORE = 1.0
"""What a trial scores in which a cell fails: as bad as a method that keeps the target and destroys the rest."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting, and what it came to on the first `classes` of the tuning classes.

    Attributes:
        score: Avg. Score, as tables have it. idle: what doing nothing scores there.
        forgetting, retention: see `leaderboards.statistics.tradeoff`; 0 where a cell failed.
        reason: why a cell has no numbers; empty where all have.
    """

    hyperparameters: Mapping[str, Any]
    classes: int = 0
    score: float = FAILED_SCORE
    idle: float = math.nan
    forgetting: float = 0.0
    retention: float = 0.0
    reason: str = ""

    @property
    def forgot(self) -> bool:
        """Whether at most half of the target accuracy is left, as in tables."""
        return not self.reason and self.forgetting >= 1 - FORGOTTEN

    @property
    def did_good(self) -> bool:
        """Whether it forgot with less harm than good: a better score than doing nothing."""
        return self.forgot and self.score < self.idle

    @property
    def worth(self) -> float:
        """What the sampler makes small: the score, and what is missing to having forgotten.

            score + max(0, 1/2 - F)

        By the score alone, doing nothing is as good as many a setting that forgets, and a flat place where a search
        ends; with the second term it is worse than any setting that forgets at a bearable price.
        """
        return self.score + max(0.0, 1 - FORGOTTEN - self.forgetting)


def tried(hyperparameters: Mapping[str, Any], records: Sequence[Record]) -> Trial:
    """The trial that left these records, one for each class.

    Accuracies are averaged over the classes of a dataset before they are compared, then datasets are averaged, as in
    the tables. What the model does not know before can't be lost: other classes and datasets that it gets all wrong
    don't count.

    Raises:
        InputError: a record lacks an accuracy, or the model gets the target classes of a dataset all wrong.
    """
    trial = Trial(hyperparameters=hyperparameters, classes=len(records))
    failed = next((record for record in records if record.status != "ok"), None)
    if failed is not None:
        return replace(trial, reason=f"{failed.status}: {failed.reason}")
    averages = []
    for dataset in dict.fromkeys(record.run.dataset for record in records):
        found = class_averages([_accuracies(r, dataset) for r in records if r.run.dataset == dataset])
        if not found.target[0]:
            raise InputError(
                f"the model gets the tuning classes of {dataset!r} all wrong, so nothing can be forgotten there; "
                "choose other classes"
            )
        averages.append(ClassAccuracies(target=found.target, others=tuple(p for p in found.others if p[0])))
    before, after = (np.mean([found.target[side] for found in averages]) for side in (0, 1))
    return replace(
        trial,
        score=float(np.mean([_score(found.target, found.others) for found in averages])),
        idle=float(np.mean([1 / (1 + len(found.others)) for found in averages])),
        forgetting=float(tradeoff.forgetting(np.asarray(before), np.asarray(after))),
        retention=float(np.mean([_retention(found.others) for found in averages])),
    )


def leading(trials: Sequence[Trial], count: int, *, among: Sequence[Trial] = ()) -> list[Trial]:
    """The `count` trials that say most of the trade-off.

    First those of `among`, or else the one of least `worth`; then, one after the other, the one that adds most to the
    area that the chosen ones dominate (`area`); where none adds anything, by `worth`. Equal settings count once, and
    what failed comes last. All were tried on the same classes.
    """
    ordered = sorted(trials, key=lambda trial: (bool(trial.reason), trial.worth))
    left = {_setting(trial): trial for trial in reversed([*among, *ordered])}
    chosen = [left.pop(name) for name in dict.fromkeys(map(_setting, among or ordered[:1]))][:count]
    while left and len(chosen) < count:
        rivals = sorted(left.values(), key=lambda trial: (bool(trial.reason), trial.worth))
        gains = [0.0 if trial.reason else area([*chosen, trial]) for trial in rivals]
        chosen.append(rivals[gains.index(max(gains))])
        del left[_setting(chosen[-1])]
    return chosen


def _setting(trial: Trial) -> str:
    return repr(sorted(trial.hyperparameters.items()))


def area(trials: Sequence[Trial]) -> float:
    """The area of forgetting and retention that these trials dominate, in [0, 1] (`curves.dominated_area`).

    >>> half = Trial(hyperparameters={}, forgetting=0.5, retention=1.0)
    >>> all_of_it = Trial(hyperparameters={}, forgetting=1.0, retention=0.5)
    >>> area([half, all_of_it])
    0.75
    """
    forgotten, kept = (np.array([getattr(trial, name) for trial in trials]) for name in ("forgetting", "retention"))
    return float(dominated_area(forgotten, kept)) if trials else 0.0


def front(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that no other beats in forgetting and retention, by forgetting; doing nothing is none of them."""
    points = [(trial.forgetting, trial.retention) for trial in trials]
    on = [trial for trial, there in zip(trials, tradeoff.front(points), strict=True) if there and not trial.reason]
    different = {(trial.forgetting, trial.retention): trial for trial in reversed(on)}
    return sorted(different.values(), key=lambda trial: trial.forgetting)


def _accuracies(record: Record, dataset: str) -> ClassAccuracies:
    scored = [item.name for item in record.run.evaluation if not item.control]
    return ClassAccuracies(
        target=_pair(record, dataset, "target"),
        others=tuple(_pair(record, name, "other" if name == dataset else "all") for name in scored),
    )


def _pair(record: Record, dataset: str, group: str) -> Pair:
    found = record.find("accuracy", dataset=dataset, group=group)
    if found is None or found.before is None or found.after is None:
        raise InputError(f"{dataset!r} has no images to measure {group!r} accuracy on; tuning needs them")
    return found.before, found.after


def _score(target: Pair, others: Sequence[Pair]) -> float:
    """With nothing that could be lost, what is left of the target."""
    return average_score(target=target, others=others) if others else target[1] / target[0]


def _retention(others: Sequence[Pair]) -> float:
    if not others:
        return 1.0
    before, after = (np.array([pair[side] for pair in others]) for side in (0, 1))
    return float(tradeoff.retention(before, after))
