"""Whether a leaderboard puts methods in the order in which others have put them, or in that of another model."""

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


def recovery_agreement(one: Board, other: Board) -> Agreement | None:
    """Kendall's tau-b between the worst known recoveries of the same methods on two boards, of two models say.

    The formula is that of `agreement`. The methods are the competitors that have a share on both; the interval is
    over the resamples of both boards, which draw the same forget classes of a dataset.

    Returns:
        None unless two methods have a share on both boards.

    Source: Maurice G. Kendall, 1945, The Treatment of Ties in Ranking Problems.
    Departures: none.
    """
    rows = [row for row in one.rows if row.standing != "reference"]
    pairs = [(row.recovery, twin.recovery) for row in rows if (twin := other.find(row.label)) is not None]
    known = [
        (mine, theirs)
        for mine, theirs in pairs
        if mine is not None and theirs is not None and mine.share is not None and theirs.share is not None
    ]
    if len(known) < 2:
        return None
    shares = np.array([[mine.share, theirs.share] for mine, theirs in known], dtype=np.float64).T  # (2, methods)
    tau = float(_taus(shares[:1], shares[1])[0])
    draws = [[item.draws for item in pair if item.draws is not None] for pair in known]
    if not all(len(pair) == 2 for pair in draws):
        return Agreement(tau=tau, interval=None)
    ours, others = np.stack(draws).transpose(1, 2, 0)  # (B, methods) each
    return Agreement(tau=tau, interval=interval(_taus(ours, others)))


def _taus(mine: Floats, theirs: Floats) -> Floats:
    """Tau-b of each row of (B, methods) and of (methods,), or of each row of another such; nan where all are tied.

    SciPy's takes one pair of rankings at a time: of two thousand resamples, seconds.
    """
    first, second = np.triu_indices(mine.shape[1], k=1)
    ours, others = (np.sign(side[..., first] - side[..., second]) for side in (mine, theirs))  # (.., pairs)
    untied = np.count_nonzero(ours, axis=-1) * np.count_nonzero(others, axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray((ours * others).sum(axis=-1) / np.sqrt(untied), dtype=np.float64)
