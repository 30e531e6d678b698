"""What forgetting costs the classes that are closest to the target."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from unlearn_bench.metrics.base import Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import class_mean, predictions, similarities

NEIGHBOURS = 3
"""So many classes count as near."""


class Neighbours(Metric):
    """Zero-shot accuracy on the kept classes whose names lie closest to the target's, and on the rest.

        closeness(c) = max over forget classes t of cos(text_c, text_t),   texts of the original model, c kept
        near = mean over the 3 closest classes of their recall
        rest = mean over all other kept classes of their recall

    Where classes are parted by domain, a class is a label, c and t share their domain, and near are at most 3 labels
    of the domains that the forget set touches: other classes' texts there, not the target's in other domains, of
    which `domain-accuracy` speaks. All labels of other domains are in `rest`. A whole domain leaves no near label.

    Where classes are equally close, the one that comes first in the dataset is taken. Groups, under the own dataset's
    name: `near`, `rest`, and `near/<class>` for each near class; `n` counts test images. All classes of the dataset
    are candidates. Each class counts once, however many test images it has, so `near` and `rest` together are not
    `accuracy`'s `other`.

    Unit: fraction, in [0, 1]. Direction: higher is better. Undefined (None) without such classes, or if one of them
    has no test image.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: none that fixes a number of neighbours or a distance; damage to semantic neighbours is asked for all
    over the field.
    Departures: none.
    """

    name = "neighbours"
    version = 1
    unit = "fraction"
    direction = "higher"
    bounds = (0.0, 1.0)
    default = False

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`near`, `rest`, then each near class, closest first."""
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        near, rest = nearest(evidence)
        yield self._recall(evidence, "near", near)
        yield self._recall(evidence, "rest", rest)
        for label in near:
            yield self._recall(evidence, f"near/{evidence.own.class_names[label]}", [label])

    def _recall(self, evidence: Evidence, group: str, classes: list[int]) -> Measurement:
        own = evidence.own
        recalls = [
            class_mean(predictions(side) == own.labels, own.labels, classes) for side in (own.before, own.after)
        ]
        shown = int(torch.isin(own.labels, torch.tensor(classes, dtype=own.labels.dtype)).sum())
        return self.say(before=recalls[0], after=recalls[1], n=shown, dataset=evidence.dataset, group=group)


def nearest(evidence: Evidence) -> tuple[list[int], list[int]]:
    """Labels of the near classes, closest first, and of the other kept classes."""
    texts, forget = evidence.own.before.texts, list(evidence.forget)
    names = Embedded(images=texts, texts=texts[forget])
    domains = evidence.own.before.text_domains
    if domains is not None:
        names = replace(names, image_domains=domains, text_domains=domains[forget])
    closeness = similarities(names).amax(dim=1)  # (C,), -inf in a domain without a target
    kept = [label for label in range(len(texts)) if label not in forget]
    order = torch.argsort(closeness[kept], descending=True, stable=True).tolist()
    near = [kept[place] for place in order if closeness[kept[place]] > -torch.inf][:NEIGHBOURS]
    return near, [label for label in kept if label not in near]
