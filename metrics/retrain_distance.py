"""How far a model's predictions are from those of a model that never saw the forget set."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, mean, predictions


class RetrainDistance(Metric):
    """Share of test images that are taken for another class than by the model retrained without the forget set.

        distance = mean over images of [argmax_c cos(image, text_c) != the retrained model's argmax]

    Groups, as in `accuracy`: `target`, the images of the forget set, and `other`, those of the kept classes, of the
    own dataset; `all` of each other dataset, `control` of each control dataset. Images count once each. Before: the
    original model's distance. Two models that were trained from other random weights differ on some images too, so
    not 0 but the distance on `other` before forgetting is what nothing done to a class looks like.

    Unit: fraction, in [0, 1]. Direction: lower is better. Undefined (None, n = 0) where no retrained model of this
    fingerprint and forget set is published, or it saw other images or texts; and (None) where a group has no image.

    Raises:
        CellFailure: embeddings that are not finite. InputError: nobody looked for a retrained model.

    Source: the disagreement with the retrained model of Aditya Golatkar, Alessandro Achille, Stefano Soatto, 2020,
    Eternal Sunshine of the Spotless Net, https://arxiv.org/abs/1911.04933, as share of predictions.
    Departures: predictions are compared, not weights or output distributions.
    """

    name = "retrain-distance"
    version = 1
    unit = "fraction"
    direction = "lower"
    bounds = (0.0, 1.0)
    default = False
    needs = ("reference",)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Each dataset's groups, in the order of the evidence."""
        return tuple(self._measure(evidence, self.given(evidence.reference, "reference")))

    def _measure(self, evidence: Evidence, reference: Mapping[str, Tensor]) -> Iterator[Measurement]:
        for name, dataset in evidence.datasets.items():
            target = belongs(dataset.labels, evidence.forget if name == evidence.dataset else ())
            group = "other" if name == evidence.dataset else "control" if dataset.control else "all"
            parts = {"target": target} if name == evidence.dataset else {}
            known = reference.get(name)
            for part, rows in {**parts, group: ~target}.items():
                before = after = None
                if known is not None:
                    before, after = (
                        mean((predictions(side) != known)[rows]) for side in (dataset.before, dataset.after)
                    )
                n = int(rows.sum()) if known is not None else 0
                yield self.say(before=before, after=after, n=n, dataset=name, group=part)
