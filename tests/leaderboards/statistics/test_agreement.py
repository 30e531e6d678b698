"""Kendall's tau between a board and an order from elsewhere, against counting pairs by hand."""

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pytest

from tests.leaderboards.attack_examples import swept
from tests.leaderboards.examples import ended, identity, only, sweep
from unlearn_bench.leaderboards.statistics.agreement import agreement, recovery_agreement
from unlearn_bench.leaderboards.statistics.rows import Board

ELSEWHERE = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}


def board(*targets: int) -> Board:
    """The more target images are right after, the worse the method."""
    found = [item for name, n in zip(ELSEWHERE, targets, strict=True) for item in sweep(name, targets=(n,))]
    return only([*found, *identity()])


def counted(mine: list[float], theirs: list[float]) -> float:
    same = opposite = tied_mine = tied_theirs = 0
    for i, j in itertools.combinations(range(len(mine)), 2):
        a, b = mine[i] - mine[j], theirs[i] - theirs[j]
        same += a * b > 0
        opposite += a * b < 0
        tied_mine += a == 0 and b != 0
        tied_theirs += b == 0 and a != 0
    there = same + opposite
    return (same - opposite) / math.sqrt((there + tied_mine) * (there + tied_theirs))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ((1, 2, 3, 4), 1.0),
        ((8, 6, 4, 2), -1.0),
        ((2, 1, 3, 4), 4 / 6),  # five pairs of six in the same order
        ((4, 1, 2, 3), 0.0),  # three and three
        ((2, 2, 3, 4), 5 / math.sqrt(5 * 6)),  # one tie here
    ],
)
def test_tau_is_what_pairs_say(targets: tuple[int, ...], expected: float) -> None:
    found = agreement(board(*targets), ELSEWHERE)
    assert found is not None
    assert found.tau == pytest.approx(expected)


def test_the_interval_is_over_the_resampled_scores() -> None:
    measured = board(4, 3, 5, 9)
    found = agreement(measured, ELSEWHERE)
    rows = [measured.find(name) for name in ELSEWHERE]
    draws = np.stack([row.draws[""] for row in rows if row is not None], axis=1)
    taus = [counted(list(scores), list(ELSEWHERE.values())) for scores in draws]
    assert found is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(np.percentile(taus, [2.5, 97.5])))
    assert found.interval.low <= found.tau <= found.interval.high


def test_every_method_must_be_there_once_and_complete() -> None:
    whole = [item for name in ELSEWHERE for item in sweep(name)]
    assert agreement(only(whole), ELSEWHERE) is not None
    assert agreement(only(whole), {**ELSEWHERE, "e": 0.5}) is None
    assert agreement(only(whole + sweep("a", hyperparameters={"sigma": 7})), ELSEWHERE) is None
    assert agreement(only([ended(whole[0], "failed", "x"), *whole[1:]]), ELSEWHERE) is None
    assert agreement(only(whole), {"a": 0.1}) is None


def of_model(model: str, found: Mapping[str, int], **changes: bool) -> Board:
    """Methods of which pruning finds so many target images of 20, on one model; other attacks find two."""
    records = [item for name, n in found.items() for item in swept(name, {"pruning": n}, model=model, **changes)]
    return only(records)


def test_the_order_under_the_standard_attack_on_two_models() -> None:
    one = of_model("mini-rn", {"lip": 4, "emb": 8, "amns": 12, "ulip": 16})
    same = of_model("mini-vit", {"lip": 5, "emb": 6, "amns": 7, "ulip": 8})
    found = recovery_agreement(one, same)
    assert found is not None
    assert found.tau == 1.0
    assert found.interval is not None
    assert found.interval.low > 0
    turned = recovery_agreement(one, of_model("mini-vit", {"lip": 16, "emb": 12, "amns": 8, "ulip": 4}))
    assert turned is not None
    assert turned.tau == -1.0
    one_swap = recovery_agreement(one, of_model("mini-vit", {"lip": 8, "emb": 4, "amns": 12, "ulip": 16}))
    assert one_swap is not None
    assert one_swap.tau == pytest.approx((5 - 1) / 6)


def test_only_competitors_with_a_share_on_both_models_count() -> None:
    one = of_model("mini-rn", {"lip": 4, "emb": 8, "identity": 2, "amns": 12})
    other = of_model("mini-vit", {"emb": 5, "amns": 6, "identity": 16, "ulip": 2})
    found = recovery_agreement(one, other)
    assert found is not None
    assert found.tau == 1.0, "emb and amns; the reference would turn it around"
    assert recovery_agreement(one, of_model("mini-vit", {"emb": 5})) is None
    bare = recovery_agreement(one, of_model("mini-vit", {"emb": 5, "amns": 6}, told=False))
    assert bare is not None
    assert bare.interval is None
