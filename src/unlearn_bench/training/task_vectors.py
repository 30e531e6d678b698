"""Task vectors: what fine-tuning adds to the weights, and arithmetic with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.training.candidates import Candidates
from unlearn_bench.training.loop import Pairs, train, trainable_names
from unlearn_bench.training.optimisers import adam

TaskVector = Mapping[str, Tensor]
"""By tensor name, fine-tuned weights minus original ones."""


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How a copy is fine-tuned.

    Attributes:
        learning_rate, weight_decay: of AdamW. epochs: passes over the images. batch_size: images per update.
    """

    learning_rate: float
    epochs: int
    batch_size: int
    weight_decay: float


def tuned_names(clip: Clip) -> tuple[str, ...]:
    """The tensors of the image tower: in task arithmetic the class texts are a frozen classifier."""
    return tuple(name for name in trainable_names(clip) if clip.locate(name).tower == "image")


def task_vector(
    clip: Clip,
    pairs: Pairs,
    *,
    texts: Sequence[str],
    candidates: Candidates,
    settings: FineTuning,
    generator: torch.Generator,
    report: Callable[..., None],
) -> TaskVector:
    """Fine-tune a copy of the image tower on `pairs`; t = w_fine-tuned - w. `clip` itself stays as it is.

    AdamW minimises the cross-entropy of scaled cosines over each image's candidates among the texts, which are
    embedded once. Batch normalisation keeps its statistics.

    Args:
        clip: the model.
        pairs: images with the class each of them shows.
        texts: of all classes of the dataset.
        candidates: those among which each image is told.
        settings: of the optimiser.
        generator: of the order.
        report: takes a line per epoch.

    Raises:
        CellFailure: the loss is not finite.
    """
    twin, names = clip.copy(), tuned_names(clip)
    parameters = twin.train_only(names)
    with torch.no_grad():
        embedded = twin.embed_texts(texts)  # (C, D)

    def loss(model: Clip, inputs: Tensor, labels: Tensor, embedded: Tensor) -> Tensor:
        return candidates.cross_entropy(model.logits(model.encode_images(inputs), embedded), labels)

    train(
        twin,
        pairs,
        adam(parameters, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay),
        loss=loss,
        tokens=embedded,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        generator=generator,
        report=report,
    )
    before, after = clip.state(), twin.state()
    return {name: after[name] - before[name] for name in names}


def consensus(vectors: Sequence[TaskVector]) -> TaskVector:
    """The mean of several task vectors where all have the same sign, element by element; 0 elsewhere."""
    merged = {}
    for name in vectors[0]:
        stacked = torch.stack([vector[name] for vector in vectors])  # (K, ..)
        agreed = stacked.sign().sum(0).abs() == len(vectors)
        merged[name] = torch.where(agreed, stacked.mean(0), 0.0)
    return merged


@torch.no_grad()
def subtract(clip: Clip, vector: TaskVector, coefficient: float) -> None:
    """w <- w - coefficient * t, in place."""
    for weight in clip.weights():
        if weight.name in vector:
            weight.value.sub_(vector[weight.name], alpha=coefficient)
