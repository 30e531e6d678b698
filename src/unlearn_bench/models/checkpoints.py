"""Reading weights without running code: safetensors, or torch files that hold tensors and nothing else."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from unlearn_bench.errors import InputError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a `.safetensors` file or in a torch file (`weights_only=True`).

    A training checkpoint's outer `state_dict` and the `module.` prefix of data-parallel training are removed.

    Raises:
        InputError: no such file, truncated, a TorchScript archive, or a pickle that holds more than tensors.
    """
    if not path.is_file():
        raise InputError(f"no weights at {str(path)!r}; give the path of a .safetensors or torch file")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        refuse_torchscript(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on a pickle's protocol; the refusal below says enough
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, EOFError, RuntimeError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"weights {str(path)!r} can't be read, perhaps truncated ({_first_line(error)}); fetch them again"
        ) from error
    except pickle.UnpicklingError as error:
        raise InputError(
            f"weights {str(path)!r} hold more than tensors and are not loaded, since that would run code; "
            "save a state dict, best as .safetensors"
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise InputError(f"weights {str(path)!r} are no state dict (name to tensor); save model.state_dict()")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Put exactly these tensors into `model`, cast to fp32.

    Raises:
        InputError: names or shapes differ, that is, the weights belong to another architecture.
    """
    own = model.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape]
    if missing or extra or shapes:
        found = f"missing {missing[:2]}, unexpected {extra[:2]}, other shape {sorted(shapes)[:2]}"
        raise InputError(f"weights {source!r} are of another architecture ({found}); name the one they belong to")
    model.load_state_dict({name: value.to(own[name].dtype) for name, value in tensors.items()}, strict=True)


def refuse_torchscript(path: Path) -> None:
    """Raise an InputError where the file is a TorchScript archive: loading one runs what is in it."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist()):
            raise InputError(
                f"weights {str(path)!r} are a TorchScript archive, which carries code; "
                "use the hub's open_clip weights (for example RN50:openai) or a state dict as .safetensors"
            )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:120] if text else type(error).__name__
