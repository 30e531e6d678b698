"""Zero-shot accuracy of a mini model on a split of the mini datasets."""

from dataclasses import dataclass

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn_bench.benchmarks.data.embedded.drawing.concepts import MiniDataset, Split
from unlearn_bench.benchmarks.data.embedded.drawing.splits import MiniImages, render_split
from unlearn_bench.models.embedded import MEAN, STD, tokenizer


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """Accuracy over all images of a split, and per class in the order of the labels."""

    overall: float
    per_class: dict[str, float]


def measure(model: open_clip.CLIP, dataset: MiniDataset, split: Split) -> ZeroShot:
    """Zero-shot accuracy with the evaluation template over the dataset's own classes."""
    return measure_images(model, dataset, render_split(dataset.name, split))


def measure_images(model: open_clip.CLIP, dataset: MiniDataset, images: MiniImages) -> ZeroShot:
    """The same for images at hand."""
    texts = [dataset.template.format(name) for name in dataset.class_names]
    with torch.inference_mode():
        classes = F.normalize(model.encode_text(tokenizer()(texts)), dim=-1)  # (C, D)
        guesses = (embed(model, images) @ classes.T).argmax(dim=1)  # (N,)
    right = (guesses == torch.from_numpy(images.labels)).float()
    labels = torch.from_numpy(images.labels)
    return ZeroShot(
        overall=float(right.mean()),
        per_class={name: float(right[labels == label].mean()) for label, name in enumerate(dataset.class_names)},
    )


def embed(model: open_clip.CLIP, images: MiniImages, batch: int = 512) -> Tensor:
    """Unit embeddings (N, D) of images."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    with torch.inference_mode():
        parts = [
            F.normalize(model.encode_image((part.permute(0, 3, 1, 2).float() / 255 - mean) / std), dim=-1)
            for part in torch.split(torch.from_numpy(images.pixels), batch)
        ]
    return torch.cat(parts)
