"""`OpenClip`: any model of the open_clip library behind the `Clip` interface."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import Transformer, VisionTransformer
from PIL import Image
from torch import Tensor, nn

from unlearn_bench.cache import write_text
from unlearn_bench.clip import Clip, Place, Role, resize_and_crop, write_tensors
from unlearn_bench.models.hub_models import refuse_text_code
from unlearn_bench.models.quick import resnet, transformer
from unlearn_bench.models.quick.plain import is_plain, is_unheard

CONFIG_FILE, WEIGHTS_FILE = "open_clip_config.json", "open_clip_model.safetensors"
"""What open_clip looks for in a `local-dir:`."""

Tokenizer = Callable[[list[str]], Tensor]

TEXT_GRAIN = 8
"""Texts are computed in multiples of so many tokens: few lengths, so that batches of different texts round alike."""


class OpenClip(Clip):
    """A dual encoder built by open_clip, cast to fp32 and put into evaluation mode.

    A ModifiedResNet runs in the stages stem, layer1 .. layer4, attnpool; a VisionTransformer in stem,
    block0 .., head; any other image tower (timm's, say) in one.

    Args:
        model: what open_clip built: `CLIP` or `CustomTextCLIP`.
        tokenizer: texts to ids, as open_clip makes it for the same configuration.
        name: what reports call the model.
        config: open_clip's `model_cfg`, so that an unlearned model can be written out and loaded again.
        mean, std: of the input normalisation.
        interpolation, resize_mode: of the resizing, in open_clip's words: `bicubic` or `bilinear`; `shortest`
            (resize the shorter side, crop the centre) or `squash` (both sides, the shape is lost).
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        *,
        name: str,
        config: Mapping[str, Any],
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        interpolation: str = "bicubic",
        resize_mode: str = "shortest",
    ) -> None:
        self.module = model.float().eval().requires_grad_(False)
        self.name = name
        self.config = dict(config)
        self.mean, self.std = mean, std
        self.interpolation, self.resize_mode = interpolation, resize_mode
        size = cast(Any, model).visual.image_size
        self.image_size = int(size[0] if isinstance(size, tuple | list) else size)
        self.tokenizer = tokenizer

    @property
    def _model(self) -> Any:  # noqa: ANN401  (open_clip carries no types)
        return self.module

    @property
    def architecture(self) -> str:
        """open_clip's configuration as text: the activation is not in the state, yet decides the outputs."""
        return json.dumps(self.config, sort_keys=True)

    @property
    def logit_scale(self) -> Tensor:
        """exp of the stored logarithm."""
        return cast(Tensor, self._model.logit_scale.exp())

    @property
    def logit_bias(self) -> Tensor | None:
        """The stored bias of SigLIP-like models."""
        return cast("Tensor | None", getattr(self._model, "logit_bias", None))

    @property
    def preparation(self) -> str:
        """Names the resizing, so that models which resize alike share prepared images."""
        squash = "" if self.resize_mode == "shortest" else f"-{self.resize_mode}"
        return f"{self.interpolation}-{self.image_size}{squash}"

    def prepare(self, image: Image.Image) -> np.ndarray:
        """One picture to (H, W, 3) uint8, as open_clip's transform for evaluation resizes it."""
        resample = Image.Resampling[self.interpolation.upper()]
        side = self.image_size
        if self.resize_mode == "squash":
            return np.array(image.convert("RGB").resize((side, side), resample), dtype=np.uint8)
        return resize_and_crop(image, side, resample)

    def save_tokenizer(self, folder: Path) -> None:
        """Write the tokenizer's files where it has any; CLIP's own comes with open_clip."""
        save = getattr(self.tokenizer, "save_pretrained", None)
        if save is not None:
            save(str(folder))

    def save(self, folder: Path) -> str:
        """The folder's configuration, weights and tokenizer, as open_clip reads them."""
        preprocessing = {
            "mean": self.mean,
            "std": self.std,
            "interpolation": self.interpolation,
            "resize_mode": self.resize_mode,
            "size": self.image_size,
        }
        config = {"model_cfg": self.config, "preprocess_cfg": preprocessing}
        write_tensors(self.state(), folder / WEIGHTS_FILE)
        self.save_tokenizer(folder)
        write_text(folder / CONFIG_FILE, json.dumps(config, indent=2) + "\n")
        return f"open_clip.create_model_and_transforms('local-dir:{folder}')"

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Token ids (N, context length) int64."""
        return self.tokenizer(list(texts)).to(self.device)

    def encode_texts(self, tokens: Tensor) -> Tensor:
        """Embeddings (N, D) of token ids (N, L).

        CLIP's text tower looks back only and reads its output at the end of the text. So what comes after the longest
        text is not computed (class names fill 15 of 77 places), nor what the last block makes of other places.
        """
        model = self._model
        if not self._reads_one_place() or not len(tokens):
            return cast(Tensor, model.encode_text(tokens))
        ends = tokens.argmax(dim=-1)  # (N,): the end of text has the largest number
        length = min(tokens.shape[1], -(-(int(ends.max()) + 1) // TEXT_GRAIN) * TEXT_GRAIN)
        hidden = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
        *blocks, last = model.transformer.resblocks
        for block in blocks:
            hidden = block(hidden, attn_mask=model.attn_mask[:length, :length])
        found = transformer.run_last(last, hidden, ends, causal=True)  # (N, width)
        return cast(Tensor, model.ln_final(found) @ model.text_projection)

    def _reads_one_place(self) -> bool:
        """Whether the text tower is CLIP's own, as open_clip builds it."""
        model = self._model
        causal = type(model) is open_clip.CLIP and model.attn_mask is not None
        if not causal or model.text_pool_type != "argmax" or not isinstance(model.text_projection, Tensor):
            return False
        tower = model.transformer
        plain = type(tower) is Transformer and tower.batch_first and not tower.grad_checkpointing
        return plain and is_unheard(tower) and transformer.is_quick(tower.resblocks[-1])

    @property
    def image_stages(self) -> tuple[str, ...]:
        """Stage names of the image tower."""
        visual = self._model.visual
        if isinstance(visual, ModifiedResNet):
            return ("stem", "layer1", "layer2", "layer3", "layer4", "attnpool")
        if isinstance(visual, VisionTransformer):
            blocks = len(visual.transformer.resblocks)
            return ("stem", *(f"block{index}" for index in range(blocks)), "head")
        return ("tower",)

    def run_image_stages(self, activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        """Run a slice of the image tower; all slices in turn compute what open_clip computes.

        They run by the rules of `quick`, where nothing was put into them: the last block of a transformer that goes
        on with one token gives that one alone, (B, 1, W)."""
        for stage in self.image_stages[start:stop]:
            activation = self._run_stage(stage, activation)
        return activation

    def _run_stage(self, stage: str, activation: Tensor) -> Tensor:
        visual = self._model.visual
        if isinstance(visual, ModifiedResNet):
            return _run_resnet_stage(visual, stage, activation)
        if isinstance(visual, VisionTransformer):
            return _run_transformer_stage(visual, stage, activation)
        return cast(Tensor, visual(activation))

    def locate(self, name: str) -> Place:
        """Tower, stage and role, read off open_clip's tensor names."""
        if name in {"logit_scale", "logit_bias"}:
            return Place(tower="joint", stage="scale", role="scale")
        if name.startswith("visual."):
            inner = name.removeprefix("visual.")
            return Place(tower="image", stage=self._image_stage(inner), role=self._image_role(inner))
        inner = name.removeprefix("text.")
        return Place(tower="text", stage=_text_stage(inner), role=_transformer_role(inner, text=True))

    def _image_stage(self, inner: str) -> str:
        stages = self.image_stages
        head = inner.split(".", 1)[0]
        if len(stages) == 1:
            return stages[0]
        if head == "transformer":
            return f"block{inner.split('.')[2]}"
        if head in stages:
            return head
        return "head" if head in {"ln_post", "proj", "attn_pool"} else "stem"

    def _image_role(self, inner: str) -> Role:
        if not isinstance(self._model.visual, ModifiedResNet):
            return _transformer_role(inner, text=False)
        if inner.startswith("attnpool."):
            part = inner.split(".")[1]
            if part == "positional_embedding":
                return "position_embedding"
            return "projection" if part == "c_proj" else "attention"
        module = self._model.visual.get_submodule(inner.rsplit(".", 1)[0])
        return "batch_norm" if isinstance(module, nn.BatchNorm2d) else "convolution"


def _run_resnet_stage(visual: nn.Module, stage: str, activation: Tensor) -> Tensor:
    part = getattr(visual, stage)
    if stage == "stem":  # a method of the tower, not a module
        plain = is_plain(*resnet.stem_parts(visual), kinds=resnet.KINDS)
        return resnet.run_stem(visual, activation) if plain else cast(Tensor, part(activation))
    if not is_plain(part, kinds=resnet.KINDS):
        return cast(Tensor, part(activation))
    return resnet.run_pool(part, activation) if stage == "attnpool" else resnet.run_layer(part, activation)


def _run_transformer_stage(visual: Any, stage: str, activation: Tensor) -> Tensor:  # noqa: ANN401  (untyped there)
    if stage == "stem":
        return cast(Tensor, visual._embeds(activation))
    if stage == "head":
        pooled, _ = visual._pool(activation)
        return cast(Tensor, pooled if visual.proj is None else pooled @ visual.proj)
    block = visual.transformer.resblocks[int(stage.removeprefix("block"))]
    goes_on_with_one = visual.attn_pool is None and visual.pool_type == "tok"
    if goes_on_with_one and block is visual.transformer.resblocks[-1] and transformer.is_quick(block):
        first = torch.zeros(len(activation), dtype=torch.int64, device=activation.device)
        return transformer.run_last(block, activation, first, causal=False)[:, None]
    if visual.transformer.batch_first:
        return cast(Tensor, block(activation))
    return cast(Tensor, block(activation.transpose(0, 1).contiguous()).transpose(0, 1))


def _text_stage(inner: str) -> str:
    if inner.startswith("transformer.resblocks."):
        return f"block{inner.split('.')[2]}"
    return "embedding" if inner.split(".", 1)[0] in {"token_embedding", "positional_embedding"} else "head"


def _transformer_role(inner: str, *, text: bool) -> Role:
    parts = inner.split(".")
    roles: dict[str, Role] = {
        "token_embedding": "token_embedding",
        "positional_embedding": "position_embedding",
        "pos_embed": "position_embedding",
        "class_embedding": "class_embedding",
        "cls_emb": "class_embedding",
        "conv1": "patch_embedding",
        "patch_embed": "patch_embedding",
        "text_projection": "projection",
        "proj": "projection",
    }
    if parts[0] in roles and not (text and parts[0] == "proj"):
        return roles[parts[0]]
    if any(part.startswith(("ln_", "norm")) for part in parts):
        return "norm"
    if "attn" in parts or "attn_pool" in parts:
        return "attention"
    return "mlp" if "mlp" in parts else "other"


def build_open_clip(config: Mapping[str, Any]) -> nn.Module:
    """An open_clip model of this `model_cfg`, with open_clip's own random weights.

    Raises:
        InputError: its text tower is code of a repository's own, which nobody runs here.
    """
    chosen = dict(config)
    refuse_text_code(chosen.get("text_cfg", {}))
    custom = chosen.pop("custom_text", False) or "hf_model_name" in chosen.get("text_cfg", {})
    builder = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    return cast(nn.Module, builder(**chosen)).to(torch.float32)
