"""From a model's name to a `Clip`: embedded models, open_clip's, folders, files, plug-ins."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from torch import nn

from unlearn_bench.cache import atomic_folder, make_folder, write_text
from unlearn_bench.clip import Clip
from unlearn_bench.documents import parse_json
from unlearn_bench.downloads.transfer import brief, silent
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.models import embedded as mini_models
from unlearn_bench.models.checkpoints import find_weights, load_strictly, read_tensors, refuse_torchscript
from unlearn_bench.models.hub_models import HubModel, hub_model
from unlearn_bench.models.names import HUB_MODEL, LOCAL_FOLDER, MINI, PLAIN, is_file, shown_name
from unlearn_bench.models.open_clip_model import CONFIG_FILE, OpenClip, Tokenizer, build_open_clip
from unlearn_bench.models.open_clip_names import (
    architecture_config,
    file_config,
    random_seed,
    refuse_code,
    split_name,
    unknown_model,
    without_downloads,
)
from unlearn_bench.models.open_clip_weights import Weights, weights_asset
from unlearn_bench.models.state_names import fitted
from unlearn_bench.models.transformers_clip import open_transformers
from unlearn_bench.registry import catalogue, is_path_target, load

_CARD_FILE = "card.json"
_MOST_SHIFT = 1e6  # of pixels between 0 and 1
_INTERPOLATIONS = ("bicubic", "bilinear", "nearest", "lanczos", "hamming", "box")
_RESIZE_MODES = ("shortest", "squash")


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From a picture to the image tower's input, in open_clip's words; the defaults are OpenAI's."""

    mean: tuple[float, float, float] = mini_models.MEAN
    std: tuple[float, float, float] = mini_models.STD
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"


def open_model(spec: str) -> Clip:
    """The model that `spec` names, on the CPU, fp32, in evaluation mode; nothing in it requires a gradient.

    Args:
        spec: one of
            - `mini-rn`, `mini-vit`: the embedded models;
            - `NAME:TAG`: open_clip's names and pretrained tags; a bare `NAME` takes OpenAI's or the only one;
            - `NAME:FILE`: a state dict; where open_clip has the architecture with two activations,
              `NAME-quickgelu:FILE` or `NAME-gelu:FILE`, since weights do not tell;
            - `NAME:random`, `NAME:random-SEED`: open_clip's random weights;
            - `local-dir:DIR`: open_clip's configuration and weights in a folder;
            - `hf-hub:owner/name`: the same on the hub; from its cache, or fetched once;
            - `hf:owner/name`, `hf:FOLDER`: a CLIPModel or SiglipModel of transformers;
            - `file.py:function`, or the name of an entry point in the group `unlearn_bench.models`: function
              without arguments that returns a `Clip`.

    Raises:
        InputError: unknown name or tag, weights that can't be read or fetched or belong to another
            architecture, a plug-in that returns something else.
    """
    if is_path_target(spec):
        return _from_function(spec, load(spec))
    if spec.startswith(LOCAL_FOLDER):
        return _from_folder(spec, Path(spec.removeprefix(LOCAL_FOLDER)).expanduser())
    found = hub_model(spec)
    if found is not None:
        return _from_hub(spec, found)
    if spec in MINI:
        return _embedded(spec)
    added = catalogue("models")
    return _from_function(spec, load(added[spec].target)) if spec in added else _from_open_clip(spec)


def _embedded(name: str) -> OpenClip:
    return OpenClip(
        mini_models.build(name),
        mini_models.tokenizer(),
        name=name,
        config=mini_models.model_config(name),
        mean=mini_models.MEAN,
        std=mini_models.STD,
    )


def with_weights(clip: Clip, place: Path) -> Clip:
    """`clip` with the weights of another state: a file, or a folder that `forget` wrote.

    Raises:
        InputError: nothing to read there, or tensors of another architecture.
    """
    found = find_weights(place) if place.is_dir() else place
    try:
        return clip.with_state(fitted(clip.module, read_tensors(found), source=str(found)))
    except CellFailure as error:
        raise InputError(f"the weights {str(found)!r} are not of {clip.name!r} ({error})") from error


def save_model(clip: Clip, folder: Path, card: Mapping[str, Any]) -> str:
    """Write `clip` in its own library's form, with `card` beside it as `card.json`; says how it is loaded.

    The folder is new or empty, and there is all of it or nothing.

    Raises:
        InputError: the folder can't be written.
    """
    make_folder(folder, what="output folder")
    with atomic_folder(folder) as part:
        how = clip.save(part)
        write_text(part / _CARD_FILE, json.dumps(card, indent=2) + "\n")
    return how.replace(str(part), str(folder)).replace(part.name, folder.name)


def _from_open_clip(spec: str) -> OpenClip:
    name, rest = split_name(spec)
    seed = random_seed(rest)
    if seed is not None:
        config = file_config(name) if name.endswith(PLAIN) else architecture_config(name)
        tokenizer = _tokenizer(spec, name.removesuffix(PLAIN), config)
        return _assemble(spec, _build(spec, config, seed=seed), config, _usual_preprocessing(name), tokenizer)
    if is_file(rest):
        config = file_config(name)
        tensors = read_tensors(Path(rest).expanduser())
        model = _build(spec, config)
        load_strictly(model, tensors, source=rest)
        tokenizer = _tokenizer(spec, name.removesuffix(PLAIN), config)
        return _assemble(spec, model, config, _usual_preprocessing(name), tokenizer)
    weights = weights_asset(spec)
    if weights is None:
        raise unknown_model(name)
    return _from_asset(weights)


