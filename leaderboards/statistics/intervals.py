"""How sure a score is: what would have come out with other forget classes and other test images."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ClassKey = tuple[str, tuple[str, ...]]
"""A dataset and the names of the classes that one run forgets: one class in most suites."""

RESAMPLES = 1000
SEED = 240707485
"""Of every draw. It is fixed, so that the same records give the same table on every machine."""

TARGET = "target"
OTHER = "other"
_CHUNK = 4_000_000
"""Drawn indices held at once: 32 MB."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The middle 95 % of what resampling gives."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class Images:
    """What happened to each test image of one group, summed over seeds.

    Attributes:
        before, after: (n,) int64, in how many of the `seeds` runs the image was classified right.
    """

    before: Integers
    after: Integers
    seeds: int

    def __len__(self) -> int:
        return len(self.before)


Samples = Mapping[ClassKey, Mapping[str, Images]]
"""One method's images by forget class, then by role: `target`, `other`, or the name of another dataset."""

ClassDraws = Mapping[ClassKey, Mapping[str, Floats]]
"""One method's (2, resamples) accuracies before and after by forget class, then by role, the target first."""


def scores(before: Floats, after: Floats) -> Floats:
    """The Avg. Score of many sets of accuracies at once.

        score = ( AF_t / BF_t + sum_i max(0, (BF_i - AF_i) / BF_i) ) / (N + 1)

    Args:
        before, after: (N + 1, ...) accuracies, the target's first.

    Returns:
        (...) scores; nan where an accuracy is nan, or 0 before.

    Source: Kravets, Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples, eq. 10.
    Departures: those of `unlearn_bench.metrics.score.average_score`, which is the same formula for one set.

    >>> scores(np.array([0.8, 0.5, 0.6]), np.array([0.2, 0.4, 0.7])).round(3).item()
    0.15
    """
    known = np.where(before > 0, before, np.nan)
    lost = np.maximum(0.0, (known[1:] - after[1:]) / known[1:])  # (N, ...); a nan stays nan
    return np.asarray((after[0] / known[0] + lost.sum(axis=0)) / len(before))


def resampled_accuracies(
    rows: Mapping[str, Samples], *, resamples: int = RESAMPLES
) -> dict[str, dict[str, dict[str, Floats]]]:
    """The class-averaged accuracies of every method on every forget dataset, under resampling.

    Each resample draws, with replacement: forget classes within a dataset; test images of the target class
    within the class; images of the own dataset's other classes within that group; images of each other
    dataset within it. What is computed from the accuracies (`scores`) is computed from the means over the drawn
    classes: a ratio of means. The draws are the same for all methods, before and after, and a dataset's draw is
    the same whatever was forgotten; so differences between methods are paired.

    Args:
        rows: for each method, the datasets for which it is complete; all methods with a dataset have the
            same classes of it.

    Returns:
        By method, forget dataset and role (the target first), (2, resamples) accuracies before and after.

    Source: Bradley Efron, 1979, Bootstrap Methods: Another Look at the Jackknife.
    Departures: "other" groups overlap between classes (the images of one class are others of the next), and
    are drawn independently for each. Images of several classes forgotten at once are drawn as one group. As
    gains count as no loss, a resample can lose where the sample gained: intervals of scores lean upwards, those
    of retention downwards.
    """
    return {
        label: over_classes(found) for label, found in resampled_class_accuracies(rows, resamples=resamples).items()
    }


def over_classes(classes: ClassDraws) -> dict[str, dict[str, Floats]]:
    """The mean over each dataset's forget classes, which are drawn anew in every resample; by dataset and role."""
    found: dict[str, dict[str, Floats]] = {}
    for dataset in dict.fromkeys(key[0] for key in classes):
        keys = sorted(key for key in classes if key[0] == dataset)
        roles = list(classes[keys[0]])
        pairs = np.stack([[classes[key][role] for role in roles] for key in keys])  # (K, R, 2, B)
        picks = drawn_classes(dataset, len(keys), pairs.shape[-1])
        chosen = np.take_along_axis(pairs, picks[:, None, None, :], axis=0).mean(axis=0)  # (R, 2, B)
        found[dataset] = dict(zip(roles, chosen, strict=True))
    return found


