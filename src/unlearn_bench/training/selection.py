"""Forgetting by small steps on few tensors: choose them by gradient, keep what helped, take back what did not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Tower, Weight
from unlearn_bench.training.loop import finite

Optimizer = torch.optim.Optimizer


@dataclass(frozen=True, kw_only=True)
class Pressure:
    """How hard one epoch pushes: the noise, and how many tensors of each tower may follow the gradient."""

    sigma: float
    image_tensors: int
    text_tensors: int


def keep_largest(weights: Iterable[Weight], *, image: int, text: int) -> list[nn.Parameter]:
    """Leave their gradient to the tensors of each tower with the greatest mean |gradient|; drop the others'.

    A dropped gradient is None, not zero: an optimiser then passes the tensor over, decay and momentum included.
    Equal means: the earlier tensor wins.

    Args:
        weights: candidates; those without a gradient take no part.
        image: how many tensors of the image tower stay.
        text: how many of the text tower.
    """
    with_gradient = [(weight, weight.value.grad) for weight in weights if weight.value.grad is not None]
    if not with_gradient:
        return []
    means = torch.stack([slope.abs().mean() for _, slope in with_gradient]).tolist()
    kept: list[nn.Parameter] = []
    room: dict[Tower, int] = {"image": image, "text": text}
    for place in sorted(range(len(means)), key=lambda index: -means[index]):
        weight, _ = with_gradient[place]
        if room.get(weight.place.tower, 0) > 0:
            room[weight.place.tower] -= 1
            kept.append(weight.value)
        else:
            weight.value.grad = None
    return kept


class Checkpoint:
    """The tensors and their optimiser state as they were at the last epoch that helped.

    Only what moved since is copied, either way.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._values = {value: value.detach().clone() for value in parameters}
        self._states: dict[nn.Parameter, dict[str, Any]] = {value: {} for value in parameters}

    def keep(self, moved: Iterable[nn.Parameter]) -> None:
        """Take over the present values of `moved`."""
        for value in moved:
            self._values[value].copy_(value.detach())
            self._states[value] = _cloned(self._optimizer.state.get(value, {}))

    @torch.no_grad()
    def restore(self, moved: Iterable[nn.Parameter]) -> None:
        """Put `moved` back."""
        for value in moved:
            value.copy_(self._values[value])
            self._optimizer.state[value] = _cloned(self._states[value])


def forget_gradually(
    weights: Sequence[Weight],
    optimizer: Optimizer,
    *,
    schedule: Sequence[Pressure],
    batches: Callable[[], Sequence[Tensor]],
    loss: Callable[[Tensor, float], Tensor],
    accuracy: Callable[[], float],
    max_epochs: int,
    stop_accuracy: float,
    accumulate: int,
    report: Callable[..., None],
) -> float:
    """Minimise `loss` while it makes the accuracy on the forget set fall; push harder when it does not.

    An epoch after which the accuracy is below the lowest so far (1 at the start) is kept. After any other, the
    tensors and the optimiser go back to before it, and the schedule moves on. The end is reached at
    `stop_accuracy`, at the schedule's end, or after `max_epochs`; the tensors are then those of the lowest
    accuracy, and the original ones if no epoch was kept.

    Args:
        weights: the tensors that may move, requiring gradients.
        optimizer: over exactly these.
        schedule: pressures, weak to strong.
        batches: the rows of each batch of a new epoch.
        loss: of the rows (B,) at a sigma.
        accuracy: of the model as it is now, on the forget set.
        max_epochs: kept ones and those taken back.
        stop_accuracy: low enough.
        accumulate: at most so many batches share one update; their mean loss counts, and the tensors are
            chosen anew after each of them.
        report: takes a line per epoch.

    Returns:
        The lowest accuracy, 1.0 if no epoch was kept.

    Raises:
        CellFailure: the loss is not finite.
    """
    checkpoint = Checkpoint([weight.value for weight in weights], optimizer)
    best, level = 1.0, 0
    for epoch in range(max_epochs):
        pressure = schedule[level]
        moved: dict[nn.Parameter, None] = {}
        parts = list(batches())
        share = min(len(parts), accumulate)
        total, passed, now = 0.0, 0, best
        for number, rows in enumerate(parts, start=1):
            value = loss(rows, pressure.sigma) / share
            total, passed = total + finite(value, step=epoch), number
            value.backward()  # type: ignore[no-untyped-call]
            keep_largest(weights, image=pressure.image_tensors, text=pressure.text_tensors)
            if number % share == 0 or number == len(parts):
                moved.update((weight.value, None) for weight in weights if weight.value.grad is not None)
                optimizer.step()
                optimizer.zero_grad()
                now = accuracy()
                if now <= stop_accuracy:
                    break
        kept = now < best
        report(
            epoch,
            loss=total * share / passed,
            synthetic_accuracy=now,
            sigma=pressure.sigma,
            moved=len(moved),
            kept=float(kept),
        )
        if kept:
            best = now
            checkpoint.keep(moved)
        else:
            checkpoint.restore(moved)
            level += 1
        if best <= stop_accuracy or level == len(schedule):
            break
    if best == 1.0:
        report(epoch + 1, note="no epoch lowered the accuracy on the forget set: the original is returned")
    return best


def _cloned(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in state.items()}
