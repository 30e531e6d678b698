"""How far down a picture goes: set by whoever kept half, and by nobody else if anybody did."""

import math

import pytest

from unlearn_bench.leaderboards.statistics.frame import least_shown, told
from unlearn_bench.leaderboards.statistics.intervals import Interval


@pytest.mark.parametrize(
    ("kept", "least"),
    [
        ([], -math.inf),
        ([0.9], 0.9),
        ([0.9, 0.5], 0.5),
        ([0.9, 0.49], 0.9),
        ([0.4, 0.09], 0.09),
    ],
)
def test_methods_that_kept_half_set_the_end(kept: list[float], least: float) -> None:
    assert least_shown((value, None) for value in kept) == least


def test_the_interval_is_shown_with_its_value() -> None:
    wide = Interval(low=0.3, high=0.7)
    assert least_shown([(0.55, wide), (0.35, None), (0.2, None)]) == 0.3
    beside = Interval(low=0.6, high=0.7)  # resamples need not hold the value
    assert least_shown([(0.55, beside)]) == 0.55


def test_nothing_is_said_where_all_is_shown() -> None:
    assert told([]) == ""
    assert told([("a", 0.5, 0.25)]) == "not shown: a (forgetting .50, retention .25)"
