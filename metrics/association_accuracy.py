"""Whether a link was forgotten, and not the entity or the attribute with it."""

from collections.abc import Iterator

import torch
from torch import Tensor

from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, mean, predictions
from unlearn_bench.metrics.shared.kept_groups import group_accuracies, kept_groups

GROUPS = ("same-entity", "same-attribute", "unrelated")


class AssociationAccuracy(Metric):
    """Accuracy on what shares its entity, its attribute or neither with a forgotten link; in `all` where links are.

        accuracy(group) = mean over the labels in the group of the mean over their images of
                          [argmax_c cos(image, text_c) = label],   c over all links
        target/entity    = share of the target images that are taken for a link of their own entity
        target/attribute = the same, of their own attribute

    A label is a link of an entity with a value of an attribute (`star on a dark background`). With F the forget set,
    the groups of the labels that are kept are the two hold-outs and the rest:

    - `same-entity`: the entity is in F with another value. What is lost here was forgotten about the entity.
    - `same-attribute`: another entity with a value in F. What is lost here was forgotten about the attribute.
    - `unrelated`: another entity with another value.

    A method that forgets the link alone loses nothing in any of the three, and a target image still shows its entity
    and its attribute, in a link that is not its own. A group that has no label for this forget set is absent. A
    dataset whose classes are no links has no measurement. `n` counts images.

    Unit: fraction, in [0, 1]. Direction: higher is better. Undefined (None) where a label of the group has no test
    image.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: hold-outs by identity and by association: Cai Selvas-Sala, Lei Kang, Lluis Gomez, 2026, SALMUBench: A
    Benchmark for Sensitive Association-Level Multimodal Unlearning, https://arxiv.org/abs/2603.26316.
    Departures: classification among all links in place of similarities of pairs; attributes that the picture shows,
    in place of facts about a person that only captions tell.
    """

    name = "association-accuracy"
    version = 1
    unit = "fraction"
    direction = "higher"
    bounds = (0.0, 1.0)
    default = "associations"

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """What the target images still show, then the groups that the forget set leaves, under the own dataset."""
        if not evidence.own.associations:
            return ()
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        own, target = evidence.own, belongs(evidence.own.labels, evidence.forget)
        entity_of, attribute_of = (numbered([pair[place] for pair in own.associations]) for place in (0, 1))  # (C,)
        taken = [predictions(side) for side in (own.before, own.after)]  # (N,) int64 each
        for name, of in (("entity", entity_of), ("attribute", attribute_of)):
            before, after = (mean((of[side] == of[own.labels])[target]) for side in taken)
            n = int(target.sum())
            yield self.say(before=before, after=after, n=n, dataset=evidence.dataset, group=f"target/{name}")
        groups = kept_groups(entity_of, attribute_of, evidence.forget, GROUPS)
        yield from group_accuracies(self, evidence, groups)


def numbered(names: list[str]) -> Tensor:
    """A number for each name, equal for equal ones, (C,) int64.

    >>> numbered(["star", "ring", "star"])
    tensor([0, 1, 0])
    """
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([places[name] for name in names], dtype=torch.int64)
