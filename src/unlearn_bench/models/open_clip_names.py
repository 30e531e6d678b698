"""How models of open_clip are named here, and what a name settles: architecture, activation, pretrained tag."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import open_clip

from unlearn_bench.errors import InputError, unknown
from unlearn_bench.models.names import HUB_MODEL, LOCAL_FOLDER, MINI, PLAIN, QUICK, TRANSFORMERS, is_file, list_models
from unlearn_bench.registry import catalogue, is_path_target

_TOKENIZER_SETTINGS = {
    "clean",
    "strip_sep_token",
    "language",
    "reduction_mask",
    "additional_special_tokens",
    "use_fast",
}


@dataclass(frozen=True, kw_only=True)
class Published:
    """Weights that somebody published and open_clip knows.

    Attributes:
        name: open_clip's name of the architecture. tag: its pretrained tag.
        facts: open_clip's entry: where the weights are, and the preprocessing that they need.
    """

    name: str
    tag: str
    facts: Mapping[str, Any]

    @property
    def spec(self) -> str:
        """The full name of the model."""
        return f"{self.name}:{self.tag}"

    @property
    def config(self) -> dict[str, Any]:
        """open_clip's `model_cfg`, with the activation that the weights need."""
        return tag_config(self.name, self.tag)

    @property
    def name_for_file(self) -> str:
        """What to put before `:FILE` for the same weights in a file of one's own."""
        both = self.name + QUICK in open_clip.list_models()
        return self.name + (QUICK if self.config.get("quick_gelu") else PLAIN) if both else self.name


def published(spec: str) -> Published | None:
    """What `spec` names if that is published weights; None for all other ways of naming a model.

    Raises:
        InputError: no such architecture or tag, a name that needs a tag, or a captioner.
    """
    if (
        is_path_target(spec)
        or spec.startswith((LOCAL_FOLDER, HUB_MODEL, TRANSFORMERS))
        or spec in MINI
        or spec in catalogue("models")
    ):
        return None
    name, rest = split_name(spec)
    if random_seed(rest) is not None or is_file(rest):
        return None
    if name not in open_clip.list_models():
        tag = rest or default_tag(name.removesuffix(PLAIN))
        raise InputError(f"{name!r} is for files; a tag brings its activation: {name.removesuffix(PLAIN)}:{tag}")
    tag = rest or default_tag(name)
    facts = open_clip.get_pretrained_cfg(name, tag)
    if not facts:
        raise unknown(f"pretrained tag of {name!r}", tag, open_clip.list_pretrained_tags_by_model(name))
    architecture_config(name)  # refuses what is no dual encoder
    return Published(name=name, tag=tag, facts=facts)


def split_name(spec: str) -> tuple[str, str]:
    """The architecture, which open_clip must know, and what stands after the colon.

    Raises:
        InputError: no such architecture.
    """
    name, _, rest = spec.partition(":")
    if name.removesuffix(PLAIN) not in open_clip.list_models():
        raise unknown_model(name)
    return name, rest


_MOST_DIGITS = 18  # a seed of torch has 64 bits


def random_seed(rest: str) -> int | None:
    """The seed of `random` or `random-SEED`, of at most eighteen digits; None where it is something else."""
    word, _, digits = rest.partition("-")
    if word != "random" or not (digits.isdecimal() or rest == word) or len(digits) > _MOST_DIGITS:
        return None
    return int(digits or 0)


def default_tag(name: str) -> str:
    """OpenAI's tag, or the only one.

    Raises:
        InputError: there are none, or several others.
    """
    tags = open_clip.list_pretrained_tags_by_model(name)
    if "openai" in tags:
        return "openai"
    if len(tags) != 1:
        raise InputError(f"model {name!r} needs a tag, {name}:TAG; known: {', '.join(sorted(tags)) or 'none'}")
    return cast(str, tags[0])


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
    base = name.removesuffix(PLAIN)
    if base != name and base in known:
        return architecture_config(base) | {"quick_gelu": False}
    if name + QUICK in known:
        raise InputError(
            f"weights of {name!r} in a file do not tell their activation; name it: {name}{QUICK}:FILE "
            f"(OpenAI's weights) or {name}{PLAIN}:FILE"
        )
    return architecture_config(name)


def architecture_config(name: str) -> dict[str, Any]:
    """open_clip's own `model_cfg` of an architecture, set so that building it fetches no weights."""
    config = open_clip.get_model_config(name)
    if config is None:
        raise unknown_model(name)
    if "multimodal_cfg" in config:
        raise InputError(f"model {name!r} is a captioner (CoCa), not a plain dual encoder; choose another")
    return without_downloads(config)


def without_downloads(config: Mapping[str, Any]) -> dict[str, Any]:
    """A `model_cfg` whose towers start from random weights, not from weights of their own that they would fetch."""
    vision, text = dict(config["vision_cfg"]), dict(config["text_cfg"])
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    if "hf_model_name" in text:
        text["hf_model_pretrained"] = False
    return {**config, "vision_cfg": vision, "text_cfg": text}


def refuse_code(config: Mapping[str, Any], *, source: str) -> None:
    """Take a configuration from elsewhere only with settings of its tokenizer that are known to be no code.

    Raises:
        InputError: another setting, such as `trust_remote_code`, with which a file beside the weights would be run.
    """
    text = config["text_cfg"]
    settings = text.get("tokenizer_kwargs") or {}
    strange = sorted(set(settings) - _TOKENIZER_SETTINGS)
    if strange:
        raise InputError(
            f"{source!r} sets {strange[0]!r} for its tokenizer, and nothing from a model's folder is run; known are "
            f"{', '.join(sorted(_TOKENIZER_SETTINGS))}: take the others out"
        )


def unknown_model(name: str) -> InputError:
    """The error for a name that is none, with the ways of naming a model and the nearest architectures."""
    shown = [info.name for info in list_models()]
    names = {known.lower(): known for known in open_clip.list_models()}
    near = difflib.get_close_matches(name.lower(), names, n=3)
    return unknown("model", name, shown + [names[item] for item in near])
