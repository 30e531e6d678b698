"""The few real images that an adversary has of every class: the same for all attacks that train on some."""

import torch
from torch import Tensor

from unlearn_bench.seeding import generator

SHOTS = (1, 4, 16)
"""Training images of each class; the smaller sets are parts of the larger ones."""


def few(labels: Tensor, shots: int, dataset: str, seed: int) -> Tensor:
    """Rows of at most `shots` images of each class, class by class in the order of the labels; int64.

    Args:
        labels: (N,) int64, of the training images. shots: k; a class with fewer gives all it has.
        dataset, seed: of the run: they decide which images.
    """
    chosen = [torch.empty(0, dtype=torch.int64)]
    for label in torch.unique(labels).tolist():
        mine = (labels == label).nonzero().flatten()
        # The stream has the name of the attack that drew first: its published numbers hang on it.
        order = torch.randperm(len(mine), generator=generator("relearning shots", label, dataset, seed))
        chosen.append(mine[order[:shots]])
    return torch.cat(chosen)
