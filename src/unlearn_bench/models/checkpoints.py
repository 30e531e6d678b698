"""Reading weights without running code: safetensors, or torch files that hold tensors and nothing else."""

import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load, load_file
from torch import Tensor, nn

from unlearn_bench.errors import InputError
from unlearn_bench.models.state_names import fitted
from unlearn_bench.shown import visible

PREFERRED = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""Names of weights in a folder, in open_clip's order."""

INDEX = ".safetensors.index.json"
"""How the index of weights in several files ends."""

_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Under which training scripts keep a state beside their own facts."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a `.safetensors` file, in a torch file (`weights_only=True`), or in the files of an index.

    A training checkpoint's outer `state_dict`, `model` or `model_state_dict` is taken off, however deep; names keep
    their prefixes, which only the model's own names can tell from theirs.

    Args:
        path: of a file, or of the `.safetensors.index.json` of several.

    Raises:
        InputError: no such file, one that can't be read for whatever reason, a TorchScript archive, or a pickle that
            holds more than tensors.
    """
    if not path.is_file():
        raise InputError(f"no weights at {str(path)!r}; give the path of a .safetensors or torch file")
    try:
        if path.name.endswith(INDEX):
            return _read_sharded(path)
        if path.suffix == ".safetensors":
            return load_safetensors(path)
        refuse_torchscript(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on a pickle's protocol; the refusal below says enough
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(
            f"weights {str(path)!r} hold more than tensors and are not loaded, since that would run code; "
            "save a state dict, best as .safetensors"
        ) from error
    except Exception as error:  # what a reader raises depends on where the damage is
        raise InputError(
            f"weights {str(path)!r} can't be read, perhaps truncated ({_first_line(error)}); fetch them again"
        ) from error
    loaded = _unwrapped(loaded)
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(item, Tensor) for item in loaded.values()):
        raise InputError(f"weights {str(path)!r} are no state dict (name to tensor); save model.state_dict()")
    return {str(name): value for name, value in loaded.items()}


def _unwrapped(loaded: object) -> object:
    """What is inside all wrappers; one that holds itself is no state."""
    seen = set()
    while isinstance(loaded, Mapping) and id(loaded) not in seen:
        seen.add(id(loaded))
        inner = next((loaded[key] for key in _WRAPPERS if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    return loaded


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """What is in the file; safetensors itself opens none whose path is no UTF-8."""
    if visible(str(path)) == str(path):
        return dict(load_file(path))
    return dict(load(path.read_bytes()))


def find_weights(folder: Path) -> Path:
    """The file of weights in a folder, in the order in which open_clip looks; then the index of several files.

    Raises:
        InputError: no such folder, or no weights in it.
    """
    if not folder.is_dir():
        raise InputError(f"no folder at {str(folder)!r}; give a folder with a model's configuration and weights")
    for name in PREFERRED:
        if (folder / name).is_file():
            return folder / name
    indices = sorted(folder.glob(f"*{INDEX}"))
    if indices:
        return indices[0]
    files = sorted(path for path in folder.iterdir() if path.suffix in {".safetensors", ".bin", ".pth"})
    if not files:
        raise InputError(
            f"no weights in {str(folder)!r}; expected {PREFERRED[0]}, or another name that open_clip takes"
        )
    return min(files, key=lambda path: (path.suffix != ".safetensors", path.name))


def _read_sharded(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index names; each must lie beside it."""
    places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    found: dict[str, Tensor] = {}
    for file in sorted(set(places.values())):
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise InputError(f"index {str(index)!r} names {file!r}; expected .safetensors files beside it")
        part = index.with_name(file)
        if not part.is_file():
            raise InputError(f"index {str(index)!r} names {file!r}, which is not there; complete the folder")
        found |= load_safetensors(part)
    lacking = sorted(places.keys() - found.keys())
    if lacking:
        raise InputError(f"the files of index {str(index)!r} lack {lacking[0]!r}; fetch them again")
    return found


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Put exactly these tensors into `model`, cast to fp32; names and sizes are brought to its own first.

    Raises:
        InputError: names or shapes differ, that is, the weights belong to another architecture; or values that are
            no real numbers, or not finite.
    """
    tensors = fitted(model, tensors, source=source)
    own = model.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape]
    if missing or extra or shapes:
        found = f"missing {missing[:2]}, unexpected {extra[:2]}, other shape {sorted(shapes)[:2]}"
        raise InputError(f"weights {source!r} are of another architecture ({found}); name the one they belong to")
    try:
        cast = {name: value.to(own[name].dtype) for name, value in tensors.items() if not value.is_complex()}
        odd = [name for name, value in cast.items() if value.is_floating_point() and not _all_finite(value)]
        odd += sorted(tensors.keys() - cast.keys())
        if odd:
            raise InputError(
                f"weights {source!r} have values that are no finite numbers, in {odd[0]!r}; fetch them again"
            )
        model.load_state_dict(cast, strict=True)
    except (RuntimeError, NotImplementedError, TypeError) as error:  # kinds of tensors that hold no values
        raise InputError(
            f"weights {source!r} can't be used ({_first_line(error)}); save them as plain tensors"
        ) from error


def _all_finite(values: Tensor) -> bool:
    """In one pass and without a copy: what is not finite shows in the extremes."""
    return not values.numel() or all(bool(torch.isfinite(extreme)) for extreme in torch.aminmax(values))


def refuse_torchscript(path: Path) -> None:
    """Raise an InputError where the file is a TorchScript archive: loading one runs what is in it."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:  # a directory that is damaged, in whatever way
        raise InputError(
            f"weights {str(path)!r} can't be read, perhaps truncated ({_first_line(error)}); fetch them again"
        ) from error
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise InputError(
            f"weights {str(path)!r} are a TorchScript archive, which carries code; "
            "use the hub's open_clip weights (for example RN50:openai) or a state dict as .safetensors"
        )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:120] if text else type(error).__name__
