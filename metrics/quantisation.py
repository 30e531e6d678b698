"""Whether the forgotten class comes back when the weights are rounded to eight bits."""

from collections.abc import Iterator

import torch
from torch import Tensor

from unlearn_bench.clip import Clip, State
from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.shared.changed_weights import recognised, with_matrices
from unlearn_bench.metrics.shared.rates import rates

_LEVELS = 127  # of a signed byte, on each side of 0


class Quantisation(Metric):
    """Zero-shot accuracy with weights rounded to int8, of the original and of the unlearned model.

        s_r = max_j |W_rj| / 127,   W_rj <- s_r round(W_rj / s_r)         for each row r of each matrix or kernel W

    Every trainable tensor of two or more dimensions is rounded, row by row along its first dimension, to the nearest
    of 255 levels around 0, ties to even, and put back as fp32: the arithmetic stays exact, so only what the weights
    carry is lost. Vectors, statistics and the logit scale stay. Groups, of the own dataset: `target` (the mean over
    forget classes of their recalls) and `other` (8 test images of each kept class). Before: the rounded
    original. Where classes are parted by domain, an image's candidates are the labels of its own domain.

    A method whose change of the weights is smaller than half a level is undone: its target comes back, where its
    accuracy without rounding is low.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a whole.
    Undefined (None) where a group (for `target`: one of its classes) has no image.

    Raises:
        CellFailure: embeddings that are not finite. InputError: the models were not given.

    Source: the attack of Zhiwei Zhang et al., 2025, Catastrophic Failure of LLM Unlearning via Quantization,
    https://arxiv.org/abs/2410.16454 (round to nearest).
    Departures: CLIP in place of a language model; eight bits only; no quantised arithmetic.
    """

    name = "quantisation"
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
        labels, right = recognised(evidence, models, quantised, f"{self.name} {self.version} {list(evidence.forget)}")
        yield from rates(self, evidence, labels, right)


def quantised(clip: Clip) -> State:
    """The state with its matrices and kernels rounded; the rest as it is, not copied."""
    return with_matrices(clip, lambda _, value: round_rows(value))


def round_rows(weight: Tensor) -> Tensor:
    """`weight` (R, ...) with each row rounded to 255 levels around 0; a row of zeros stays.

    >>> round_rows(torch.tensor([[127.0, 0.5, 1.5, -3.4]]))
    tensor([[127.,   0.,   2.,  -3.]])
    """
    rows = weight.flatten(1)
    least, greatest = rows.aminmax(dim=1, keepdim=True)
    step = torch.maximum(-least, greatest) / _LEVELS
    step = torch.where(step > 0, step, torch.ones_like(step))
    return (rows / step).round_().mul_(step).view_as(weight)  # in place: a token embedding is large
