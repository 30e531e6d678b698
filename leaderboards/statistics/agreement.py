"""Whether a leaderboard puts methods in the order in which others have put them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from unlearn_bench.leaderboards.statistics.intervals import Floats, Interval, interval
from unlearn_bench.leaderboards.statistics.rows import Board


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Kendall's tau with its 95 % interval; without resamples there is none."""

    tau: float
    interval: Interval | None


def agreement(board: Board, elsewhere: Mapping[str, float]) -> Agreement | None:
    """Kendall's tau-b between the Avg. Scores of a board and those of the same methods elsewhere.

        tau = (C - D) / sqrt((C + D + T_x) (C + D + T_y))

    C and D count the pairs of methods that both put in the same and in opposite order, T_x and T_y those that are
    tied in one alone. 1: the same order, -1: the reverse, around 0: neither. The interval is over the resamples of
    the board's scores; the others' scores are held fixed.

    Args:
        elsewhere: by method, lower is better as here.

    Returns:
        None unless each of these methods has one row on the board, and a score.

    Source: Maurice G. Kendall, 1945, The Treatment of Ties in Ranking Problems.
    Departures: none.
    """
    rows = [board.find(name) for name in elsewhere]
    found = [row for row in rows if row is not None and row.overall.score is not None]
    if len(found) < len(rows) or len(rows) < 2:
        return None
    theirs = np.array(list(elsewhere.values()), dtype=np.float64)
    tau = float(_taus(np.array([[row.overall.score for row in found]], dtype=np.float64), theirs)[0])
    if not all("" in row.draws for row in found):
        return Agreement(tau=tau, interval=None)
    draws = np.stack([row.draws[""] for row in found], axis=1)  # (B, methods)
    return Agreement(tau=tau, interval=interval(_taus(draws, theirs)))


def _taus(mine: Floats, theirs: Floats) -> Floats:
    """Tau-b of each row of (B, methods) and of (methods,); nan where all are tied.

    SciPy's takes one pair of rankings at a time: of two thousand resamples, seconds.
    """
    first, second = np.triu_indices(len(theirs), k=1)
    ours = np.sign(mine[:, first] - mine[:, second])  # (B, pairs)
    others = np.sign(theirs[first] - theirs[second])
    untied = np.count_nonzero(ours, axis=1) * np.count_nonzero(others)
    with np.errstate(invalid="ignore"):
        return np.asarray((ours @ others) / np.sqrt(untied), dtype=np.float64)
