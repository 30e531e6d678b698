"""Records of methods that the standard attack was tried on."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tests.leaderboards.examples import TARGET_N, plain, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.metrics.base import Measurement
from unlearn_bench.metrics.shared.attacks import ATTACKS, Attack, standard_metrics
from unlearn_bench.metrics.shared.outcomes import pack

METRICS = dict.fromkeys(standard_metrics(), 1)
KNOWN = 16
"""Target images, of 20, that every attack finds with the original model."""

Reaching = Mapping[str, int]
"""By attack, the target images that it finds with a model; of an attack that is not named, two."""


def outcome(attack: Attack, group: str, before: int, after: int, dataset: str, *, told: bool = True) -> Measurement:
    order = np.arange(TARGET_N)
    found = plain(attack.metric, group, after / TARGET_N, before=before / TARGET_N, dataset=dataset, n=TARGET_N)
    return replace(found, outcomes=pack(order < before, order < after) if told else "")


def attacked(
    record: Record,
    reaching: Reaching,
    *,
    kept: Mapping[str, float] | None = None,
    told: bool = True,
    false: int = 0,
) -> Record:
    """The record with all attacks but the zero-shot one, which its accuracies are; `kept` is their accuracy on kept
    classes, .8 before and where nothing else is said."""
    own, new = record.run.dataset, []
    for attack in ATTACKS[1:]:
        new.append(outcome(attack, attack.target, KNOWN, reaching.get(attack.name, 2), own, told=told))
        if attack.other is not None:
            after = (kept or {}).get(attack.name, 0.8)
            new.append(plain(attack.metric, attack.other, after, before=0.8, dataset=own))
        if attack.false is not None:
            new.append(outcome(attack, attack.false, 0, false, own, told=told))
    return replace(record, measurements=(*record.measurements, *new))


def swept(method: str, reaching: Reaching, **changes: object) -> list[Record]:
    """One method on the three forget sets; `zero-shot` in `reaching` are its target images without attack."""
    kept, told, false = changes.pop("kept", None), changes.pop("told", True), changes.pop("false", 0)
    if method in {"identity", "retrain", "random-weights"}:
        changes = {"kind": "reference", **changes}
    records = sweep(method, targets=(reaching.get("zero-shot", 2),), metrics=METRICS, **changes)  # type: ignore[arg-type]
    return [attacked(item, reaching, kept=kept, told=bool(told), false=false) for item in records]  # type: ignore[arg-type]


EVERY = {attack.name: KNOWN for attack in ATTACKS}
