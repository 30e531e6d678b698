"""What the original model knows before anything is forgotten: said first, since all else is compared with it."""

from dataclasses import dataclass

from unlearn_bench.benchmarks.referee.workbench import Evaluated
from unlearn_bench.metrics.shared.classification import predictions

_LITTLE = 0.3
_TIMES_CHANCE = 3
_AT_MOST = 0.75


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """Zero-shot accuracy of the original model on a dataset's test images.

    Attributes:
        model, dataset: as shown. template: with which it was asked.
        accuracy: share of the images. chance: what guessing among an image's candidate classes would give.
        images: how many.
    """

    model: str
    dataset: str
    template: str
    accuracy: float
    chance: float
    images: int

    @property
    def is_low(self) -> bool:
        """Below .3 or three times chance (at most .75): a sign of a template or a preparation that does not fit."""
        return self.accuracy < min(_AT_MOST, max(_LITTLE, _TIMES_CHANCE * self.chance))

    def __str__(self) -> str:
        return (
            f"before forgetting: {self.model} on {self.dataset}: zero-shot accuracy {self.accuracy:.3f} "
            f"(chance {self.chance:.3f}, {self.images} images, {self.template!r})"
        )

    def advice(self) -> str:
        """What to do where it is low."""
        return (
            f"{self.accuracy:.3f} on {self.dataset} is little, and what a model does not know it can't forget: try "
            f"the template that it was trained with (--template '.. {{}} ..', now {self.template!r}), and see "
            "`unlearn-bench check-model`"
        )


def zero_shot(item: Evaluated, model: str) -> ZeroShot | None:
    """Of a dataset on a workbench; None where its class texts do not part the pictures, or it has none."""
    labels = item.images.labels
    if not item.dataset.classified or not len(labels):
        return None
    right = predictions(item.before_in(item.dataset.template)) == labels
    domains = item.dataset.label_domains
    rivals = [domains.count(domain) for domain in domains] if domains else [len(item.dataset.class_names)]
    counts = [rivals[label] for label in labels.tolist()] if domains else rivals
    return ZeroShot(
        model=model,
        dataset=item.dataset.name,
        template=item.dataset.template,
        accuracy=float(right.double().mean()),
        chance=sum(1 / count for count in counts) / len(counts),
        images=len(labels),
    )
