"""From a model's name to a `Clip`: embedded models, open_clip's, folders, files, plug-ins."""

import difflib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from safetensors.torch import save_file
from torch import nn

from unlearn_bench import mini_models
from unlearn_bench.cache import atomic_path, make_folder, write_text
from unlearn_bench.checkpoints import load_strictly, read_tensors
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.model_names import MINI, list_models
from unlearn_bench.open_clip_model import OpenClip, Tokenizer, build_open_clip
from unlearn_bench.registry import catalogue, is_path_target, load

LOCAL_FOLDER = "local-dir:"
_QUICK, _PLAIN = "-quickgelu", "-gelu"
_CONFIG_FILE, _WEIGHTS_FILE, _CARD_FILE = "open_clip_config.json", "open_clip_model.safetensors", "card.json"
_WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


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
            - `file.py:function`, or the name of an entry point in the group `unlearn_bench.models`: function
              without arguments that returns a `Clip`.

    Raises:
        InputError: unknown name or tag, weights that can't be read or fetched or belong to another
            architecture, a plug-in that returns something else.
    """
    if is_path_target(spec):
        return _from_function(spec, load(spec))
    if spec.startswith(LOCAL_FOLDER):
        return _from_folder(spec)
    if spec in MINI:
        return OpenClip(
            mini_models.build(spec),
            mini_models.tokenizer(),
            name=spec,
            config=mini_models.model_config(spec),
            mean=mini_models.MEAN,
            std=mini_models.STD,
        )
    added = catalogue("models")
    if spec in added:
        return _from_function(spec, load(added[spec].target))
    return _from_open_clip(spec)


def save_model(clip: OpenClip, folder: Path, card: Mapping[str, Any]) -> None:
    """Write `clip` so that open_clip loads it as `local-dir:FOLDER`, with `card` beside it as `card.json`.

    Raises:
        InputError: the folder can't be written.
    """
    make_folder(folder, what="output folder")
    preprocessing = asdict(_preprocessing_of(clip)) | {"size": clip.image_size}
    config = {"model_cfg": clip.config, "preprocess_cfg": preprocessing}
    tensors = {name: value.cpu().clone().contiguous() for name, value in clip.state().items()}
    with atomic_path(folder / _WEIGHTS_FILE) as part:
        save_file(tensors, part, metadata={"format": "pt"})
    clip.save_tokenizer(folder)
    write_text(folder / _CONFIG_FILE, json.dumps(config, indent=2) + "\n")
    write_text(folder / _CARD_FILE, json.dumps(card, indent=2) + "\n")


def tag_config(name: str, tag: str) -> dict[str, Any]:
    """open_clip's `model_cfg` for the architecture `name`, with the activation that the tag's weights need.

    open_clip itself only warns and computes with the architecture's own activation, which costs OpenAI's
    weights a few points. A tag that does not say keeps the architecture's.
    """
    config = architecture_config(name)
    stated = open_clip.get_pretrained_cfg(name, tag).get("quick_gelu")
    return config if stated is None else config | {"quick_gelu": bool(stated)}


def file_config(name: str) -> dict[str, Any]:
    """open_clip's `model_cfg` for weights in a file: the name must settle the activation.

    Raises:
        InputError: the architecture exists with both activations and `name` states none; or it is unknown.
    """
    known = open_clip.list_models()
    base = name.removesuffix(_PLAIN)
    if base != name and base in known:
        return architecture_config(base) | {"quick_gelu": False}
    if name + _QUICK in known:
        raise InputError(
            f"weights of {name!r} in a file do not tell their activation; name it: {name}{_QUICK}:FILE "
            f"(OpenAI's weights) or {name}{_PLAIN}:FILE"
        )
    return architecture_config(name)


def architecture_config(name: str) -> dict[str, Any]:
    """open_clip's own `model_cfg` of an architecture, set so that building it fetches no weights."""
    config = open_clip.get_model_config(name)
    if config is None:
        raise _unknown_model(name)
    if "multimodal_cfg" in config:
        raise InputError(f"model {name!r} is a captioner (CoCa), not a plain dual encoder; choose another")
    return _without_downloads(config)


def _without_downloads(config: dict[str, Any]) -> dict[str, Any]:
    vision, text = dict(config["vision_cfg"]), dict(config["text_cfg"])
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    if "hf_model_name" in text:
        text["hf_model_pretrained"] = False
    return {**config, "vision_cfg": vision, "text_cfg": text}


def _from_open_clip(spec: str) -> OpenClip:
    name, _, rest = spec.partition(":")
    if name.removesuffix(_PLAIN) not in open_clip.list_models():
        raise _unknown_model(name)
    seed = _random_seed(rest)
    if seed is not None:
        config = file_config(name) if name.endswith(_PLAIN) else architecture_config(name)
        return _assemble(spec, _build(spec, config, seed=seed), config, _usual_preprocessing(name))
    if rest.endswith(_WEIGHT_SUFFIXES) or "/" in rest or Path(rest).is_file():
        config = file_config(name)
        tensors = read_tensors(Path(rest).expanduser())
        model = _build(spec, config)
        load_strictly(model, tensors, source=rest)
        return _assemble(spec, model, config, _usual_preprocessing(name))
    return _from_tag(name, rest or _default_tag(name))


