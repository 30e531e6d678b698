"""Models that were trained again from scratch without the forget set: what they are called and where they lie."""

from collections.abc import Sequence
from pathlib import Path

from unlearn_bench.cache import cache_root
from unlearn_bench.clip import Clip
from unlearn_bench.models import embedded as mini_models
from unlearn_bench.models.checkpoints import read_tensors
from unlearn_bench.models.state_names import fitted

SHOWN_ROOT = "$UNLEARN_BENCH_CACHE/retrained"
"""The folder as messages and records name it: records are published, and nobody's home belongs in them."""


def file_stem(names: Sequence[str]) -> str:
    """Class names as a part of a file name, in an order of their own.

    >>> file_stem(["polka dots", "letter d"])
    'letter-d+polka-dots'
    """
    return "+".join(sorted("".join(char if char.isalnum() else "-" for char in name.lower()) for name in names))


def weights_name(fingerprint: str, forget: Sequence[str]) -> str:
    """Where the weights of a model without these classes lie below `SHOWN_ROOT`.

    Args:
        fingerprint: of the original: weights that stand beside another original are not found.
        forget: names of the classes that the model has not seen.
    """
    return f"{fingerprint}/{file_stem(forget)}.safetensors"


def weights_file(fingerprint: str, forget: Sequence[str]) -> Path:
    """The same as a path on this machine."""
    return cache_root() / "retrained" / weights_name(fingerprint, forget)


def read_retrained(clip: Clip, path: Path) -> Clip:
    """A model of `clip`'s architecture with the weights at `path`: a mini model's packed ones, or a whole state.

    Raises:
        InputError: no file, or not a mini model's. CellFailure: tensors of another architecture.
    """
    if clip.name in mini_models.NAMES:
        return clip.with_state(mini_models.load_weights(clip.name, path).state_dict())
    return clip.with_state(fitted(clip.module, read_tensors(path), source=str(path)))
