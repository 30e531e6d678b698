"""Whether the forgotten class comes back when the smallest weights are set to zero."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from unlearn_bench.clip import Clip, State
from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.shared.changed_weights import recognised, with_matrices
from unlearn_bench.metrics.shared.rates import rates

SHARE = 0.2
"""The largest of .05, .1, .2, .3 and .5 with which both untouched embedded models keep at least four fifths of their
accuracy on validation images of every dataset (92 and 100 %); `benchmarks.tuning.attack_strengths` shows it."""


class Pruning(Metric):
    """Zero-shot accuracy with the smallest fifth of every matrix set to zero, of both models.

        W_j <- 0  for the floor(.2 n) entries j of least |W_j|         in each trained matrix or kernel W of n entries

    The adversary has the weights and no data; it may set them to zero (one pass, no updates, no images). Vectors,
    statistics and the logit scale stay, as in `quantisation`, of which this is a relative: a method that hides a
    class behind small weights loses what hides it, and the class shows again. Of equal entries the first ones go.
    Groups, of the own dataset: `target` (the mean over forget classes of their recalls) and `other` (8 test images of
    each kept class). Before: the pruned original. Where classes are parted by domain, an image's candidates are the
    labels of its own domain.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a whole.
    Undefined (None) where a group (for `target`: one of its classes) has no image.

    Raises:
        CellFailure: embeddings that are not finite. InputError: the models were not given.

    Source: pruning by magnitude: Song Han, Jeff Pool, John Tran, William J. Dally, 2015, Learning both Weights and
    Connections for Efficient Neural Networks, https://arxiv.org/abs/1506.02626; pruning as a probe of how deep safety
    training goes: Boyi Wei et al., 2024, Assessing the Brittleness of Safety Alignment via Pruning and Low-Rank
    Modifications, https://arxiv.org/abs/2402.05162.
    Departures: nothing is trained afterwards; one share for every matrix; entries are chosen by size alone.
    """

    name = "pruning"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = False
    needs = ("models",)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`target` and `other`, under the own dataset's name."""
        return tuple(self._measure(evidence, self.given(evidence.models, "models")))

    def _measure(self, evidence: Evidence, models: Models) -> Iterator[Measurement]:
        purpose = f"{self.name} {self.version} {list(evidence.forget)}"
        labels, right = recognised(evidence, models, pruned, purpose)
        yield from rates(self, evidence, labels, right)


def pruned(clip: Clip, share: float = SHARE) -> State:
    """The state with its matrices and kernels pruned; the rest as it is, not copied."""
    return with_matrices(clip, lambda _, value: without_smallest(value, share))


def without_smallest(weight: Tensor, share: float = SHARE) -> Tensor:
    """A copy of `weight` (any shape) with its smallest `share`, rounded down, set to zero.

    >>> without_smallest(Tensor([[9.0, -1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, -8.0, 1.0]]))
    tensor([[ 9.,  0.,  2.,  3.,  4.],
            [ 5.,  6.,  7., -8.,  0.]])
    """
    found = weight.clone()
    count = int(share * found.numel())
    if count:
        size = found.abs().flatten()
        limit = float(np.partition(size.cpu().numpy(), count - 1)[count - 1])  # kthvalue takes six times as long
        tied = (size == limit).nonzero().flatten()[: count - int((size < limit).sum())]
        found.view(-1)[size < limit] = 0.0
        found.view(-1)[tied] = 0.0
    return found
