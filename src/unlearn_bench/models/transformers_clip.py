"""`TransformersClip`: `CLIPModel` and `SiglipModel` of transformers behind the `Clip` interface."""

import hashlib
import importlib
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from unlearn_bench.clip import Clip, Place, Role
from unlearn_bench.errors import InputError
from unlearn_bench.models.checkpoints import find_weights, load_strictly, read_tensors
from unlearn_bench.models.open_clip_model import TEXT_GRAIN

_KINDS = {"clip": "CLIP", "siglip": "Siglip"}
"""Model types that are taken, and how their classes are called."""

_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.")
_ROLES: tuple[tuple[str, Role], ...] = (
    ("class_embedding", "class_embedding"),
    ("patch_embedding", "patch_embedding"),
    ("position_embedding", "position_embedding"),
    ("token_embedding", "token_embedding"),
    ("norm", "norm"),
    ("attn", "attention"),
    ("attention", "attention"),
    ("probe", "attention"),
    ("mlp", "mlp"),
    ("projection", "projection"),
)
"""The first word that is in a tensor's name says its role; so a norm in an attention head is a norm."""


class TransformersClip(Clip):
    """A dual encoder of transformers, in fp32 and evaluation mode, with its own processor and tokenizer.

    The image tower runs in the stages stem, block0 .., head.

    Args:
        model: a `CLIPModel` or `SiglipModel`.
        tokenizer: its tokenizer. processor: its image processor.
        name: what reports call the model.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, processor: Any, *, name: str) -> None:  # noqa: ANN401
        self.module = model.float().eval().requires_grad_(False)
        self.name = name
        self.tokenizer, self.processor = tokenizer, processor
        config = self._model.config
        self.is_siglip = config.model_type == "siglip"
        self.image_size = int(config.vision_config.image_size)
        self.mean = cast("tuple[float, float, float]", tuple(float(value) for value in processor.image_mean))
        self.std = cast("tuple[float, float, float]", tuple(float(value) for value in processor.image_std))

    @property
    def _model(self) -> Any:  # noqa: ANN401  (its classes differ)
        return self.module

    @property
    def architecture(self) -> str:
        """The configuration as text, without what says only where it came from."""
        return json.dumps(plain_config(self._model.config), sort_keys=True)

    @property
    def preparation(self) -> str:
        """Names the processor's settings, so that models which prepare alike share prepared images."""
        settings = {key: value for key, value in self.processor.to_dict().items() if key in _OF_PIXELS}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:8]
        return f"transformers-{self.image_size}-{digest}"

    @property
    def logit_scale(self) -> Tensor:
        """exp of the stored logarithm, a scalar."""
        return cast(Tensor, self._model.logit_scale.exp()).reshape(())

    @property
    def logit_bias(self) -> Tensor | None:
        """SigLIP's bias, a scalar."""
        return cast(Tensor, self._model.logit_bias).reshape(()) if self.is_siglip else None

    def prepare(self, image: Image.Image) -> np.ndarray:
        """One picture to (H, W, 3) uint8, as the model's own processor resizes and cuts it."""
        made = self.processor(
            images=image.convert("RGB"), do_rescale=False, do_normalize=False, return_tensors="pt"
        ).pixel_values[0]
        return cast(np.ndarray, made.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy())

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Token ids (N, context length) int64, filled up as in training."""
        length = int(self._model.config.text_config.max_position_embeddings)
        made = self.tokenizer(list(texts), padding="max_length", max_length=length, truncation=True)
        return torch.tensor(made["input_ids"], dtype=torch.int64, device=self.device).reshape(len(texts), length)

    def encode_texts(self, tokens: Tensor) -> Tensor:
        """Embeddings (N, D) of token ids (N, L). CLIP's tower looks back only: what follows a text is left out."""
        model = self._model
        if self.is_siglip:
            return cast(Tensor, model.text_model(input_ids=tokens).pooler_output)
        ends = self._ends(tokens)
        longest = int(ends.max()) + 1 if len(tokens) else 1
        length = min(tokens.shape[1], -(-longest // TEXT_GRAIN) * TEXT_GRAIN)
        pooled = model.text_model(input_ids=tokens[:, :length]).pooler_output
        return cast(Tensor, model.text_projection(pooled))

    def _ends(self, tokens: Tensor) -> Tensor:
        """(N,): where CLIP's tower reads its output: by its configuration the largest token, or the first end."""
        end = self._model.config.text_config.eos_token_id
        return tokens.argmax(dim=-1) if end == 2 else (tokens == end).int().argmax(dim=-1)

    @property
    def image_stages(self) -> tuple[str, ...]:
        """Stage names of the image tower."""
        return ("stem", *(f"block{index}" for index in range(len(self._model.vision_model.encoder.layers))), "head")

    def run_image_stages(self, activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        """Run a slice of the image tower; all slices in turn compute what transformers computes."""
        for stage in self.image_stages[start:stop]:
            activation = self._run_stage(stage, activation)
        return activation

    def _run_stage(self, stage: str, activation: Tensor) -> Tensor:
        vision = self._model.vision_model
        if stage == "stem":
            hidden = vision.embeddings(activation)
            return cast(Tensor, hidden if self.is_siglip else vision.pre_layrnorm(hidden))
        if stage == "head":
            if self.is_siglip:
                return cast(Tensor, vision.head(vision.post_layernorm(activation)))
            return cast(Tensor, self._model.visual_projection(vision.post_layernorm(activation[:, 0])))
        made = vision.encoder.layers[int(stage.removeprefix("block"))](activation, attention_mask=None)
        return cast(Tensor, made[0] if isinstance(made, tuple) else made)

    def locate(self, name: str) -> Place:
        """Tower, stage and role, read off transformers' tensor names."""
        if name in {"logit_scale", "logit_bias"}:
            return Place(tower="joint", stage="scale", role="scale")
        image = name.startswith(("vision_model.", "visual_projection."))
        block = _BLOCK.search(name)
        if block:
            stage = f"block{block[1]}"
        elif image:
            stage = "stem" if ".embeddings." in name or ".pre_layrnorm." in name else "head"
        else:
            stage = "embedding" if ".embeddings." in name else "head"
        return Place(tower="image" if image else "text", stage=stage, role=_role(name))

    def save(self, folder: Path) -> str:
        """The folder as transformers writes it: configuration, weights, tokenizer and processor."""
        self._model.save_pretrained(str(folder))
        self.tokenizer.save_pretrained(str(folder))
        self.processor.save_pretrained(str(folder))
        return f"transformers.{type(self.module).__name__}.from_pretrained({str(folder)!r})"


_OF_PIXELS = {
    *(
        "do_resize",
        "size",
        "resample",
        "do_center_crop",
        "crop_size",
        "do_convert_rgb",
        "do_pad",
        "image_processor_type",
    ),
}
"""Settings of a processor that decide the pixels, before they are normalised."""


def _role(name: str) -> Role:
    if name.startswith("text_model.head."):
        return "projection"  # SigLIP's; its image tower ends in an attention head
    return next((role for word, role in _ROLES if word in name), "other")


def plain_config(config: Any) -> dict[str, Any]:  # noqa: ANN401  (of transformers, which an extra brings)
    """A configuration as data, without names of versions and places."""

    def without(table: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in table.items() if key not in _OF_PLACES}
        return {key: without(value) if isinstance(value, dict) else value for key, value in kept.items()}

    return without(json.loads(config.to_json_string(use_diff=False)))


_OF_PLACES = {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures"}


def open_transformers(folder: Path, *, name: str) -> TransformersClip:
    """The model in a folder of transformers' layout. No code of the folder is run.

    Raises:
        InputError: transformers is not installed, it is no CLIPModel or SiglipModel, or a part is missing or broken.
    """
    library = import_transformers()
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = _KINDS[config["model_type"]]
    except OSError as error:
        raise InputError(
            f"no config.json in {str(folder)!r} ({error.strerror}); give a model of the library transformers"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{str(folder / 'config.json')!r} is of no CLIPModel or SiglipModel ({type(error).__name__}: {error}); "
            f"types of model that are taken: {', '.join(_KINDS)}"
        ) from error
    tensors = read_tensors(find_weights(folder))
    model = _made(name, "model", lambda: _build(library, kind, config))
    load_strictly(model, tensors, source=str(folder))
    tokenizer = _made(
        name,
        "tokenizer",
        lambda: library.AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False),
    )
    processor = _made(
        name,
        "image processor",
        lambda: getattr(library, f"{kind}ImageProcessor").from_pretrained(str(folder), local_files_only=True),
    )
    if abs(float(getattr(processor, "rescale_factor", 1 / 255)) - 1 / 255) > 1e-6 or not processor.do_normalize:
        raise InputError(f"the image processor of {name!r} neither scales by 1/255 nor normalises, as CLIP's do")
    return TransformersClip(model, tokenizer, processor, name=name)


def import_transformers() -> Any:  # noqa: ANN401  (of an extra)
    """The library, quiet and without a look at the network.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    try:
        library = importlib.import_module("transformers")
    except ImportError as error:
        raise InputError(
            f"models of transformers need that library ({error}); pip install 'unlearn-bench[transformers]'"
        ) from error
    library.logging.set_verbosity_error()
    return library


def _build(library: Any, kind: str, config: dict[str, Any]) -> nn.Module:  # noqa: ANN401
    settings = getattr(library, f"{kind}Config").from_dict(config)
    with torch.random.fork_rng(devices=[]):  # it initialises from the global generator
        return cast(nn.Module, getattr(library, f"{kind}Model")(settings))


def _made(name: str, part: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return make()
    except Exception as error:  # a folder of somebody's: what is raised depends on what is wrong
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(f"the {part} of {name!r} can't be made ({reason}); complete its folder") from error
