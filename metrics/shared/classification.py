"""Zero-shot classification from embeddings, and the means that several metrics take."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unlearn_bench.errors import CellFailure
from unlearn_bench.metrics.base import Embedded


def cosines(images: Tensor, texts: Tensor) -> Tensor:
    """Cosines (N, C) float32 of L2-normalised embeddings (N, D) and (C, D).

    Raises:
        CellFailure: an embedding is not finite. A comparison with nan would otherwise count as some class.
    """
    if not bool(torch.isfinite(images).all() and torch.isfinite(texts).all()):
        raise CellFailure("a model with finite weights gave embeddings that are not finite")
    return images @ texts.T


def similarities(embedded: Embedded) -> Tensor:
    """Cosines (N, C) of each image with the texts of its candidates; -inf elsewhere.

    Candidates are all classes, or, where classes are parted by domain, those of the image's own domain: a sketch of
    a dog that is taken for a photo of a dog is no mistake of the kind that zero-shot accuracy counts.
    """
    found = cosines(embedded.images, embedded.texts)
    if embedded.image_domains is None or embedded.text_domains is None:
        return found
    return found.masked_fill(embedded.image_domains[:, None] != embedded.text_domains[None], -torch.inf)


def predictions(embedded: Embedded) -> Tensor:
    """The class of each image, argmax_c cos(image, text_c); (N,) int64, the first class where several tie.

    c runs over the image's candidates (see `similarities`). A positive logit scale and a bias that all classes share
    move no argmax, so neither enters.
    """
    return similarities(embedded).argmax(dim=1)


def probabilities(embedded: Embedded, labels: Tensor, *, logit_scale: float) -> Tensor:
    """softmax_c(logit_scale * cos(image, text_c)) over the candidates, at each image's own label; (N,) float64.

    A bias that all classes share cancels in the softmax.
    """
    logits = logit_scale * similarities(embedded).double()  # (N, C)
    return logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1)


def belongs(labels: Tensor, classes: Sequence[int]) -> Tensor:
    """Which images show one of `classes`; (N,) bool."""
    return torch.isin(labels, torch.tensor(classes, dtype=labels.dtype, device=labels.device))


def mean(values: Tensor) -> float | None:
    """The mean in float64, None of nothing.

    >>> mean(torch.tensor([True, False, False, False]))
    0.25
    """
    return float(values.double().mean()) if len(values) else None


def class_mean(values: Tensor, labels: Tensor, classes: Sequence[int]) -> float | None:
    """The mean over `classes` of the mean over each one's images; None if there is a class without images.

    >>> class_mean(torch.tensor([1.0, 0.0, 0.5]), torch.tensor([4, 4, 7]), (4, 7))
    0.5
    """
    means = [mean(values[labels == label]) for label in classes]
    known = [value for value in means if value is not None]
    if not known or len(known) < len(means):
        return None
    return sum(known) / len(known)


def target_and_other(right: Tensor | None, labels: Tensor, forget: Sequence[int]) -> dict[str, float | None]:
    """Accuracy on a dataset from `right` (N,) bool: mean recall of the forget classes, and rate of all other images.

    None, where a side could not be computed at all, gives gaps.
    """
    if right is None:
        return {"target": None, "other": None}
    kept = ~belongs(labels, forget)
    return {"target": class_mean(right, labels, forget), "other": mean(right[kept])}