def _from_tag(name: str, tag: str) -> OpenClip:
    if name not in open_clip.list_models():
        raise InputError(f"{name!r} is for files; a tag brings its activation: {name.removesuffix(_PLAIN)}:{tag}")
    tags = open_clip.list_pretrained_tags_by_model(name)
    facts = open_clip.get_pretrained_cfg(name, tag)
    if not facts:
        raise unknown(f"pretrained tag of {name!r}", tag, tags)
    spec, config = f"{name}:{tag}", tag_config(name, tag)
    try:
        path = open_clip.download_pretrained(facts)
    except Exception as error:  # the hub's client raises errors of many libraries
        raise InputError(
            f"the weights of {spec!r} can't be fetched ({_brief(error)}); go online once, "
            f"or fetch them elsewhere and give {_name_for_file(name, config)}:FILE"
        ) from error
    model = _build(spec, config)
    try:
        open_clip.load_checkpoint(model, path, strict=True, weights_only=True)
    except Exception as error:  # unpickling errors are of many kinds too
        raise InputError(
            f"the weights of {spec!r} at {str(path)!r} can't be loaded ({_brief(error)}); "
            "remove the file and run again"
        ) from error
    return _assemble(spec, model, config, _preprocessing(facts))


def _from_folder(spec: str) -> OpenClip:
    folder = Path(spec.removeprefix(LOCAL_FOLDER)).expanduser()
    try:
        written = json.loads((folder / _CONFIG_FILE).read_text(encoding="utf-8"))
        config = _without_downloads(written["model_cfg"])
        preprocessing = _preprocessing(written.get("preprocess_cfg", {}))
    except OSError as error:
        raise InputError(
            f"no {_CONFIG_FILE} in {str(folder)!r} ({error.strerror}); give a folder that `forget` wrote"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{str(folder / _CONFIG_FILE)!r} is not a configuration of open_clip ({_brief(error)}); "
            "expected JSON with 'model_cfg' and 'preprocess_cfg'"
        ) from error
    tensors = read_tensors(folder / _WEIGHTS_FILE)
    model = _build(spec, config)
    load_strictly(model, tensors, source=str(folder))
    return _assemble(spec, model, config, preprocessing, tokenizer_of=f"{LOCAL_FOLDER}{folder}")


def _from_function(spec: str, function: object) -> Clip:
    if not callable(function):
        raise InputError(f"model {spec!r} is a {type(function).__name__}; expected a function that returns a Clip")
    try:
        clip = function()
    except InputError:
        raise
    except Exception as error:  # a plug-in may raise anything
        raise InputError(
            f"model {spec!r} can't be built ({_brief(error)}); expected a function without arguments"
        ) from error
    if not isinstance(clip, Clip):
        raise InputError(f"model {spec!r} returned a {type(clip).__name__}; expected an unlearn_bench.clip.Clip")
    clip.module.float().eval().requires_grad_(False)
    return clip


def _build(spec: str, config: Mapping[str, Any], *, seed: int = 0) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):  # open_clip initialises from the global generator
            torch.manual_seed(seed)
            return build_open_clip(config)
    except Exception as error:  # a configuration from a file, or a library that is not installed
        raise InputError(
            f"model {spec!r} can't be built ({_brief(error)}); check its configuration, "
            "and that the libraries it needs (transformers, timm) are installed"
        ) from error


def _assemble(
    spec: str,
    model: nn.Module,
    config: Mapping[str, Any],
    preprocessing: Preprocessing,
    *,
    tokenizer_of: str | None = None,
) -> OpenClip:
    name = tokenizer_of or spec.partition(":")[0].removesuffix(_PLAIN)
    try:
        tokenizer: Tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # transformers is missing, or the hub's client can't reach it
        raise InputError(
            f"the tokenizer of {spec!r} can't be made ({_brief(error)}); SigLIP's and others need "
            "`pip install transformers` and one download"
        ) from error
    return OpenClip(model, tokenizer, name=spec, config=config, **asdict(preprocessing))


def _random_seed(text: str) -> int | None:
    word, _, digits = text.partition("-")
    if word != "random" or not (digits.isdecimal() or text == word):
        return None
    return int(digits or 0)


def _default_tag(name: str) -> str:
    tags = open_clip.list_pretrained_tags_by_model(name)
    if "openai" in tags:
        return "openai"
    if len(tags) != 1:
        raise InputError(f"model {name!r} needs a tag, {name}:TAG; known: {', '.join(sorted(tags)) or 'none'}")
    return cast(str, tags[0])


def _usual_preprocessing(name: str) -> Preprocessing:
    """What most of the architecture's tags use; OpenAI's where it has no tag."""
    base = name.removesuffix(_PLAIN)
    tags = open_clip.list_pretrained_tags_by_model(base)
    found = Counter(_preprocessing(open_clip.get_pretrained_cfg(base, tag)) for tag in tags)
    return found.most_common(1)[0][0] if found else Preprocessing()


def _preprocessing(facts: Mapping[str, Any]) -> Preprocessing:
    usual = asdict(Preprocessing())
    chosen = {key: facts.get(key) or value for key, value in usual.items()}
    return Preprocessing(**{**chosen, "mean": tuple(chosen["mean"]), "std": tuple(chosen["std"])})


def _preprocessing_of(clip: OpenClip) -> Preprocessing:
    return Preprocessing(mean=clip.mean, std=clip.std, interpolation=clip.interpolation, resize_mode=clip.resize_mode)


def _name_for_file(name: str, config: Mapping[str, Any]) -> str:
    both = name + _QUICK in open_clip.list_models()
    return name + (_QUICK if config.get("quick_gelu") else _PLAIN) if both else name


def _unknown_model(name: str) -> InputError:
    shown = [info.name for info in list_models()]
    names = {known.lower(): known for known in open_clip.list_models()}
    near = difflib.get_close_matches(name.lower(), names, n=3)
    return unknown("model", name, shown + [names[item] for item in near])


def _brief(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:160]}" if text else type(error).__name__
