"""The model interface: two towers into one space, run in stages, with parameters that say what they are."""

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from unlearn_bench.cache import atomic_path
from unlearn_bench.errors import CellFailure

Tower = Literal["image", "text", "joint"]
Role = Literal[
    "convolution",
    "patch_embedding",
    "batch_norm",
    "norm",
    "class_embedding",
    "position_embedding",
    "token_embedding",
    "attention",
    "mlp",
    "projection",
    "scale",
    "other",
]
State = dict[str, Tensor]

STATE_FILE = "model.safetensors"
"""What `Clip.save` writes."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a tensor lives: its tower, the stage within it, and what it is there for."""

    tower: Tower
    stage: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One trainable tensor with its name in the state and its place."""

    name: str
    place: Place
    value: nn.Parameter


class Clip(ABC):
    """A dual encoder: images and texts into one space, where the cosine says how well they fit.

    Subclasses wrap one `torch.nn.Module` in evaluation mode, fp32. The image tower is a list of named stages,
    so that what a method left unchanged need not run again; a model that can't be cut has one stage.

    Attributes:
        module: everything that is trained; its state dict is the model's state.
        name: what reports call the model.
        image_size: side of the square input in pixels.
        mean, std: of the input normalisation, per channel, for pixels in [0, 1].
    """

    module: nn.Module
    name: str
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Texts to token ids, (N, L) int64, on the model's device."""

    @abstractmethod
    def encode_texts(self, tokens: Tensor) -> Tensor:
        """Token ids (N, L) to embeddings (N, D), not normalised."""

    @abstractmethod
    def run_image_stages(self, activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        """Run the image tower's stages `start` (included) to `stop` (excluded; None: to the end)."""

    @property
    @abstractmethod
    def image_stages(self) -> tuple[str, ...]:
        """Names of the image tower's stages, first to last."""

    @abstractmethod
    def locate(self, name: str) -> Place:
        """The place of the parameter or buffer `name` of the module's state."""

    @property
    @abstractmethod
    def logit_scale(self) -> Tensor:
        """The factor before the cosine, already exponentiated; a scalar."""

    @property
    def logit_bias(self) -> Tensor | None:
        """What is added to the scaled cosine (SigLIP), if anything; a scalar."""
        return None

    @property
    def architecture(self) -> str:
        """A text that differs wherever the same tensors would compute something else (activation ..)."""
        return type(self).__qualname__

    @property
    def preparation(self) -> str:
        """Names what `prepare` does, so that prepared images are shared by models that prepare alike."""
        return f"bicubic-{self.image_size}"

    def prepare(self, image: Image.Image) -> np.ndarray:
        """One picture to what the image cache keeps: (H, W, 3) uint8, shorter side resized, centre cut."""
        return resize_and_crop(image, self.image_size, Image.Resampling.BICUBIC)

    def to_input(self, prepared: Tensor) -> Tensor:
        """Prepared images (N, H, W, 3) uint8 to the input (N, 3, H, W) float32, on the model's device."""
        here = prepared.to(self.device, non_blocking=True)  # at once, but for images in pinned memory
        unit = here.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
        mean, std = (unit.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return unit.div_(255).sub_(mean).div_(std)  # in place: new memory costs more than the arithmetic

    def normalise(self, unit: Tensor) -> Tensor:
        """(x - mean) / std for pixels (N, 3, H, W) in [0, 1]; gradients pass."""
        mean, std = unit.new_tensor(self.mean), unit.new_tensor(self.std)
        return (unit - mean[:, None, None]) / std[:, None, None]

    def encode_images(self, inputs: Tensor) -> Tensor:
        """Inputs (N, 3, H, W) to embeddings (N, D), not normalised."""
        return self.run_image_stages(inputs)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to embeddings (N, D), not normalised."""
        return self.encode_texts(self.tokenize(texts))

    def logits(self, images: Tensor, texts: Tensor) -> Tensor:
        """Scaled cosines (N, C) of embeddings (N, D) and (C, D), plus the bias where the model has one."""
        images = nn.functional.normalize(images, dim=-1)
        texts = nn.functional.normalize(texts, dim=-1)
        logits = self.logit_scale * images @ texts.T
        return logits if self.logit_bias is None else logits + self.logit_bias

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.module.parameters()).device

    def to(self, device: torch.device | str) -> Self:
        """Move the module in place; returns the model."""
        self.module.to(device)
        return self

    def weights(self) -> tuple[Weight, ...]:
        """All trainable tensors in the module's own order, each with its place."""
        return tuple(
            Weight(name=name, place=self.locate(name), value=value) for name, value in self.module.named_parameters()
        )

    def train_only(self, names: Collection[str]) -> list[nn.Parameter]:
        """Let just the named parameters require gradients; returns them in the module's order."""
        chosen = set(names)
        moving = []
        for name, value in self.module.named_parameters():
            value.requires_grad_(name in chosen)
            if name in chosen:
                moving.append(value)
        return moving

    def first_image_stage(self, names: Collection[str]) -> int:
        """Index of the first image stage that holds one of `names`; the number of stages if none does.

        Everything before it computes the same whatever happens to the named tensors.
        """
        places = (self.locate(name) for name in names)
        touched = [self.image_stages.index(place.stage) for place in places if place.tower == "image"]
        return min(touched, default=len(self.image_stages))

    def touches_text(self, names: Collection[str]) -> bool:
        """Whether one of `names` belongs to the text tower."""
        return any(self.locate(name).tower == "text" for name in names)

    def state(self) -> State:
        """The module's tensors, detached, not copied."""
        return {name: value.detach() for name, value in self.module.state_dict().items()}

    def copy(self) -> Self:
        """An independent model with equal tensors, none of which requires a gradient."""
        twin = copy.copy(self)
        twin.module = copy.deepcopy(self.module).eval().requires_grad_(False)
        return twin

    def with_state(self, state: Mapping[str, Tensor]) -> Self:
        """A fresh model of this architecture that holds copies of exactly these tensors.

        Raises:
            CellFailure: names or shapes differ, or a value is not finite.
        """
        twin = self.copy()
        own = twin.state()
        missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or extra:
            raise CellFailure(f"the returned state lacks {missing[:3]} and adds {extra[:3]}; merge adapters first")
        for name, value in own.items():
            if state[name].shape != value.shape:
                raise CellFailure(
                    f"tensor {name!r} came back as {tuple(state[name].shape)}, not {tuple(value.shape)}"
                )
            if not _is_finite(state[name]):
                raise CellFailure(f"tensor {name!r} came back with values that are not finite")
            value.copy_(state[name])
        return twin

    def save(self, folder: Path) -> str:
        """Write the model into a folder that is there, in the form in which people load it, and say how they do.

        Here: the state as `model.safetensors`. Override it to write your own library's format; keep the state's names
        in one .safetensors file of the folder, so that `forget --from` can go on from it.
        """
        write_tensors(self.state(), folder / STATE_FILE)
        return (
            f"module.load_state_dict(safetensors.torch.load_file({str(folder / STATE_FILE)!r})), where module is "
            f"that of {self.name!r}"
        )

    def fingerprint(self) -> str:
        """A hash of all that decides what the model computes; equal on every machine (16 hex digits)."""
        digest = hashlib.sha256()
        setting = [self.architecture, self.preparation, list(self.mean), list(self.std)]
        digest.update(json.dumps(setting).encode())
        for name, value in sorted(self.state().items()):
            digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def resize_and_crop(image: Image.Image, side: int, resample: Image.Resampling) -> np.ndarray:
    """A picture to (side, side, 3) uint8, pixel for pixel as torchvision's Resize and CenterCrop make it."""
    image = image.convert("RGB")
    if image.size != (side, side):
        shorter = min(image.size)
        width, height = (int(side * length / shorter) for length in image.size)
        image = image.resize((width, height), resample)
        left, top = round((width - side) / 2), round((height - side) / 2)
        image = image.crop((left, top, left + side, top + side))
    return np.array(image, dtype=np.uint8)


def write_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """A state as safetensors, whole or not at all; tensors that share memory are written each."""
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
    with atomic_path(path) as part:
        save_file(tensors, part, metadata={"format": "pt"})


def _is_finite(values: Tensor) -> bool:
    """Whether no value is infinite or NaN, in one pass and without a copy: both would show in the extremes."""
    return not values.numel() or all(bool(torch.isfinite(extreme)) for extreme in torch.aminmax(values))


def changed_names(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Names of the tensors that differ in at least one bit's worth of value."""
    return tuple(name for name, value in before.items() if not torch.equal(value, after[name]))
