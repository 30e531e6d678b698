"""Which kept labels share a part with what is forgotten, where labels have two parts."""

import torch
from torch import Tensor

from unlearn_bench.metrics.shared.classification import belongs


def kept_groups(
    first_of: Tensor, second_of: Tensor, forget: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kept labels that share the first part with the forget set, else the second, else neither.

    Args:
        first_of, second_of: (C,) int64, the parts of each label. forget: labels.

    >>> kept_groups(torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]), (0,))
    ((2,), (1,), (3,))
    """
    chosen = list(forget)
    kept = ~belongs(torch.arange(len(first_of)), chosen)
    first, second = (belongs(of, of[chosen].tolist()) for of in (first_of, second_of))
    masks = (kept & first, kept & ~first & second, kept & ~first & ~second)
    like_first, like_second, neither = (tuple(mask.nonzero().flatten().tolist()) for mask in masks)
    return like_first, like_second, neither
