"""What models can be named, told without importing torch."""

from dataclasses import dataclass

from unlearn_bench.registry import catalogue

QUICK, PLAIN = "-quickgelu", "-gelu"
"""What open_clip, and we, hang on an architecture's name for its activation."""

MINI = ("mini-rn", "mini-vit")


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
    ModelInfo(name="FILE.py:FUNCTION", summary="a function without arguments that returns a Clip"),
)


def list_models() -> tuple[ModelInfo, ...]:
    """The ways of naming a model, then what the entry points of `unlearn_bench.models` add."""
    added = catalogue("models").values()
    return _FORMS + tuple(ModelInfo(name=entry.name, summary=entry.summary) for entry in added)
