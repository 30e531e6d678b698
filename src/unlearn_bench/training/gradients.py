"""Gradients of a loss over images that come in batches, without a step being taken."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip
from unlearn_bench.training.loop import Loss, Pairs, finite


def batch_gradients(
    clip: Clip,
    pairs: Pairs,
    parameters: Sequence[nn.Parameter],
    *,
    loss: Loss,
    tokens: Tensor,
    rows: Sequence[Tensor],
) -> Iterator[tuple[float, list[Tensor]]]:
    """For each batch the loss, and its gradient for each parameter; zeros where the loss does not reach it.

    Args:
        clip: the model.
        pairs: the images.
        parameters: they require gradients; their `grad` stays as it is.
        loss: mean over a batch.
        tokens: (C, L), the texts of all classes.
        rows: of `pairs`, one tensor (B,) for each batch.

    Raises:
        CellFailure: the loss is not finite.
    """
    for number, part in enumerate(rows):
        inputs, labels = pairs.batch(part)
        value = loss(clip, inputs, labels, tokens)
        found = finite(value, step=number)
        slopes = torch.autograd.grad(value, parameters, allow_unused=True)
        yield (
            found,
            [
                torch.zeros_like(weight) if slope is None else slope
                for weight, slope in zip(parameters, slopes, strict=True)
            ],
        )


def mean_gradient(
    clip: Clip,
    pairs: Pairs,
    parameters: Sequence[nn.Parameter],
    *,
    loss: Loss,
    tokens: Tensor,
    rows: Sequence[Tensor],
) -> tuple[float, list[Tensor]]:
    """Loss and gradient of the mean over all images of `rows`: each batch counts by its number of images.

    Arguments and errors are those of `batch_gradients`.
    """
    count = sum(len(part) for part in rows)
    mean, total = 0.0, [torch.zeros_like(value) for value in parameters]
    batches = batch_gradients(clip, pairs, parameters, loss=loss, tokens=tokens, rows=rows)
    for part, (value, slopes) in zip(rows, batches, strict=True):
        mean += value * len(part) / count
        torch._foreach_add_(total, slopes, alpha=len(part) / count)
    return mean, total


def mean_square_gradient(
    clip: Clip,
    pairs: Pairs,
    parameters: Sequence[nn.Parameter],
    *,
    loss: Loss,
    tokens: Tensor,
    rows: Sequence[Tensor],
) -> tuple[float, list[Tensor]]:
    """The diagonal of the empirical Fisher information: for each single weight, over the K batches of `rows`,

        I = 1/K sum_k (d/dw L_k)^2,   L_k the mean loss of batch k

    and the mean of L_k. With one image a batch these are the squared gradients of single images; in larger batches
    gradients that disagree cancel before they are squared.

    Arguments and errors are those of `batch_gradients`.
    """
    mean, total = 0.0, [torch.zeros_like(value) for value in parameters]
    for value, slopes in batch_gradients(clip, pairs, parameters, loss=loss, tokens=tokens, rows=rows):
        mean += value / len(rows)
        torch._foreach_addcmul_(total, slopes, slopes, value=1 / len(rows))
    return mean, total