def _from_asset(weights: Weights) -> OpenClip:
    """Published weights: those in the cache without asking the network, others fetched first."""
    what = weights.published
    spec, config = what.spec, what.config
    tokenizer = _tokenizer(
        spec, what.name, config
    )  # first: a library that is not installed shall not wait for a download
    path = weights.file() or weights.fetch_file(silent)
    refuse_torchscript(path)
    model = _build(spec, config)
    try:
        open_clip.load_checkpoint(model, str(path), strict=True, weights_only=True)
    except Exception as error:  # unpickling errors are of many kinds too
        raise InputError(
            f"the weights of {spec!r} at {str(path)!r} can't be loaded ({brief(error)}); "
            f"check and mend them with `unlearn-bench prepare --model {spec}`"
        ) from error
    return _assemble(spec, model, config, _preprocessing(what.facts), tokenizer)


def _from_hub(spec: str, found: HubModel) -> Clip:
    folder = found.open_folder()
    if spec.startswith(HUB_MODEL):
        return _from_folder(spec, folder)
    return open_transformers(folder, name=shown_name(spec, ""))


def _from_folder(spec: str, folder: Path) -> OpenClip:
    try:
        written = parse_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        preprocessing = _checked(_preprocessing(written.get("preprocess_cfg", {})))
        config = without_downloads(written["model_cfg"])
        refuse_code(config, source=str(folder / CONFIG_FILE))
    except InputError:
        raise
    except OSError as error:
        other = "; its config.json is of transformers: give hf: in place of local-dir:"
        raise InputError(
            f"no {CONFIG_FILE} in {str(folder)!r} ({error.strerror}); give a folder that `forget` wrote"
            f"{other if (folder / 'config.json').is_file() else ''}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{str(folder / CONFIG_FILE)!r} is not a configuration of open_clip ({brief(error)}); "
            "expected JSON with 'model_cfg' and 'preprocess_cfg'"
        ) from error
    tensors = read_tensors(find_weights(folder))
    model = _build(spec, config)
    load_strictly(model, tensors, source=str(folder))
    return _assemble(spec, model, config, preprocessing, _tokenizer(spec, f"{LOCAL_FOLDER}{folder}", config))


def _from_function(spec: str, function: object) -> Clip:
    if not callable(function):
        raise InputError(f"model {spec!r} is a {type(function).__name__}; expected a function that returns a Clip")
    try:
        clip = function()
    except InputError:
        raise
    except Exception as error:  # a plug-in may raise anything
        raise InputError(
            f"model {spec!r} can't be built ({brief(error)}); expected a function without arguments"
        ) from error
    if not isinstance(clip, Clip):
        raise InputError(f"model {spec!r} returned a {type(clip).__name__}; expected an unlearn_bench.clip.Clip")
    clip.module.float().eval().requires_grad_(False)
    clip.weights()  # a model that tells roles by running itself does so as it was built, not as a method left it
    return clip


def _build(spec: str, config: Mapping[str, Any], *, seed: int = 0) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):  # open_clip initialises from the global generator
            torch.manual_seed(seed)
            return build_open_clip(config)
    except InputError as error:
        raise InputError(f"model {spec!r} can't be built: {error}") from error
    except Exception as error:  # a configuration from a file, or a library that is not installed
        raise InputError(
            f"model {spec!r} can't be built ({brief(error)}); check its configuration, "
            "and that the libraries it needs (transformers, timm) are installed"
        ) from error


def _assemble(
    spec: str,
    model: nn.Module,
    config: Mapping[str, Any],
    preprocessing: Preprocessing,
    tokenizer: Tokenizer,
) -> OpenClip:
    return OpenClip(model, tokenizer, name=shown_name(spec, ""), config=config, **asdict(preprocessing))


def _tokenizer(spec: str, name: str, config: Mapping[str, Any]) -> Tokenizer:
    """open_clip's tokenizer for `name`; one of transformers is told to run no code of its repository."""
    safe = {"trust_remote_code": False} if config["text_cfg"].get("hf_tokenizer_name") else {}
    try:
        return cast(Tokenizer, open_clip.get_tokenizer(name, **safe))
    except Exception as error:  # transformers is missing, or the hub's client can't reach it
        raise InputError(
            f"the tokenizer of {spec!r} can't be made ({brief(error)}); SigLIP's and others need "
            "`pip install transformers` and one download"
        ) from error


def _usual_preprocessing(name: str) -> Preprocessing:
    """What most of the architecture's tags use; OpenAI's where it has no tag."""
    base = name.removesuffix(PLAIN)
    tags = open_clip.list_pretrained_tags_by_model(base)
    found = Counter(_preprocessing(open_clip.get_pretrained_cfg(base, tag)) for tag in tags)
    return found.most_common(1)[0][0] if found else Preprocessing()


def _checked(found: Preprocessing) -> Preprocessing:
    """What a file says of preprocessing, if it can be carried out.

    Raises:
        ValueError: a way of resizing that is none, or a mean and deviation that are not three numbers.
    """
    for name, value, known in (
        ("interpolation", found.interpolation, _INTERPOLATIONS),
        ("resize_mode", found.resize_mode, _RESIZE_MODES),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; known: {', '.join(known)}")
    for name, values in (("mean", found.mean), ("std", found.std)):
        sound = all(isinstance(item, int | float) and abs(item) < _MOST_SHIFT for item in values)
        if len(values) != 3 or not sound or (name == "std" and min(values) <= 0):
            raise ValueError(f"{name} is {str(list(values))[:80]}; expected three numbers")
    return found


def _preprocessing(facts: Mapping[str, Any]) -> Preprocessing:
    usual = asdict(Preprocessing())
    chosen = {key: facts.get(key) or value for key, value in usual.items()}
    return Preprocessing(**{**chosen, "mean": tuple(chosen["mean"]), "std": tuple(chosen["std"])})
