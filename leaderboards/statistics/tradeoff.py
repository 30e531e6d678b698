"""What one score hides: how much was forgotten, how much was kept, and whether it can be brought back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OTHERS = 0.5
"""Share of the other classes' accuracy without which an audit has not brought the target back; as in relearning."""

_ROUNDING = 1e-6
"""A share that is equal shall not miss by this: numbers in a CSV have 6 digits."""

Point = tuple[float | None, float | None]
"""Forgetting and retention of one method; None where undefined."""


def forgetting(before: Floats, after: Floats) -> Floats:
    """The share of the target accuracy that is gone: 0 for doing nothing, 1 where nothing is recognised.

        F = clip(1 - AF_t / BF_t, 0, 1)

    A target that improved counts as not forgotten, as 0.

    Args:
        before, after: (...) accuracies on the forget set; fractions or percentages, as long as both are alike.

    Returns:
        (...) in [0, 1], higher is better; nan where an accuracy is nan, or nothing was right before.

    Source: Kravets, Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples, eq. 10, its
    first term.
    Departures: one minus the term, so that higher is better; clipped, since a share is meant.

    >>> forgetting(np.array([0.8, 0.5, 0.0]), np.array([0.2, 0.6, 0.0])).round(3).tolist()
    [0.75, 0.0, nan]
    """
    return np.asarray(np.clip(1 - after / _known(before), 0.0, 1.0))


def retention(before: Floats, after: Floats) -> Floats:
    """The share of everything else that is still recognised; 1 for doing nothing.

        R = 1/N sum_i min(1, AF_i / BF_i)

    A gain in one place does not make up for a loss in another. Of one forget dataset, Avg. Score is
    (1 - F + N (1 - R)) / (N + 1) wherever F is not clipped.

    Args:
        before, after: (N, ...) accuracies: on the own dataset's other classes, then on each other dataset.

    Returns:
        (...) in [0, 1], higher is better; nan where an accuracy is nan, nothing was right before, or N is 0.

    Source: Kravets, Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples, eq. 10, its
    other terms.
    Departures: one minus their mean, so that higher is better.

    >>> retention(np.array([0.5, 0.5]), np.array([0.4, 0.6])).item()
    0.9
    """
    if len(before) == 0:
        return np.full(before.shape[1:], np.nan)
    return np.asarray(np.minimum(1.0, after / _known(before)).mean(axis=0))  # min hands a nan on


def harmonic_mean(forgotten: Floats, kept: Floats) -> Floats:
    """One number that is high only where both are: the harmonic mean of forgetting and retention.

        H = 2 F R / (F + R), and 0 where F = R = 0

    It is at most twice the lesser of the two, so neither doing nothing (F = 0) nor destroying the model (R = 0)
    scores anything; this is also why 0 is its limit where both are 0.

    Args:
        forgotten, kept: (...) in [0, 1].

    Returns:
        (...) in [0, 1], higher is better; nan where either is nan.

    Source: Kuwana, Goto, Shibata, Irie, 2024, Black-Box Forgetting: the harmonic mean H of the error on the
    classes to forget and the accuracy on the classes to keep.
    Departures: shares of the accuracy before forgetting take the place of error and accuracy, so that a model
    that knew the class badly gains nothing by it.

    >>> harmonic_mean(np.array([0.5, 0.0, 1.0]), np.array([1.0, 1.0, 0.0])).round(3).tolist()
    [0.667, 0.0, 0.0]
    """
    total = forgotten + kept
    return np.asarray(2 * forgotten * kept / np.where(total == 0, 1.0, total))


def irreversibility(before: Floats, after: Floats) -> float:
    """How little of the target comes back under the audit that brings back most; 0 for doing nothing.

        I = 1 - max_a r_a,    r_a = clip(AF_a / BF_a, 0, 1)  if AO_a >= BO_a / 2,  else 0

    AF_a is what audit a (a linear probe, relearning) reaches on the target with the unlearned model, and BF_a what
    it reaches with the original; AO_a and BO_a are the same on the other classes. r_a is the recovered share: none
    where more than half of the others' accuracy is gone, as a model that calls everything by the target's name has
    not brought it back. The largest share counts, since whoever wants the class back may choose the way. Of a method
    that only hides the class, F is high and I is low. Audits learn something of a class that a model has never seen,
    so of models that still work none reaches 1: the row of one that was trained without the class sets the scale.

    Args:
        before, after: (2, A) accuracies of the audits: on the target, then on the other classes.

    Returns:
        In [0, 1], higher is better; nan where an accuracy is nan, nothing was right before, or A is 0.

    Source: this project's definition.
    Departures: none.

    >>> before = np.array([[0.8, 0.8], [0.9, 0.9]])
    >>> round(irreversibility(before, np.array([[0.2, 0.6], [0.8, 0.9]])), 3)
    0.25
    >>> irreversibility(before, np.array([[0.2, 0.6], [0.8, 0.4]]))
    0.75
    """
    if before.shape[1] == 0:
        return float("nan")
    undefined = np.isnan(before[1]) | np.isnan(after[1])
    kept = np.where(undefined, np.nan, after[1] >= OTHERS * before[1] - _ROUNDING)
    shares = np.clip(after[0] / _known(before[0]), 0.0, 1.0) * kept  # (A,); both and max hand a nan on
    return float(1 - shares.max())


def front(points: Sequence[Point]) -> list[bool]:
    """Which methods are on the Pareto front of forgetting against retention.

    A method is on it if no other is at least as good in both and better in one, and doing nothing, which is the
    point (0, 1), is not either: so it must have forgotten something. Equal methods are on it together; one with an
    undefined side is not, and keeps nobody off it.

    >>> front([(0.9, 0.8), (0.5, 0.95), (0.4, 0.9), (0.0, 1.0), (None, 1.0)])
    [True, True, False, False, False]
    """
    known = [(f, r) for f, r in points if f is not None and r is not None]

    def beaten(f: float, r: float) -> bool:
        return any(other_f >= f and other_r >= r and (other_f, other_r) != (f, r) for other_f, other_r in known)

    return [f is not None and r is not None and f > 0 and not beaten(f, r) for f, r in points]


def _known(before: Floats) -> Floats:
    return np.where(before > 0, before, np.nan)
