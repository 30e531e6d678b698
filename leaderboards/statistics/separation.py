"""Whether an attack parts models that know a class from models that never did: a test of the attack itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from unlearn_bench.leaderboards.statistics.findings import NOTHING
from unlearn_bench.leaderboards.statistics.intervals import RESAMPLES, Floats, Interval, drawn_classes, interval
from unlearn_bench.leaderboards.statistics.recovery import RETRAINED
from unlearn_bench.leaderboards.statistics.rows import Board, Row, Seeds
from unlearn_bench.metrics.shared.attacks import ATTACKS, Attack

CHANCE = 0.5
"""The AUC of an attack that says as much of a model that never saw the class."""


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How well one attack tells the original from the retrained model.

    Attributes:
        attack: its name. auc: see `separations`. interval: 95 %. pairs: how many models with and without a class.
    """

    attack: str
    auc: float
    interval: Interval | None
    pairs: int

    @property
    def tells_apart(self) -> bool:
        """Whether it is above chance for sure: an attack that is not has no place in a maximum."""
        return self.auc > CHANCE and (self.interval is None or self.interval.low > CHANCE)


def separations(boards: Iterable[Board]) -> tuple[Separation, ...]:
    """For each attack the AUC between the original and the retrained models, over all forget sets of all boards.

        AUC = mean over pairs (i, j) of [a_i > b_j] + [a_i = b_j] / 2

    a_i is what the attack reaches on the target of forget set i with the original (the row `identity`), b_j on that
    of forget set j with the model retrained without it (the row `retrain`); seeds are averaged within a forget set.
    1: every model that knows its class is above every one that does not; .5: the attack says nothing. The interval
    draws forget sets with replacement, both models of one together.

    Args:
        boards: those without both rows say nothing. Attacks without numbers on any forget set are left out.

    Source: the test of audits by models of known kind: Vineeth Dorna et al., 2025, OpenUnlearning: Accelerating LLM
    Unlearning via Unified Benchmarking of Methods and Metrics, https://arxiv.org/abs/2506.12618 (faithfulness).
    Departures: models retrained without the class in place of models trained without the data of a question.
    """
    pairs = [(board.find(NOTHING), board.find(RETRAINED)) for board in boards]
    known = [(nothing, retrained) for nothing, retrained in pairs if nothing is not None and retrained is not None]
    found = []
    for attack in ATTACKS:
        values = [pair for nothing, retrained in known for pair in _values(nothing, retrained, attack)]
        if values:
            found.append(_separation(attack.name, values))
    return tuple(found)


def auc(known: Floats, unknown: Floats) -> Floats:
    """The AUC of each column of (N, ...) against that of (M, ...): ties count half.

    >>> auc(np.array([0.9, 0.5]), np.array([0.5, 0.1])).item()
    0.875
    """
    above = known[:, None] > unknown[None]
    tied = known[:, None] == unknown[None]
    return np.asarray((above + 0.5 * tied).mean(axis=(0, 1)))


def _separation(name: str, values: Sequence[tuple[float, float]]) -> Separation:
    known, unknown = np.array(values, dtype=np.float64).T
    picks = drawn_classes("separation", len(values), RESAMPLES)  # (N, B)
    spread = interval(auc(known[picks], unknown[picks])) if len(values) > 1 else None
    return Separation(attack=name, auc=float(auc(known, unknown)), interval=spread, pairs=len(values))


def _values(nothing: Row, retrained: Row, attack: Attack) -> list[tuple[float, float]]:
    """What the attack reaches on each forget set that both rows have."""
    found = []
    for key, seeds in nothing.seeds.items():
        twin = retrained.seeds.get(key)
        sides = [_reached(item, attack) for item in (seeds, twin) if item is not None and item.runs]
        known = [side for side in sides if side is not None]
        if len(known) == 2:
            found.append((known[0], known[1]))
    return found


def _reached(seeds: Seeds, attack: Attack) -> float | None:
    after = seeds.mean(attack.metric, attack.target, None).after
    if attack.false is None or after is None:
        return after
    false = seeds.mean(attack.metric, attack.false, None).after
    return None if false is None else after - false
