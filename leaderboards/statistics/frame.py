"""How far down a picture of forgetting against retention goes, and what it says of those that lie below."""

import math
from collections.abc import Iterable, Sequence

from unlearn_bench.leaderboards.statistics.intervals import Interval

_HALF = 0.5
"""Of the retention: a method that kept less has no say in how far down a picture goes."""

Told = tuple[str, float, float]
"""A name with its forgetting and retention."""


def least_shown(kept: Iterable[tuple[float, Interval | None]]) -> float:
    """The retention at which a picture ends: the least of the methods that kept at least half, with its interval.

    Whatever lies below, method or reference, is told in words: one wrecked model would press all others into the
    upper edge. Where no method kept half, the least of all of them; without any, there is no end.

    Args:
        kept: the retention of each competing method (of a curve, of each point), and its interval.

    >>> least_shown([(0.9, None), (0.7, Interval(low=0.65, high=0.8)), (0.09, None)])
    0.65
    """
    known = [(value, min(value, found.low) if found else value) for value, found in kept]
    well = [low for value, low in known if value >= _HALF]
    return min(well or [low for _, low in known], default=-math.inf)


def told(outside: Sequence[Told]) -> str:
    """What stands under a picture in place of those that it does not show; empty where it shows all.

    >>> told([("emmn", 0.93, 0.086), ("random-weights", 1.0, 0.08)])
    'not shown: emmn (forgetting .93, retention .09), random-weights (forgetting 1.00, retention .08)'
    """
    if not outside:
        return ""
    each = (f"{name} (forgetting {_short(gone)}, retention {_short(kept)})" for name, gone, kept in outside)
    return f"not shown: {', '.join(each)}"


def _short(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")
