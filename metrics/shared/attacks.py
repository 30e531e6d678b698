"""The standard attack: one set of attacks with a fixed budget each, the same for every method.

It has a name of its own among the names of metrics; what it stands for is said here and nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass

STANDARD = "standard-attack"
"""The set's name, beside those of metrics."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One way to get back what was forgotten, and where its measurements say how far it came.

    Attributes:
        name: as tables say it. metric: whose measurements.
        target: the group of the accuracy on the target under the attack.
        other: the group of the accuracy on the kept classes, by which a model is recognised that names everything
            alike; of the same metric. None where `false` does that.
        false: the group of the rate at which the attack finds the target where it is not; it is taken off the
            target's accuracy. None: there is no such rate.
    """

    name: str
    metric: str
    target: str = "target"
    other: str | None = "other"
    false: str | None = None


def _shots(metric: str, name: str) -> tuple[Attack, ...]:
    counted = ((1, "1 image"), (4, "4 images"), (16, "16 images"))
    return tuple(
        Attack(name=f"{name}, {said}", metric=metric, target=f"shots@{k}/target", other=f"shots@{k}/other")
        for k, said in counted
    )


ATTACKS: tuple[Attack, ...] = (
    Attack(name="zero-shot", metric="accuracy"),
    Attack(name="worst paraphrase", metric="paraphrases", target="worst", other="other-mean"),
    *_shots("prototype", "prototype"),
    Attack(name="linear probe", metric="linear-probe"),
    *_shots("class-embedding", "class embedding"),
    *_shots("prompt-learning", "prompt"),
    *_shots("relearning", "relearning"),
    Attack(name="int8", metric="quantisation"),
    Attack(name="pruning", metric="pruning"),
    Attack(name="weight noise", metric="weight-noise"),
    Attack(name="adversarial images", metric="adversarial-image", other=None, false="false"),
)
"""In the order of tables. The first one only asks: what was not forgotten needs no attack."""


def standard_metrics() -> tuple[str, ...]:
    """The metrics that the set's name stands for.

    >>> standard_metrics()[:3]
    ('accuracy', 'paraphrases', 'prototype')
    """
    return tuple(dict.fromkeys(attack.metric for attack in ATTACKS))


def spelled_out(names: Iterable[str]) -> list[str]:
    """Names of metrics with those of the set in the place of its name.

    >>> spelled_out(["all", "standard-attack"])[:3]
    ['all', 'accuracy', 'paraphrases']
    """
    return [item for name in names for item in (standard_metrics() if name == STANDARD else (name,))]
