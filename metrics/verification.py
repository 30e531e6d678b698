"""Whether synthetic images tell the truth about forgetting."""

from collections.abc import Iterator

from torch import Tensor

from unlearn_bench.metrics.base import Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, class_mean, predictions, probabilities

_Side = tuple[float | None, float | None]


class VerificationGap(Metric):
    """How far what synthetic images of the forget set say of the model stands from what real ones say.

        accuracy    = mean over forget classes of the recall on their images
        probability = mean over forget classes of the mean of softmax_c(logit_scale * cos)[label]
        gap         = synthetic - real

    Real images are the own dataset's test images of the forget set; candidates are all its classes. Groups:
    `accuracy/synthetic`, `accuracy/real`, `accuracy/gap`, and the same three of `probability`. `n` counts
    images (for a gap: synthetic and real ones together). A run without synthetic images has no measurements.

    Unit: fraction. Direction: neither (a gap near 0 is better, of either sign). Bounds: [-1, 1], reached by
    gaps only. Undefined (None) where a forget class has no image of the kind, and then the gap too.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic
    Samples, section 5.6.
    Departures: the section speaks of the probability of the predicted class; here it is that of the target
    class, which falls as the class is forgotten.
    """

    name = "verification-gap"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (-1.0, 1.0)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Three groups of accuracy, then three of probability; nothing without synthetic images."""
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        made, own = evidence.synthetic, evidence.own
        if made is None:
            return
        quantities = ("accuracy", "probability")
        synthetic = [
            [_watch(side, made.labels, evidence, name) for side in (made.before, made.after)] for name in quantities
        ]
        real = [[_watch(side, own.labels, evidence, name) for side in (own.before, own.after)] for name in quantities]
        counts = [int(belongs(labels, evidence.forget).sum()) for labels in (made.labels, own.labels)]
        for name, (fake_before, fake_after), (real_before, real_after) in zip(
            quantities, synthetic, real, strict=True
        ):
            gap = _difference(fake_before, real_before), _difference(fake_after, real_after)
            yield self._say(evidence, f"{name}/synthetic", (fake_before, fake_after), counts[0])
            yield self._say(evidence, f"{name}/real", (real_before, real_after), counts[1])
            yield self._say(evidence, f"{name}/gap", gap, sum(counts))

    def _say(self, evidence: Evidence, group: str, sides: _Side, n: int) -> Measurement:
        return self.say(before=sides[0], after=sides[1], n=n, dataset=evidence.dataset, group=group)


def _watch(embedded: Embedded, labels: Tensor, evidence: Evidence, quantity: str) -> float | None:
    if quantity == "accuracy":
        values = predictions(embedded) == labels
    else:
        values = probabilities(embedded, labels, logit_scale=evidence.logit_scale)
    return class_mean(values, labels, evidence.forget)


def _difference(synthetic: float | None, real: float | None) -> float | None:
    return None if synthetic is None or real is None else synthetic - real
