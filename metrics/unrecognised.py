"""Retrieval of classes that the original model never names, though it may still know them when it sees them."""

from collections.abc import Iterator

import torch
from torch import Tensor

from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.retrieval import CUTOFFS, Search, pool_of, search_by_image
from unlearn_bench.metrics.shared.classification import belongs, mean, predictions


class UnrecognisedRetrieval(Metric):
    """Image-from-image precision@k for the classes whose zero-shot accuracy is 0 before forgetting.

    For each dataset, the classes c with test images none of which the original model calls c; every image of theirs
    is a query in the pool of all test images (see `Retrieval`). Groups are `ifi@1`, `ifi@5`, `ifi@10` (`n`: queries),
    and `classes`: the share of such classes among those with test images (`n`: the latter), before and after, where
    "after" counts the classes that are never named after forgetting.

    A class of accuracy 0 whose images still find each other was not forgotten: only its name leads nowhere. That is
    the scale on which retrieval after forgetting is read.

    Unit: fraction, in [0, 1]. Direction: neither. Undefined (None, n = 0) where there is no such class, and (None)
    where the gallery holds fewer than k images.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples,
    section 5.8.
    Departures: the paper gives numbers of the original model only; ties count as in `Retrieval`.
    """

    name = "unrecognised-retrieval"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = False

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Every dataset of the pool, every cutoff."""
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        pool = pool_of(evidence)
        search = search_by_image(pool, evidence.once)
        for name, offset in pool.offsets.items():
            dataset = evidence.datasets[name]
            sides = [never_named(predictions(side), dataset.labels) for side in (dataset.before, dataset.after)]
            known = len(set(dataset.labels.tolist()))
            before, after = (len(side) / known if known else None for side in sides)
            yield self.say(before=before, after=after, n=known, dataset=name, group="classes")
            rows = belongs(pool.labels, (sides[0] + offset).tolist()) & (search.relevant > 0)
            yield from self._precisions(search, rows.nonzero().squeeze(1), name)

    def _precisions(self, search: Search, rows: Tensor, name: str) -> Iterator[Measurement]:
        for column, k in enumerate(CUTOFFS):
            served = k <= search.gallery
            before, after = (mean(side[rows, column]) if served else None for side in (search.before, search.after))
            yield self.say(before=before, after=after, n=len(rows), dataset=name, group=f"ifi@{k}")


def never_named(predicted: Tensor, labels: Tensor) -> Tensor:
    """The classes with images none of which is predicted as its own; sorted, int64.

    >>> never_named(torch.tensor([1, 1, 2, 0]), torch.tensor([0, 1, 2, 2])).tolist()
    [0]
    """
    right = set(labels[predicted == labels].tolist())
    return torch.tensor(sorted(set(labels.tolist()) - right), dtype=torch.int64)