def resampled_class_accuracies(
    rows: Mapping[str, Samples], *, resamples: int = RESAMPLES
) -> dict[str, dict[ClassKey, dict[str, Floats]]]:
    """The accuracies of every method on every forget class, with the test images drawn anew.

    Args:
        rows: as in `resampled_accuracies`.

    Returns:
        By method, forget class and role (the target first), (2, resamples) accuracies before and after.

    Source: Bradley Efron, 1979, Bootstrap Methods: Another Look at the Jackknife.
    Departures: those of `resampled_accuracies`; here, no classes are drawn.
    """
    means = _resampled_means(rows, resamples)
    return {
        label: {key: {role: means[label, key, role] for role in _roles(groups)} for key, groups in samples.items()}
        for label, samples in rows.items()
    }


def resampled_class_means(values: Mapping[str, Sequence[float]], *, resamples: int = RESAMPLES) -> Floats:
    """The mean over datasets of the mean over each one's forget classes, with the classes drawn anew.

    Args:
        values: for each forget dataset, one number for each forget class, in the order of their names.

    Returns:
        (resamples,) means.

    Source: Bradley Efron, 1979, Bootstrap Methods: Another Look at the Jackknife.
    Departures: none.
    """
    means = []
    for dataset, numbers in values.items():
        picks = drawn_classes(dataset, len(numbers), resamples)
        means.append(np.asarray(numbers, dtype=np.float64)[picks].mean(axis=0))
    return np.asarray(np.mean(means, axis=0), dtype=np.float64)


def interval(draws: Floats | None) -> Interval | None:
    """The 2.5th to the 97.5th percentile; None without draws, or if more than half of them are undefined."""
    if draws is None:
        return None
    known = draws[~np.isnan(draws)]
    if 2 * len(known) < len(draws) or len(known) == 0:
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(low=float(low), high=float(high))


def drawn_classes(dataset: str, count: int, resamples: int) -> Integers:
    """Places of forget classes, (count, resamples); one draw for all quantities and methods."""
    return _generator("classes", dataset).integers(count, size=(count, resamples))


def _roles(groups: Mapping[str, Images]) -> list[str]:
    return [TARGET, *(role for role in groups if role != TARGET)]


def _generator(*purpose: str) -> np.random.Generator:
    digest = hashlib.sha256("\x1f".join(purpose).encode()).digest()
    return np.random.default_rng([SEED, int.from_bytes(digest[:8], "big")])


def _resampled_means(rows: Mapping[str, Samples], resamples: int) -> dict[tuple[str, ClassKey, str], Floats]:
    """(2, resamples) accuracies for each method, class and role; each set of images is drawn once for all."""
    together: dict[tuple[str, ...], list[tuple[str, ClassKey, str]]] = {}
    for label, samples in rows.items():
        for key, groups in samples.items():
            for role, images in groups.items():
                scope = (key[0], *key[1], role) if role in {TARGET, OTHER} else ("all", role)
                together.setdefault((*scope, str(len(images))), []).append((label, key, role))
    found: dict[tuple[str, ClassKey, str], Floats] = {}
    for scope, places in together.items():
        drawn = [rows[label][key][role] for label, key, role in places]
        right = np.stack([side for item in drawn for side in (item.before, item.after)])  # (2P, n)
        counted = _drawn_sums(right, scope, resamples).reshape(len(places), 2, resamples)
        for place, item, sums in zip(places, drawn, counted, strict=True):
            found[place] = sums / (len(item) * item.seeds) if len(item) else sums * np.nan
    return found


def _drawn_sums(right: Integers, scope: Sequence[str], resamples: int) -> Floats:
    """Sums over drawn images, (rows, resamples); whole numbers, so the order of adding changes nothing."""
    n = right.shape[1]
    columns = right.T.astype(np.float64)  # (n, rows)
    generator = _generator("images", *scope)
    step = max(1, _CHUNK // max(1, n))
    parts = [np.zeros((0, right.shape[0]))]
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(n, size=(size, n)) if n else np.zeros((size, 0), dtype=np.int64)
        places = (drawn + n * np.arange(size)[:, None]).ravel()
        times = np.bincount(places, minlength=size * n).reshape(size, n)  # how often each image was drawn
        parts.append(times.astype(np.float64) @ columns)
    return np.concatenate(parts).T
