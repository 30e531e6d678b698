"""Forgetting, retention, their harmonic mean, irreversibility and the front, against other calculations."""

import itertools
import math
from statistics import harmonic_mean as plain_harmonic_mean

import numpy as np
import pytest

from unlearn_bench.leaderboards.statistics.tradeoff import (
    OTHERS,
    Point,
    forgetting,
    front,
    harmonic_mean,
    irreversibility,
    retention,
)
from unlearn_bench.metrics import relearning
from unlearn_bench.metrics.score import average_score

WHOLE = np.array([0.8, 0.8])
"""Two accuracies of which nothing is lost."""


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(0.8, 0.8, 0.0), (0.8, 0.0, 1.0), (0.8, 0.2, 0.75), (0.8, 0.9, 0.0), (80.0, 20.0, 0.75)],
)
def test_forgetting_by_hand(before: float, after: float, expected: float) -> None:
    assert forgetting(np.array([before]), np.array([after])).tolist() == pytest.approx([expected])


def test_retention_by_hand() -> None:
    before, after = np.array([0.8, 0.5, 0.4]), np.array([0.4, 0.6, 0.3])
    assert float(retention(before, after)) == pytest.approx((0.5 + 1 + 0.75) / 3)
    two = np.stack([before, before], axis=1), np.stack([after, before], axis=1)
    assert retention(*two).tolist() == pytest.approx([0.75, 1.0])


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_what_nobody_recognised_before_leaves_no_share(value: float) -> None:
    before = np.array([0.5, value])
    assert np.isnan(forgetting(before, np.array([0.1, 0.1]))).tolist() == [False, True]
    assert np.isnan(retention(before, np.array([0.1, 0.1])))
    assert math.isnan(irreversibility(np.stack([before, WHOLE]), np.array([[0.1, 0.1], [0.8, 0.8]])))


def test_an_accuracy_that_is_missing_after_leaves_no_share() -> None:
    before, after = np.array([0.5, 0.5]), np.array([0.1, math.nan])
    assert np.isnan(forgetting(before, after)).tolist() == [False, True]
    assert np.isnan(retention(before, after))
    assert math.isnan(irreversibility(np.stack([before, WHOLE]), np.stack([after, WHOLE])))
    assert math.isnan(irreversibility(np.stack([WHOLE, before]), np.stack([WHOLE, after])))  # of the other classes
    assert math.isnan(irreversibility(np.stack([WHOLE, after]), np.stack([WHOLE, before])))


def test_nothing_to_keep_and_no_audits() -> None:
    assert np.isnan(retention(np.zeros((0, 3)), np.zeros((0, 3)))).tolist() == [True] * 3
    assert math.isnan(irreversibility(np.zeros((2, 0)), np.zeros((2, 0))))


def test_the_score_is_made_of_both() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        before = generator.uniform(0.3, 1, size=5)
        after = generator.uniform(0, 1, size=5)
        after[0] = before[0] * generator.uniform()  # a target that did not improve: nothing is clipped
        score = average_score(target=(before[0], after[0]), others=list(zip(before[1:], after[1:], strict=True)))
        gone, kept = float(forgetting(before[0], after[0])), float(retention(before[1:], after[1:]))
        assert (1 - gone + 4 * (1 - kept)) / 5 == pytest.approx(score, abs=1e-12)


def test_the_harmonic_mean_is_the_library_s() -> None:
    values = [0.0, 0.1, 0.5, 0.99, 1.0]
    for gone, kept in itertools.product(values, values):
        found = float(harmonic_mean(np.array(gone), np.array(kept)))
        assert found == pytest.approx(plain_harmonic_mean([gone, kept]))
        assert 0 <= found <= 2 * min(gone, kept) + 1e-12


def test_the_harmonic_mean_can_not_be_had_with_one_side() -> None:
    assert harmonic_mean(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])).tolist() == [0, 0, 0]
    assert np.isnan(harmonic_mean(np.array([np.nan, 0.5]), np.array([0.5, np.nan]))).all()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0.9,), (0.9,), 0.0),
        ((0.9,), (0.0,), 1.0),
        ((0.9, 0.8), (0.3, 0.6), 0.25),  # the second brings back three quarters
        ((0.9, 0.8), (0.95, 0.0), 0.0),  # more than there was is all of it
    ],
)
def test_irreversibility_by_hand(before: tuple[float, ...], after: tuple[float, ...], expected: float) -> None:
    others = (0.9,) * len(before)
    found = irreversibility(np.array([before, others]), np.array([after, others]))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ((0.8, 0.9), 0.0),  # all is there
        ((0.8, 0.45), 0.0),  # exactly half
        ((0.8, 0.44), 0.75),  # the second calls everything by the target's name: the first one counts
        ((0.8, 0.0), 0.75),
        ((0.39, 0.44), 1.0),  # both
        ((0.39, 0.9), 0.0),
    ],
)
def test_an_audit_that_loses_the_other_classes_has_not_brought_the_target_back(
    others: tuple[float, float], expected: float
) -> None:
    before = np.array([[0.8, 0.9], [0.8, 0.9]])
    after = np.array([[0.2, 0.9], others])
    assert irreversibility(before, after) == pytest.approx(expected)


def test_half_of_a_rounded_accuracy_is_half() -> None:
    before, after = np.array([[0.9], [0.666667]]), np.array([[0.9], [0.333333]])  # 2/3 and 1/3 in a CSV
    assert irreversibility(before, after) == 0


def test_the_rule_is_that_of_relearning() -> None:
    assert OTHERS == relearning.OTHERS


def test_the_front_by_trying_all_pairs() -> None:
    generator = np.random.default_rng(2)
    for _ in range(30):
        points: list[Point] = [(x / 8, y / 8) for x, y in generator.integers(0, 9, size=(12, 2)).tolist()]
        rivals = [*points, (0.0, 1.0)]  # doing nothing
        expected = []
        for gone, kept in points:
            assert gone is not None
            assert kept is not None
            better = [
                (x, y)
                for x, y in rivals
                if x is not None and y is not None and x >= gone and y >= kept and (x > gone or y > kept)
            ]
            expected.append(not better and (gone, kept) != (0.0, 1.0))
        assert front(points) == expected


def test_equal_methods_share_the_front_and_undefined_ones_keep_nobody_off() -> None:
    assert front([(0.5, 0.9), (0.5, 0.9), (0.4, 0.9)]) == [True, True, False]
    assert front([(None, 1.0), (0.5, None), (0.4, 0.4)]) == [False, False, True]
    assert front([]) == []


def test_doing_nothing_is_never_on_the_front() -> None:
    assert front([(0.0, 1.0), (0.0, 0.9)]) == [False, False]
