"""The two small CLIP models of suite `mini`: their architectures, built by open_clip, and their packed
weights.

CLIP's vocabulary of 49,408 tokens stays, so that open_clip's own tokenizer serves. Its embedding would be
most of the model, though, and only a few hundred tokens occur in the suite: a weights file holds those
rows, and the others are drawn from a fixed seed when the file is loaded. They were the same, untouched,
during training.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor

from unlearn_bench.cache import atomic_path
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.models.checkpoints import load_strictly, read_tensors

NAMES = ("mini-rn", "mini-vit")

# OpenAI's, so that one preprocessing serves all models.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

VOCABULARY = 49_408
CONTEXT_LENGTH = 32
_WIDTH = 128
_EMBEDDING_STD = 0.02
_EMBEDDING_SEED = 2025

_EMBEDDING = "token_embedding.weight"
_ROWS = "token_embedding.rows"

_VISION: dict[str, dict[str, Any]] = {
    "mini-rn": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64},
    "mini-vit": {"image_size": 64, "layers": 4, "width": 128, "head_width": 32, "patch_size": 16},
}


def model_config(name: str) -> dict[str, Any]:
    """open_clip's `model_cfg` of a mini model: what goes into `open_clip_config.json`.

    Raises:
        InputError: no such model.
    """
    if name not in _VISION:
        raise unknown("mini model", name, NAMES)
    return {
        "embed_dim": 128,
        "quick_gelu": False,
        "vision_cfg": dict(_VISION[name]),
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": VOCABULARY,
            "width": _WIDTH,
            "heads": 4,
            "layers": 3,
        },
    }


@lru_cache(maxsize=1)
def tokenizer() -> open_clip.SimpleTokenizer:
    """CLIP's tokenizer at the models' context length."""
    return open_clip.SimpleTokenizer(context_length=CONTEXT_LENGTH)


def filled_embedding() -> Tensor:
    """The token embedding before any training, (49408, 128) float32, the same on every machine and
    version."""
    drawn = np.random.RandomState(_EMBEDDING_SEED).standard_normal((VOCABULARY, _WIDTH))
    # Rounded through float16 as shipped rows are, so that a row is the same whether it was shipped or drawn.
    return torch.from_numpy((drawn * _EMBEDDING_STD).astype(np.float16).astype(np.float32))


def build_untrained(name: str, seed: int) -> open_clip.CLIP:
    """The architecture with open_clip's random weights drawn from `seed`, in fp32 and training mode."""
    with torch.random.fork_rng(devices=[]):  # open_clip initialises from the global generator
        torch.manual_seed(seed)
        model = open_clip.CLIP(**model_config(name)).float()
    with torch.no_grad():
        model.token_embedding.weight.copy_(filled_embedding())
    return model


def weights_path(name: str) -> Path:
    """Where the package keeps the trained weights of a model."""
    if name not in NAMES:
        raise unknown("mini model", name, NAMES)
    return Path(__file__).parent / "weights" / f"{name}.safetensors"


def build(name: str) -> open_clip.CLIP:
    """A trained mini model, fp32, evaluation mode.

    Raises:
        InputError: no such model, or its weights are missing or of another architecture.
    """
    return load_weights(name, weights_path(name))


def load_weights(name: str, path: Path) -> open_clip.CLIP:
    """A mini model with the packed weights at `path`, cast to fp32, in evaluation mode.

    Raises:
        InputError: no file, a truncated one, or one of another architecture.
    """
    state = read_tensors(path)
    model = build_untrained(name, seed=0)
    if _ROWS not in state or _EMBEDDING not in state:
        raise InputError(f"weights {str(path)!r} are not packed by save_weights; expected {_ROWS!r} in the file")
    embedding = model.token_embedding.weight.detach().clone()  # as filled above: to draw it takes a third of a second
    embedding[state.pop(_ROWS).long()] = state[_EMBEDDING].float()
    state[_EMBEDDING] = embedding
    load_strictly(model, state, source=str(path))
    return cast(open_clip.CLIP, model.eval())


def save_weights(model: open_clip.CLIP, path: Path) -> None:
    """Pack weights as float16 safetensors: of the token embedding, only rows that training changed."""
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    packed = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    rows = torch.nonzero((packed[_EMBEDDING].float() != filled_embedding()).any(dim=1)).flatten()
    packed[_EMBEDDING] = packed[_EMBEDDING][rows].contiguous()
    packed[_ROWS] = rows.to(torch.int32)
    with atomic_path(path) as part:
        save_file(packed, part)
