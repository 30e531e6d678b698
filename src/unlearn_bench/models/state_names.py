"""From the tensors of somebody's checkpoint to the state of a model: other prefixes, harmless extras, other sizes."""

import re
from collections.abc import Collection, Mapping
from typing import Any, cast

import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed, resize_text_pos_embed
from torch import Tensor, nn

from unlearn_bench.errors import InputError

_WRAPPING = ("module.", "model.", "_orig_mod.", "_fsdp_wrapped_module.")
"""What data-parallel training, Lightning, compilation and sharding put before a name."""

_INSIDE = re.compile(r"(^|\.)(_orig_mod|_fsdp_wrapped_module)(?=\.)")
"""Those that wrap parts of a model too."""

_EXTRAS = re.compile(
    r"(^|\.)(position_ids|attn_mask|input_resolution|context_length|vocab_size|n_averaged|num_batches_tracked)$"
)
"""Buffers that hold no knowledge: what a library remembers of shapes, or counts."""

_OF_TRANSFORMERS = ("text_model.encoder.layers.0.", "vision_model.encoder.layers.0.")


def fitted(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """The tensors under the names, and with the shapes, that `module` has, as far as they can be brought to them.

    Wrappers' prefixes go in any order and depth, but never from a name that the module itself has. Position ids and
    other extras without knowledge are left out; scalars may have one dimension; position embeddings of another size
    are resized as open_clip does. What fits already comes back as it is.

    Raises:
        InputError: two names become one, or the checkpoint is one of transformers.
    """
    own = module.state_dict()
    if own.keys() == tensors.keys() and all(own[name].shape == value.shape for name, value in tensors.items()):
        return dict(tensors)
    named = _unwrapped(own, tensors, source=source)
    strange = not own.keys() & named.keys() - {"logit_scale", "logit_bias"}
    if strange and any(name.startswith(_OF_TRANSFORMERS) for name in named):
        raise InputError(
            f"weights {source!r} are of transformers, not of open_clip; give --model hf:FOLDER, where FOLDER holds "
            "their config.json too"
        )
    found = {name: value for name, value in named.items() if name in own or not _EXTRAS.search(name)}
    if hasattr(module, "visual"):
        found = _as_open_clip(module, found, source=source)
    for name, value in found.items():
        if name in own and own[name].shape != value.shape and own[name].numel() == value.numel() == 1:
            found[name] = value.reshape(own[name].shape)
    counted = {name: own[name] for name in own.keys() - found.keys() if name.endswith("num_batches_tracked")}
    return {**found, **counted}


def _unwrapped(own: Collection[str], tensors: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        plain = _plain(name, own)
        if plain in found:
            raise InputError(f"weights {source!r} hold {plain!r} twice, under other prefixes; keep one of them")
        found[plain] = value
    return found


def _plain(name: str, own: Collection[str]) -> str:
    """The name without what wraps it.

    >>> _plain("_orig_mod.module.model.visual._orig_mod.proj", {"visual.proj"})
    'visual.proj'
    """
    if name in own:
        return name
    plain = _INSIDE.sub("", name).removeprefix(".")
    while plain not in own:
        prefix = next((prefix for prefix in _WRAPPING if plain.startswith(prefix)), None)
        if prefix is None:
            break
        plain = plain.removeprefix(prefix)
    return plain


def _as_open_clip(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """What open_clip does to a checkpoint before it loads it."""
    model: Any = module
    try:
        found = cast("dict[str, Tensor]", convert_state_dict(model, dict(tensors)))
        if "positional_embedding" in found and not hasattr(model, "positional_embedding"):
            found = convert_to_custom_text_state_dict(found)
        _as_floats(found)
        resize_pos_embed(found, model)
        resize_text_pos_embed(found, model)
    except Exception as error:  # shapes that make no sense: what is raised depends on where
        raise InputError(
            f"weights {source!r} are of another architecture (position embeddings: {_brief(error)}); name the one "
            "they belong to"
        ) from error
    return found


def _as_floats(tensors: dict[str, Tensor]) -> None:
    """Position embeddings in fp32: half precision can't be resized on every processor."""
    for name in ("visual.positional_embedding", "positional_embedding", "text.positional_embedding"):
        if name in tensors and tensors[name].is_floating_point():
            tensors[name] = tensors[name].to(torch.float32)


def _brief(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]
