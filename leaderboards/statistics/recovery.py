"""How much of what was forgotten the standard attack gets back, on a scale from never known to not forgotten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from unlearn_bench.leaderboards.records.record import Run
from unlearn_bench.leaderboards.statistics.intervals import (
    OTHER,
    TARGET,
    ClassKey,
    Floats,
    Images,
    Samples,
    interval,
    resampled_accuracies,
)
from unlearn_bench.leaderboards.statistics.rows import Attempt, Pair, Recovery, Row, images_of
from unlearn_bench.leaderboards.statistics.tradeoff import OTHERS
from unlearn_bench.metrics.shared.attacks import ATTACKS, Attack, standard_metrics

RETRAINED = "retrain"
"""The reference that never saw the forget class: the zero of the scale."""

TAUGHT = 0.5
"""Share of the original's accuracy that an attack may reach with the retrained model. With more, most of what it
finds it has brought along: its own images, or the names, teach the class."""

_ROUNDING = 1e-6
"""A share that is equal shall not miss by this: numbers in a CSV have 6 digits."""


def is_attacked(run: Run) -> bool:
    """Whether runs like this one were put through all of the standard attack."""
    return set(standard_metrics()) <= set(run.metrics)


def recovered(after: Floats, original: Floats, retrained: Floats | None = None) -> Floats:
    """What an attack gets back of the target: 0 where the retrained model stands, 1 where the original does.

        r = clip((A - A_r) / (A_o - A_r), 0, 1)

    A is what the attack reaches on the target with the unlearned model, A_o with the original (the row `identity`,
    and what every record has as "before"), A_r with the model retrained without the class. Without a retrained model
    the bare share clip(A / A_o, 0, 1) stands for it: larger, since attacks learn something of any class.

    Args:
        after, original, retrained: (...) accuracies, each averaged over the same forget sets.

    Returns:
        (...) in [0, 1], lower is better; nan where an accuracy is nan, or the original is not above the zero.

    Source: this project's definition; the retrained model as reference: Aditya Golatkar, Alessandro Achille, Stefano
    Soatto, 2020, Eternal Sunshine of the Spotless Net.
    Departures: none.

    >>> recovered(np.array([0.5, 0.9, 0.1]), np.array(0.8), np.array(0.2)).round(3).tolist()
    [0.5, 1.0, 0.0]
    >>> recovered(np.array([0.2, 0.4]), np.array([0.8, 0.0])).tolist()
    [0.25, nan]
    """
    zero = np.zeros_like(original) if retrained is None else retrained
    span = original - zero
    return np.asarray(np.clip((after - zero) / np.where(span > 0, span, np.nan), 0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How far one attack came with one row, averaged as all numbers of a row are.

    Attributes:
        before, after: on the target, less the false finds where the attack counts some. other_before, other_after: on
            the kept classes; 1 where the attack does not ask them. None where undefined.
    """

    before: float | None
    after: float | None
    other_before: float | None
    other_after: float | None

    @classmethod
    def of(cls, row: Row, attack: Attack) -> "Reached":
        """What the row's records say."""
        target = row.mean(attack.metric, attack.target)
        other = Pair(before=1.0, after=1.0) if attack.other is None else row.mean(attack.metric, attack.other)
        before, after = target.before, target.after
        if attack.false is not None:
            false = row.mean(attack.metric, attack.false)
            before, after = _less(before, false.before), _less(after, false.after)
        return cls(before=before, after=after, other_before=other.before, other_after=other.after)


def attempt(attack: Attack, reached: Reached, retrained: Reached | None) -> Attempt:
    """The recovered share, and whether it can be trusted.

    Unreliable, in this order:

    - the original is not above the retrained model under the attack: there is no scale;
    - with the retrained model it reaches over half of the original's accuracy: the attack itself teaches the class
      (`TAUGHT`);
    - with the unlearned model it leaves less than half of the accuracy on kept classes that it leaves with the
      original: a model that calls everything by the target's name has not brought it back.

    Args:
        retrained: of the row of the retrained model; None where there is none.
    """
    known = (reached.before, reached.after, reached.other_before, reached.other_after)
    zero = None if retrained is None else retrained.after
    if None in known or (retrained is not None and zero is None):
        return Attempt(name=attack.name, share=None)
    before, after, kept_before, kept_after = (float(value or 0.0) for value in known)
    share = float(recovered(np.array(after), np.array(before), None if zero is None else np.array(zero)))
    why = ""
    if np.isnan(share):
        why = "the original is not above the retrained model" if zero is not None else "the original knows nothing"
    elif zero is not None and zero > TAUGHT * before + _ROUNDING:
        why = "it makes the retrained model name the class"
    elif kept_after < OTHERS * kept_before - _ROUNDING:
        why = "kept classes collapse"
    return Attempt(name=attack.name, share=None if np.isnan(share) else share, unreliable=why)


