"""The same CLIP under open_clip's names and under those of transformers, both ways; configurations too."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unlearn_bench.errors import InputError

State = dict[str, Tensor]

_VISION_KEYS = {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"}
_TEXT_KEYS = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}
_TOP_KEYS = {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg", "custom_text"}

_BLOCK = (
    ("ln_1.", "layer_norm1."),
    ("ln_2.", "layer_norm2."),
    ("mlp.c_fc.", "mlp.fc1."),
    ("mlp.c_proj.", "mlp.fc2."),
    ("attn.out_proj.", "self_attn.out_proj."),
)
_WHOLE = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
_TURNED = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}
"""Stored (H, D) by open_clip, (D, H) by transformers."""

_TOWERS = {
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "transformer.resblocks.": "text_model.encoder.layers.",
}
_PARTS = ("q", "k", "v")
_OWN = re.compile(r"^(visual\.transformer\.resblocks\.|transformer\.resblocks\.)(\d+\.)(.*)$")
_THEIRS = re.compile(r"^(vision_model\.encoder\.layers\.|text_model\.encoder\.layers\.)(\d+\.)(.*)$")


def to_transformers(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """A vision transformer's CLIP of open_clip as state and configuration of a `CLIPModel`.

    Raises:
        InputError: an architecture that `CLIPModel` has not, such as a ResNet or a tower of timm.
    """
    _check(config)
    found: State = {}
    for name, value in state.items():
        found |= _named_theirs(name.removeprefix("text."), value)
    return found, _their_config(config)


def to_open_clip(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """A `CLIPModel`'s state and configuration as open_clip's state and `model_cfg`.

    Raises:
        InputError: a setting that open_clip's towers have not.
    """
    text, vision = config["text_config"], config["vision_config"]
    acts = {text["hidden_act"], vision["hidden_act"]}
    if config.get("model_type") != "clip" or len(acts) != 1 or not acts <= {"gelu", "quick_gelu"}:
        raise InputError(
            f"open_clip has no such model (type {config.get('model_type')!r}, {', '.join(sorted(acts))}); give "
            "--format transformers"
        )
    back = {theirs: (own, False) for own, theirs in _WHOLE.items()}
    back |= {theirs: (own, True) for own, theirs in _TURNED.items()}
    found: State = {}
    for name, value in state.items():
        if name in back:
            own, turned = back[name]
            found[own] = value.T.contiguous() if turned else value
            continue
        match = _THEIRS.match(name)
        if match is None:
            raise InputError(f"open_clip has no tensor for {name!r}; give --format transformers")
        tower = next(own for own, theirs in _TOWERS.items() if theirs == match[1])
        inner = next((match[3].replace(b, a) for a, b in _BLOCK if match[3].startswith(b)), None)
        if inner is not None:
            found[f"{tower}{match[2]}{inner}"] = value
        elif match[3].startswith("self_attn.q_proj."):
            kind = match[3].rpartition(".")[2]
            rows = [state[f"{match[1]}{match[2]}self_attn.{part}_proj.{kind}"] for part in _PARTS]
            found[f"{tower}{match[2]}attn.in_proj_{kind}"] = torch.cat(rows)
    return found, _own_config(config, quick=acts == {"quick_gelu"})


def _named_theirs(name: str, value: Tensor) -> State:
    if name in _WHOLE:
        return {_WHOLE[name]: value}
    if name in _TURNED:
        return {_TURNED[name]: value.T.contiguous()}
    match = _OWN.match(name)
    if match is None:
        raise InputError(f"transformers' CLIPModel has no tensor for {name!r}; give --format open_clip")
    prefix = f"{_TOWERS[match[1]]}{match[2]}"
    inner = next((match[3].replace(a, b) for a, b in _BLOCK if match[3].startswith(a)), None)
    if inner is not None:
        return {f"{prefix}{inner}": value}
    kind = match[3].removeprefix("attn.in_proj_")
    if kind not in {"weight", "bias"}:
        raise InputError(f"transformers' CLIPModel has no tensor for {name!r}; give --format open_clip")
    return {
        f"{prefix}self_attn.{part}_proj.{kind}": piece
        for part, piece in zip(_PARTS, (part.contiguous() for part in value.chunk(3)), strict=True)
    }


def _check(config: Mapping[str, Any]) -> None:
    """Raise an InputError where transformers' CLIPModel can't be this."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    strange = [
        *sorted(set(config) - _TOP_KEYS),
        *sorted(set(vision) - _VISION_KEYS),
        *sorted(set(text) - _TEXT_KEYS),
    ]
    if isinstance(vision.get("layers"), list):
        strange = ["a ResNet"]
    if strange:
        raise InputError(
            f"transformers' CLIPModel has no such towers ({strange[0]}); give --format open_clip, which keeps them"
        )


def _their_config(config: Mapping[str, Any]) -> dict[str, Any]:
    vision, text = config["vision_cfg"], config["text_cfg"]
    act = "quick_gelu" if config.get("quick_gelu") else "gelu"
    last = int(text.get("vocab_size", 49408)) - 1
    ends = {"bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
    width, read = int(vision.get("width", 768)), int(text.get("width", 512))
    return {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": config["embed_dim"],
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": last + 1,
            "hidden_size": read,
            "intermediate_size": int(read * text.get("mlp_ratio", 4.0)),
            "num_hidden_layers": text.get("layers", 12),
            "num_attention_heads": text.get("heads", 8),
            "max_position_embeddings": text.get("context_length", 77),
            "projection_dim": config["embed_dim"],
            "hidden_act": act,
            **ends,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": width,
            "intermediate_size": int(width * vision.get("mlp_ratio", 4.0)),
            "num_hidden_layers": vision.get("layers", 12),
            "num_attention_heads": width // int(vision.get("head_width", 64)),
            "image_size": vision.get("image_size", 224),
            "patch_size": vision.get("patch_size", 16),
            "projection_dim": config["embed_dim"],
            "hidden_act": act,
        },
    }


def _own_config(config: Mapping[str, Any], *, quick: bool) -> dict[str, Any]:
    text, vision = config["text_config"], config["vision_config"]
    return {
        "embed_dim": config["projection_dim"],
        "quick_gelu": quick,
        "vision_cfg": {
            "image_size": vision["image_size"],
            "layers": vision["num_hidden_layers"],
            "width": vision["hidden_size"],
            "head_width": vision["hidden_size"] // vision["num_attention_heads"],
            "patch_size": vision["patch_size"],
            "mlp_ratio": vision["intermediate_size"] / vision["hidden_size"],
        },
        "text_cfg": {
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
            "width": text["hidden_size"],
            "heads": text["num_attention_heads"],
            "layers": text["num_hidden_layers"],
            "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
        },
    }
