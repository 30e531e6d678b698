"""Training some single weights and holding all others bit for bit, whatever the optimiser carries along."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def salient(sizes: Sequence[Tensor], share: float) -> list[Tensor]:
    """Masks (bool) of the `share` of all entries together that are greatest; none of them is 0."""
    flat = torch.cat([size.flatten() for size in sizes])
    count = max(1, round(share * len(flat)))
    threshold = flat.kthvalue(len(flat) - count + 1).values
    return [(size >= threshold) & (size > 0) for size in sizes]


def restorer(
    parameters: Sequence[nn.Parameter], masks: Sequence[Tensor], optimizer: torch.optim.Optimizer
) -> Callable[[], None]:
    """A function that puts the weights outside the masks back to what they are now, and clears their momentum."""
    originals = [value.detach().clone() for value in parameters]

    @torch.no_grad()
    def restore() -> None:
        for value, mask, original in zip(parameters, masks, originals, strict=True):
            value.copy_(torch.where(mask, value, original))
            momentum = optimizer.state[value].get("momentum_buffer")
            if momentum is not None:
                momentum.mul_(mask)

    return restore
