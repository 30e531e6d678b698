"""Training on images paired with class texts: the losses and the loop that several methods share."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip, Role
from unlearn_bench.errors import CellFailure

_NEVER_TRAINED: frozenset[Role] = frozenset({"scale", "token_embedding"})


def finite(loss: Tensor, *, step: int) -> float:
    """The loss as a number.

    Raises:
        CellFailure: it is NaN or infinite.
    """
    value = float(loss.detach())
    if not math.isfinite(value):
        raise CellFailure(f"the loss became {value} in step {step}; lower the learning rate")
    return value


def shuffled(count: int, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The rows 0 .. count-1 in random order, in batches of `size` (the last may be smaller)."""
    return torch.split(torch.randperm(count, generator=generator), size)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Images, each with the class whose text it is trained on.

    Attributes:
        labels: (N,) int64 on the CPU, indices of class texts.
        read: rows (B,) to model inputs (B, 3, S, S) on the model's device.
    """

    labels: Tensor
    read: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (B, 3, S, S) and labels (B,) of these rows, both on the model's device."""
        inputs = self.read(rows)
        return inputs, self.labels[rows].to(inputs.device)

    def __add__(self, other: "Pairs") -> "Pairs":
        """Both sets in one: this set's rows, then the other's."""
        own = len(self)

        def read(rows: Tensor) -> Tensor:
            here = rows < own
            inputs = [
                part.read(chosen) for part, chosen in ((self, rows[here]), (other, rows[~here] - own)) if len(chosen)
            ]
            return torch.cat(inputs)[_positions(here)]

        return Pairs(labels=torch.cat([self.labels, other.labels]), read=read)


def _positions(first: Tensor) -> Tensor:
    """Where each row went when those of `first` (B,) bool were moved to the front."""
    return torch.argsort(torch.argsort(~first, stable=True))


def from_inputs(inputs: Tensor, labels: Tensor) -> Pairs:
    """Images that are ready: inputs (N, 3, S, S) on the model's device, labels (N,)."""
    return Pairs(labels=labels.cpu(), read=lambda rows: inputs[rows.to(inputs.device)])


def from_pixels(clip: Clip, pixels: Tensor, labels: Tensor) -> Pairs:
    """Prepared images (N, H, W, 3) uint8, made inputs of `clip` batch by batch; labels (N,)."""
    return Pairs(labels=labels, read=lambda rows: clip.to_input(pixels[rows]))


