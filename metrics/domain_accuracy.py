"""Zero-shot accuracy on what is kept, by what it shares with the forget set: the class, the domain, or neither."""

from collections.abc import Iterator

from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.kept_groups import group_accuracies, kept_groups

GROUPS = ("same-class", "same-domain", "unrelated")


class DomainAccuracy(Metric):
    """Accuracy on the kept test images of a dataset whose classes are parted by domain; named, not in `all`.

        accuracy(group) = mean over the labels in the group of the mean over their images of
                          [argmax_c cos(image, text_c) = label],   c over the labels of the image's domain

    A label is one class in one domain. With F the forget set, the groups of the labels that are kept are

    - `same-class`: the class is in F in another domain (keep the photographs when the sketches go).
    - `same-domain`: another class, in a domain that F touches.
    - `unrelated`: another class in another domain.

    A group that has no label for this forget set is absent: a class forgotten in all domains leaves neither
    `same-class` nor `unrelated`, a whole domain leaves no `same-domain`. The accuracy on F itself is the `target` of
    `Accuracy`.
    A dataset without domains has no measurement. `n` counts images.

    Unit: fraction, in [0, 1]. Direction: higher is better. Undefined (None) where a label of the group has no test
    image.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: the tasks of multimodal null-space unlearning in CLIP (2025), https://arxiv.org/abs/2512.14113: a class in
    all domains, a class in some of them, whole domains.
    Departures: the bounds of the groups and the mean over labels, by which no domain with many images outweighs
    another, are this project's.
    """

    name = "domain-accuracy"
    version = 1
    unit = "fraction"
    direction = "higher"
    bounds = (0.0, 1.0)
    default = "domains"

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """The groups that the forget set leaves, under the own dataset's name."""
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        own = evidence.own
        domain_of = own.before.text_domains
        if own.class_of is None or domain_of is None:
            return
        groups = kept_groups(own.class_of, domain_of, evidence.forget, GROUPS)
        yield from group_accuracies(self, evidence, groups)
