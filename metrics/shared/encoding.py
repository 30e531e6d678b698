"""Encoding with a model that an audit changed, or texts that no evaluation asked for."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip
from unlearn_bench.metrics.base import Embedded
from unlearn_bench.metrics.shared.classification import predictions

_BATCH = 256

KEPT = 8
"""Test images of each kept class that are encoded again: enough to see harm, at a share of the time."""


def sample(labels: Tensor, forget: Sequence[int], kept: int = KEPT) -> Tensor:
    """Rows of all images of the forget classes and of `kept` of each other class, ascending; int64.

    Those of a kept class are spread evenly over its images: they may lie in the order of folders or domains.
    """
    chosen = []
    for label in torch.unique(labels).tolist():
        rows = (labels == label).nonzero().flatten()
        if label not in forget:
            rows = rows[torch.linspace(0, len(rows) - 1, min(kept, len(rows))).round().long()]
        chosen.append(rows)
    return torch.cat(chosen).sort().values if chosen else torch.empty(0, dtype=torch.int64)


def embed(clip: Clip, pixels: Tensor) -> Tensor:
    """Normalised embeddings (N, D), fp32 on the CPU, of prepared images (N, H, W, 3)."""
    with torch.inference_mode():
        parts = [clip.encode_images(clip.to_input(rows)) for rows in torch.split(pixels, _BATCH) if len(rows)]
    return _joined(parts)


def embed_texts(clip: Clip, texts: Sequence[str]) -> Tensor:
    """Normalised embeddings (M, D), fp32 on the CPU."""
    with torch.inference_mode():
        parts = [clip.embed_texts(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    return _joined(parts)


def predict(images: Tensor, texts: Tensor, *, like: Embedded) -> Tensor:
    """The nearest of the embedded texts (C, D) for each embedded image (N, D), (N,) int64.

    Args:
        like: the same images and labels as they were embedded before: where they are parted by domain, so are these.

    Raises:
        CellFailure: embeddings that are not finite.
    """
    if not len(images):
        return torch.empty(0, dtype=torch.int64)
    return predictions(replace(like, images=images, texts=texts, inner=None))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    if not parts:
        return torch.empty(0, 0)
    return nn.functional.normalize(torch.cat([part.float().cpu() for part in parts]), dim=-1)