def endless(pairs: Pairs, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches (inputs, labels) of `pairs` without end: all of them in random order, then in another one."""
    while True:
        for rows in shuffled(len(pairs), size, generator):
            yield pairs.batch(rows)


def trainable_names(clip: Clip) -> tuple[str, ...]:
    """All tensors but the logit scale, the bias, and the token embedding.

    Of the embedding's tens of thousands of rows a class's name reaches a handful; a dense optimiser over all of
    them costs more than the rest of the model.
    """
    return tuple(weight.name for weight in clip.weights() if weight.place.role not in _NEVER_TRAINED)


def batch_logits(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Scaled cosines of a batch's images with the batch's own texts, where equal texts are one candidate.

    Args:
        clip: the model.
        inputs: (B, 3, S, S).
        labels: (B,) int64, rows of `tokens`.
        tokens: (C, L), all texts; only those that occur pass the tower.

    Returns:
        Logits (B, U) over the U different texts, in the order of their rows, and each image's column (B,).
    """
    present, column = torch.unique(labels, return_inverse=True)  # (U,), (B,)
    return clip.logits(clip.encode_images(inputs), clip.encode_texts(tokens[present])), column


def symmetric_cross_entropy(logits: Tensor, column: Tensor, weights: Tensor | None = None) -> Tensor:
    """CLIP's loss of a batch's scaled cosines s (B, U), in which several images may share one text.

        1/2 mean_i [ -log softmax_u(s_i.)_{u(i)} ] + 1/2 mean_u mean_{i of u} [ -log softmax_i(s_.u)_i ]

    With weights w the first mean is weighted by w_i, and the second by w_u, the mean weight of the images of u, where
    the mean over the images of u is weighted by w_i. So each term of image i counts with w_i, on the text side over
    the number of images n_u of its text, and each side is divided by what its terms count for in all:

        1/2 sum_i w_i a_i / sum_i w_i + 1/2 sum_i (w_i / n_u(i)) b_i / sum_i (w_i / n_u(i)),  a_i, b_i: the two -log

    The softmax itself, whose rivals are all images and all texts, knows no weights.

    Args:
        logits: (B, U).
        column: (B,) int64, u(i); each of the U texts belongs to at least one image.
        weights: (B,) above 0; None: all equal.
    """
    if weights is not None:
        return _weighted_symmetric_cross_entropy(logits, column, weights)
    to_text = nn.functional.cross_entropy(logits, column)
    belongs = nn.functional.one_hot(column, logits.shape[1]).to(logits)  # (B, U)
    to_image = -(logits.log_softmax(0) * belongs).sum(0) / belongs.sum(0)  # (U,)
    return (to_text + to_image.mean()) / 2


def _weighted_symmetric_cross_entropy(logits: Tensor, column: Tensor, weights: Tensor) -> Tensor:
    to_text = nn.functional.cross_entropy(logits, column, reduction="none")  # (B,)
    to_image = -logits.log_softmax(0).gather(1, column[:, None]).squeeze(1)  # (B,)
    shared = weights / torch.bincount(column)[column]  # (B,)
    return (weighted_mean(to_text, weights) + weighted_mean(to_image, shared)) / 2


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """sum_i w_i x_i / sum_i w_i, of values and weights (B,)."""
    return (weights * values).sum() / weights.sum()


def contrastive_loss(
    clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor, weights: Tensor | None = None
) -> Tensor:
    """CLIP's symmetric loss over a batch in which several images may share one text.

    It is `symmetric_cross_entropy` of s_iu = scale cos(v_i, t_u), over the batch's images i and different texts u.
    With all texts different this is CLIP's loss. Equal texts are one column: they are no rivals of each other.

    Args:
        clip: the model.
        inputs: (B, 3, S, S).
        labels: (B,) int64, rows of `tokens`.
        tokens: (C, L), the texts of all classes; only those that occur pass the tower.
        weights: (B,), how much each image counts; None: all the same.
    """
    return symmetric_cross_entropy(*batch_logits(clip, inputs, labels, tokens), weights)


def pair_similarity(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
    """Mean cosine of images (B, 3, S, S) with their own texts, rows `labels` (B,) of `tokens` (C, L)."""
    present, column = torch.unique(labels, return_inverse=True)  # equal texts pass the tower once
    texts = clip.encode_texts(tokens[present])[column]  # (B, D)
    return nn.functional.cosine_similarity(clip.encode_images(inputs), texts, dim=-1).mean()


def two_way_divergence(known: Tensor, logits: Tensor) -> Tensor:
    """How far a model's distributions over a batch are from another's, over its texts and over its images.

        mean_i KL(p_i. || q_i.) + mean_u KL(p_.u || q_.u),  p, q: softmax of `known` and `logits` along the dot

    Args:
        known: (B, U), of the model to stay near to.
        logits: (B, U), of the model that moves.
    """
    total = logits.new_zeros(())
    for axis in (1, 0):
        p, q = known.log_softmax(axis), logits.log_softmax(axis)
        total = total + (p.exp() * (p - q)).sum(axis).mean()
    return total


Loss = Callable[[Clip, Tensor, Tensor, Tensor], Tensor]
"""Of a model, inputs (B, 3, S, S), labels (B,) and the tokens (C, L) of all classes."""

WeightedLoss = Callable[[Clip, Tensor, Tensor, Tensor, Tensor], Tensor]
"""A `Loss` that takes weights (B,) as well: how much each image counts."""


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """A loss in which images count with weights of their own.

    Attributes:
        loss: of a batch and its weights.
        weights: (N,), of all the images that are trained on.
    """

    loss: WeightedLoss
    weights: Tensor

    def of(self, rows: Tensor) -> Loss:
        """The loss of a batch of these rows (B,)."""

        def weighted(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
            return self.loss(clip, inputs, labels, tokens, self.weights[rows].to(inputs.device))

        return weighted


def with_forget_weight(loss: WeightedLoss, weight: float, *, forget: int, retain: int) -> Weighted:
    """A loss for `forget` images that count `weight` each, followed by `retain` images that count 1."""
    return Weighted(loss=loss, weights=torch.cat([torch.full((forget,), float(weight)), torch.ones(retain)]))


def train(
    clip: Clip,
    pairs: Pairs,
    optimizer: torch.optim.Optimizer,
    *,
    loss: Loss | Weighted,
    tokens: Tensor,
    epochs: int,
    batch_size: int,
    generator: torch.Generator,
    report: Callable[..., None],
    after_step: Callable[[], None] | None = None,
    watch: Callable[[], dict[str, float]] | None = None,
) -> None:
    """Minimise a loss over shuffled batches; batch normalisation stays in evaluation mode.

    Args:
        clip: the model, whose trained tensors require gradients.
        pairs: what to train on.
        optimizer: over the trained tensors.
        loss: mean over a batch; `Weighted` where images count differently.
        tokens: (C, L), the texts of all classes.
        epochs: passes over `pairs`.
        batch_size: images per update.
        generator: of the order.
        report: takes a line per epoch: the mean loss, and what `watch` says.
        after_step: called after every update.
        watch: called after every epoch for more values to report.

    Raises:
        CellFailure: the loss is not finite.
    """
    for epoch in range(epochs):
        total = 0.0
        for rows in shuffled(len(pairs), batch_size, generator):
            inputs, labels = pairs.batch(rows)
            optimizer.zero_grad()
            of_batch = loss.of(rows) if isinstance(loss, Weighted) else loss
            value = of_batch(clip, inputs, labels, tokens)
            total += finite(value, step=epoch) * len(rows)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if after_step is not None:
                after_step()
        more = watch() if watch is not None else {}
        report(epoch, loss=total / len(pairs), **more)