def with_recovery(rows: Sequence[Row]) -> list[Row]:
    """The rows of one board with what the standard attack found of each; as they are where it did not run.

    The worst known recovery is the largest share over the reliable attacks, the first of equal ones. Its interval is
    of that largest share recomputed in every resample of forget classes and test images, the same resamples as of all
    other numbers (`resampled_accuracies`), retrained model included; which attacks are reliable is judged once, of
    all images. There is none where the records do not say what each image came to.
    """
    if not rows or not is_attacked(rows[0].run):
        return list(rows)
    reference = next((row for row in rows if row.standing == "reference" and row.run.label == RETRAINED), None)
    if reference is not None and reference.overall.done < reference.overall.planned:
        reference = None
    zeros = {attack: None if reference is None else Reached.of(reference, attack) for attack in ATTACKS}
    attempts = {
        row: tuple(attempt(attack, Reached.of(row, attack), zeros[attack]) for attack in ATTACKS) for row in rows
    }
    drawn = _drawn(rows)
    return [replace(row, recovery=_worst(row, attempts[row], drawn, reference)) for row in rows]


def _worst(row: Row, attempts: Sequence[Attempt], drawn: "Draws", reference: Row | None) -> Recovery:
    reliable = [item for item in attempts if item.share is not None and not item.unreliable]
    best = max(reliable, key=lambda item: item.share or 0.0, default=None)
    shares = []
    for item in reliable:
        mine = drawn.get((id(row), item.name))
        zero = drawn.get((id(reference), item.name)) if reference is not None else None
        if mine is not None and (reference is None or zero is not None):
            shares.append(recovered(mine[1], mine[0], None if zero is None else zero[1]))
    complete = bool(shares) and len(shares) == len(reliable)
    draws = np.asarray(np.fmax.reduce(shares)) if complete else None
    return Recovery(
        share=None if best is None else best.share,
        attack="" if best is None else best.name,
        interval=interval(draws),
        is_bare=reference is None,
        attempts=tuple(attempts),
        draws=draws,
    )


Draws = Mapping[tuple[int, str], Floats]
"""By row and attack, (2, resamples) accuracies before and after, averaged over the forget datasets."""


def _drawn(rows: Sequence[Row]) -> Draws:
    """Of each row and attack with outcomes of all its images.

    Each attack goes in under the roles of the zero-shot accuracies, so that all of them see the same drawn images.
    """
    samples: dict[str, Samples] = {}
    for at, row in enumerate(rows):
        if row.overall.done == row.overall.planned:
            found = ((attack, _samples(row, attack)) for attack in ATTACKS)
            samples.update({f"{at}/{attack.name}": item for attack, item in found if item is not None})
    drawn = resampled_accuracies(samples)
    means: dict[tuple[int, str], Floats] = {}
    for label, datasets in drawn.items():
        place, _, name = label.partition("/")
        sides = [roles[TARGET] - roles[OTHER] if OTHER in roles else roles[TARGET] for roles in datasets.values()]
        means[id(rows[int(place)]), name] = np.asarray(np.mean(sides, axis=0))
    return means


def _samples(row: Row, attack: Attack) -> Samples | None:
    found: dict[ClassKey, dict[str, Images]] = {}
    for key, records in row.by_class.items():
        groups = {TARGET: attack.target} | ({} if attack.false is None else {OTHER: attack.false})
        images = {role: images_of(records, attack.metric, key[0], group) for role, group in groups.items()}
        if not all(images.values()):
            return None
        found[key] = {role: item for role, item in images.items() if item is not None}
    return found or None


def _less(value: float | None, false: float | None) -> float | None:
    return None if value is None or false is None else value - false
