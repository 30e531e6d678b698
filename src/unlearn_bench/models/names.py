"""What models can be named, told without importing torch."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from unlearn_bench.registry import catalogue, is_path_target
from unlearn_bench.shown import visible

QUICK, PLAIN = "-quickgelu", "-gelu"
"""What open_clip, and we, hang on an architecture's name for its activation."""

LOCAL_FOLDER = "local-dir:"
"""What stands before a folder with a model, as in open_clip."""

HUB_MODEL = "hf-hub:"
"""What stands before a repository of the hub with a model of open_clip, as in open_clip."""

TRANSFORMERS = "hf:"
"""What stands before a repository of the hub, or a folder, with a model of transformers."""

MINI = ("mini-rn", "mini-vit")

_WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One way of naming a model, and what it stands for."""

    name: str
    summary: str


_FORMS = (
    ModelInfo(name=MINI[0], summary="embedded, ModifiedResNet with attention pool, 64 px, in the package"),
    ModelInfo(name=MINI[1], summary="embedded, vision transformer, 64 px, in the package"),
    ModelInfo(name="RN50:openai", summary="CLIP RN50 with OpenAI's weights, 224 px, fetched once"),
    ModelInfo(name="ViT-B-16:openai", summary="CLIP ViT-B/16 with OpenAI's weights, 224 px, fetched once"),
    ModelInfo(name="NAME:TAG", summary="any architecture of open_clip with one of its pretrained tags"),
    ModelInfo(name="NAME:FILE", summary="weights of your own, .safetensors or .pt; RN50-quickgelu or RN50-gelu"),
    ModelInfo(name="NAME:random", summary="an architecture of open_clip, random weights; random-7 for seed 7"),
    ModelInfo(name="local-dir:DIR", summary="a folder as open_clip and `unlearn-bench forget` write it"),
    ModelInfo(name="hf-hub:OWNER/NAME", summary="a model of open_clip on the Hugging Face hub, fetched once"),
    ModelInfo(name="hf:OWNER/NAME", summary="a CLIPModel or SiglipModel of transformers: on the hub, or hf:FOLDER"),
    ModelInfo(
        name="FILE.py:FUNCTION",
        summary="a function without arguments that returns a Clip: for a model of your own, TwoTowers around its "
        "image and text encoder; `check-model FILE.py:FUNCTION` says whether it fits",
    ),
)


def is_file(rest: str) -> bool:
    """Whether what stands after the colon of `NAME:..` is a path, not a tag."""
    return rest.endswith(_WEIGHT_SUFFIXES) or "/" in rest or os.path.isfile(rest)  # False for what no name can be


def is_hub_id(rest: str) -> bool:
    """Whether what stands after `hf:` is a repository of the hub and no folder of this machine.

    >>> is_hub_id("openai/clip-vit-base-patch32"), is_hub_id("./mine"), is_hub_id("/models/a")
    (True, False, False)
    """
    return _HUB_ID.fullmatch(rest) is not None and not Path(rest).expanduser().is_dir()


def shown_name(spec: str, own: str) -> str:
    """What reports call a model: without folders of the machine, and a plug-in by its own name.

    >>> shown_name("models/mine.py:build", "bytes-clip"), shown_name("RN50-gelu:/home/me/own.pt", "")
    ('bytes-clip', 'RN50-gelu:own.pt')
    >>> shown_name("local-dir:/home/me/forgotten/", ""), shown_name("RN50:openai", "")
    ('local-dir:forgotten', 'RN50:openai')
    >>> shown_name("hf:openai/clip-vit-base-patch32", ""), shown_name("hf:/home/me/mine", "")
    ('hf:openai/clip-vit-base-patch32', 'hf:mine')

    Args:
        spec: how it was asked for. own: its `name`, which counts where `spec` is `FILE.py:FUNCTION`.
    """
    if is_path_target(spec):
        kind, colon, rest = own.rpartition(":")
        path = rest.startswith(("/", "~"))
    else:
        kind, colon, rest = spec.partition(":")
        if f"{kind}{colon}" in {HUB_MODEL, TRANSFORMERS} and is_hub_id(rest):
            return spec
        path = "/" in rest or f"{kind}{colon}" == LOCAL_FOLDER
    return visible(f"{kind}{colon}{Path(rest).resolve().name if path else rest}")


def list_models() -> tuple[ModelInfo, ...]:
    """The ways of naming a model, then what the entry points of `unlearn_bench.models` add."""
    added = catalogue("models").values()
    return _FORMS + tuple(ModelInfo(name=entry.name, summary=entry.summary) for entry in added)
