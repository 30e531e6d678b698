"""Whether the forgotten class comes back when the weights are shaken a little."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from unlearn_bench.clip import Clip, State
from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.shared.changed_weights import recognised, with_matrices
from unlearn_bench.metrics.shared.rates import rates
from unlearn_bench.seeding import generator

SIZE = 0.1  # of a tensor's own root mean square; chosen among .02 to .4 as `pruning`'s share was, see there


class WeightNoise(Metric):
    """Zero-shot accuracy with a little Gaussian noise on every matrix, of the original and of the unlearned model.

        W_j <- W_j + .1 rms(W) e_j,   e_j ~ N(0, 1)                 in each trained matrix or kernel W

    The adversary has the weights and no data; it may add noise to them, once (no updates, no images). The noise comes
    from the run's seed and the tensor's name: the same for both models and every method, up to the tensor's root mean
    square. Vectors, statistics and the logit scale stay, as in `quantisation`, of which this is a relative:
    behaviour that was laid over a model by a fine change of its weights goes first when they are shaken, and what
    was below it shows. Groups, of the own dataset: `target` (the mean over forget classes of their recalls) and
    `other` (8 test images of each kept class). Before: the shaken original. Where classes are parted by domain, an
    image's candidates are the labels of its own domain.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a whole.
    Undefined (None) where a group (for `target`: one of its classes) has no image.

    Raises:
        CellFailure: embeddings that are not finite. InputError: the models were not given.

    Source: Cameron Tice et al., 2024, Noise Injection Reveals Hidden Capabilities of Sandbagging Language Models,
    https://arxiv.org/abs/2412.01784.
    Departures: CLIP in place of a language model; one draw of one size, in place of many of growing size.
    """

    name = "weight-noise"
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
        seed = evidence.seed
        purpose = f"{self.name} {self.version} {list(evidence.forget)} {seed}"
        labels, right = recognised(evidence, models, shaken(seed), purpose)
        yield from rates(self, evidence, labels, right)


def shaken(seed: int, size: float = SIZE) -> Callable[[Clip], State]:
    """From a model to its state with noise on its matrices and kernels; the rest as it is, not copied."""

    def noisy(name: str, weight: Tensor) -> Tensor:
        drawn = torch.randn(weight.shape, generator=generator("weight noise", name, seed))
        return weight + size * weight.square().mean().sqrt() * drawn.to(weight.device)

    return lambda clip: with_matrices(clip, noisy)
