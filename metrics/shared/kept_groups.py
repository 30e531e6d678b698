"""Accuracy on kept labels by the part that they share with what is forgotten, where labels have two parts."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, class_mean, predictions
from unlearn_bench.metrics.shared.rates import told


def kept_groups(
    first_of: Tensor, second_of: Tensor, forget: tuple[int, ...], names: tuple[str, str, str]
) -> dict[str, tuple[int, ...]]:
    """Kept labels that share the first part with the forget set, else the second, else neither; no empty group.

    Args:
        first_of, second_of: (C,) int64, the parts of each label. forget: labels. names: of the groups.

    >>> kept_groups(Tensor([0, 1, 0, 1]), Tensor([0, 0, 1, 1]), (0,), ("first", "second", "neither"))
    {'first': (2,), 'second': (1,), 'neither': (3,)}
    """
    chosen = list(forget)
    kept = ~belongs(torch.arange(len(first_of)), chosen)
    first, second = (belongs(of, of[chosen].tolist()) for of in (first_of, second_of))
    masks = (kept & first, kept & ~first & second, kept & ~first & ~second)
    found = {name: tuple(mask.nonzero().flatten().tolist()) for name, mask in zip(names, masks, strict=True)}
    return {name: labels for name, labels in found.items() if labels}


def group_accuracies(
    metric: Metric, evidence: Evidence, groups: Mapping[str, tuple[int, ...]]
) -> Iterator[Measurement]:
    """For each group of the own dataset's labels the mean over labels of the accuracy on their images."""
    own = evidence.own
    right = [predictions(side) == own.labels for side in (own.before, own.after)]  # (N,) bool each
    for group, labels in groups.items():
        rows = belongs(own.labels, labels)
        before, after = (class_mean(side, own.labels, labels) for side in right)
        yield metric.say(
            before=before,
            after=after,
            n=int(rows.sum()),
            dataset=evidence.dataset,
            group=group,
            outcomes="" if None in (before, after) else told(right, rows),
        )
