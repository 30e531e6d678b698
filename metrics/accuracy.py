"""Zero-shot accuracy: on what is to be forgotten, and on everything else."""

from collections.abc import Iterator

from torch import Tensor

from unlearn_bench.metrics.base import DatasetEvidence, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, class_mean, mean, predictions
from unlearn_bench.metrics.shared.outcomes import pack


class Accuracy(Metric):
    """Share of test images whose nearest class text is that of their own class.

        accuracy = mean over images of [argmax_c cos(image, text_c) = label]

    All classes of the image's dataset (and domain, where classes are parted by domain) are candidates, the forgotten
    ones too. Groups:

    - `target`, of the own dataset: recall on the images of the forget set. For several classes the mean of
      their recalls; the outcomes run over all their images in the dataset's order.
    - `other`, of the own dataset: its images of all classes that are kept.
    - `all`: each other dataset, whole. `control`: each control dataset, whole.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for the rest, so `neither` as a
    whole. Undefined where a group (for `target`: one of its classes) has no image: both sides are None.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic
    Samples, https://arxiv.org/abs/2407.07485.
    Departures: none for one class; the paper names no average over several classes.
    """

    name = "accuracy"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Each dataset's groups, in the order of the evidence."""
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        for name, dataset in evidence.datasets.items():
            before, after = _right(dataset)  # (N,) bool each
            if name != evidence.dataset:
                group = "control" if dataset.control else "all"
                yield self._rate(name, group, before, after, mean(before), mean(after))
                continue
            target, labels = belongs(dataset.labels, evidence.forget), dataset.labels
            recalls = [class_mean(side, labels, evidence.forget) for side in (before, after)]
            yield self._rate(name, "target", before[target], after[target], *recalls)
            kept = before[~target], after[~target]
            yield self._rate(name, "other", *kept, *map(mean, kept))

    def _rate(
        self, dataset: str, group: str, right_before: Tensor, right_after: Tensor, *means: float | None
    ) -> Measurement:
        before, after = means
        known = before is not None and after is not None
        return self.say(
            before=before,
            after=after,
            n=len(right_before),
            dataset=dataset,
            group=group,
            outcomes=pack(right_before.numpy(), right_after.numpy()) if known else "",
        )


def _right(dataset: DatasetEvidence) -> tuple[Tensor, Tensor]:
    return predictions(dataset.before) == dataset.labels, predictions(dataset.after) == dataset.labels
