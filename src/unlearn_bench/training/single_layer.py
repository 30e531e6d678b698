"""One tensor at a time: which of them stand out, and how far to move one for the sake of zero-shot accuracy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip, Weight
from unlearn_bench.training.candidates import Candidates
from unlearn_bench.training.loop import Pairs


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (gain, price) that no other beats: none has a greater gain at a lower price.

    >>> pareto_front([(3.0, 0.5), (2.0, 0.1), (1.0, 0.4)])
    [0, 1]
    """
    return [
        index
        for index, (gain, price) in enumerate(points)
        if not any(other > gain and cost < price for other, cost in points)
    ]


def stand_out(
    weights: Sequence[Weight], forget: Sequence[Tensor], retain: Sequence[Tensor]
) -> list[tuple[Weight, Tensor]]:
    """Of each tower the tensors on the front of ||g_f|| / ||w|| (gain) and |cos(g_f, g_r)| (price), with their g_f.

    Args:
        weights: candidates; one that is 0, or that g_f does not reach, takes no part.
        forget, retain: their gradients g_f and g_r.
    """
    chosen: list[tuple[Weight, Tensor]] = []
    for tower in ("image", "text"):
        here, points = [], []
        for weight, own, other in zip(weights, forget, retain, strict=True):
            value, slope, away = (item.detach().flatten() for item in (weight.value, own, other))
            if weight.place.tower == tower and bool(value.any()) and bool(slope.any()):
                cosine = nn.functional.cosine_similarity(slope, away, dim=0)
                points.append((float(slope.norm() / value.norm()), abs(float(cosine))))
                here.append((weight, own))
        chosen += [here[index] for index in pareto_front(points)]
    return chosen


class TensorTrial:
    """Zero-shot accuracy on fixed images while one tensor moves.

    What the tensor does not reach is computed once: the other tower's embeddings, and the image tower's stages before
    the tensor's own.

    Args:
        clip: the model; its tensor is moved by whoever asks, between two calls.
        weight: the tensor that moves.
        pairs: the images and their classes.
        tokens: (C, L), the texts of all classes.
        candidates: those among which each image is told.
        batch_size: images at a time.
    """

    def __init__(
        self,
        clip: Clip,
        weight: Weight,
        pairs: Pairs,
        *,
        tokens: Tensor,
        candidates: Candidates,
        batch_size: int,
    ) -> None:
        self._clip, self._tokens, self._candidates = clip, tokens, candidates
        self._first = clip.first_image_stage([weight.name])  # the end where the tensor is in no image stage
        self._moves_text = weight.place.tower != "image"
        with torch.no_grad():
            self._texts = clip.encode_texts(tokens)
            self._held = [
                (clip.run_image_stages(inputs, stop=self._first), labels)
                for inputs, labels in map(pairs.batch, torch.split(torch.arange(len(pairs)), batch_size))
            ]

    @torch.no_grad()
    def accuracy(self) -> float:
        """The share of the images whose most probable candidate is their own class, with the tensor as it is now.

        Raises:
            CellFailure: logits that are not finite.
        """
        texts = self._clip.encode_texts(self._tokens) if self._moves_text else self._texts
        right = 0
        for activation, labels in self._held:
            images = self._clip.run_image_stages(activation, start=self._first)
            right += self._candidates.count_right(self._clip.logits(images, texts), labels)
        return right / sum(len(labels) for _, labels in self._held)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of one tensor, w + size * direction, and the accuracy that it leaves.

    Attributes:
        forget_accuracy, retain_accuracy: share of the images to forget, and of those to keep, that are right.
    """

    weight: Weight
    direction: Tensor
    size: float
    forget_accuracy: float
    retain_accuracy: float

    def rank(self, stop_accuracy: float) -> tuple[float, float]:
        """Less is better: first to be down at `stop_accuracy` on the forget set, then to keep the retain set."""
        return max(self.forget_accuracy, stop_accuracy), -self.retain_accuracy


def search_step(
    weight: Weight,
    direction: Tensor,
    *,
    forget_accuracy: Callable[[], float],
    retain_accuracy: Callable[[], float],
    first: float,
    tries: int,
    stop_accuracy: float,
    enough: float,
) -> Step:
    """The best of `tries` sizes of step along `direction`, found by bisection; the tensor ends where it was.

    A size that leaves the accuracy on the forget set above `stop_accuracy` is too small: the next one lies halfway to
    the least that was not, or is twice as large while none was. Otherwise the next one lies halfway to the greatest
    that was too small. The best size is the one that is large enough and keeps most of the retain set; if none is
    large enough, the one that leaves least of the forget set. Accuracy on the retain set is asked for only where it
    decides.

    Args:
        weight: the tensor.
        direction: of its shape.
        forget_accuracy, retain_accuracy: of the model as it is when they are called.
        first: the first size.
        tries: how many sizes.
        stop_accuracy: low enough for the forget set.
        enough: accuracy on the retain set at which a size that is large enough ends the search.
    """
    start = weight.value.detach().clone()

    @torch.no_grad()
    def move(size: float) -> None:
        weight.value.copy_(start + size * direction)

    def step(size: float, forget: float) -> Step:
        return Step(
            weight=weight,
            direction=direction,
            size=size,
            forget_accuracy=forget,
            retain_accuracy=retain_accuracy(),
        )

    reached: list[Step] = []
    missed: list[tuple[float, float]] = []
    low, high, size = 0.0, float("inf"), first
    for _ in range(tries):
        move(size)
        forget = forget_accuracy()
        if forget > stop_accuracy:
            missed.append((forget, size))
            low = size
        else:
            reached.append(step(size, forget))
            high = size
            if reached[-1].retain_accuracy >= enough:
                break
        size = (low + high) / 2 if high < float("inf") else 2 * size
    if not reached:
        forget, size = min(missed)
        move(size)
        reached.append(step(size, forget))
    move(0.0)
    return min(reached, key=lambda found: found.rank(stop_accuracy))
