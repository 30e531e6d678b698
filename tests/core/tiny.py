"""Small random models for the tests of the core: real architectures, milliseconds per pass."""

from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from unlearn_bench.models.open_clip_model import OpenClip, build_open_clip
from unlearn_bench.models.two_towers import TwoTowers

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
TEXTS = ("a red circle", "a blue circle", "a green square", "the letter k", "a wooden texture", "the digit 3")

RESNET: dict[str, Any] = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32}
TRANSFORMER: dict[str, Any] = {
    "image_size": 32,
    "layers": 2,
    "width": 32,
    "head_width": 16,
    "patch_size": 16,
}


def config(vision: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """A `model_cfg` with a text tower of two narrow blocks."""
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    return {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text, **extra}


def clip_of(vision: dict[str, Any], *, seed: int = 0, scale: float = 100.0, **extra: Any) -> OpenClip:
    """A random model whose tensors depend on `seed` alone; every embedding differs from the others."""
    settings = config(vision, **extra)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_open_clip(settings)
        with torch.no_grad():
            for name, value in model.named_parameters():
                if "bn3" in name and name.endswith("weight"):
                    value.fill_(1.0)  # open_clip starts these at 0, which hides the branch
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        parameters["logit_scale"].fill_(float(torch.tensor(scale).log()))
    tokenizer = open_clip.SimpleTokenizer(context_length=16)
    return OpenClip(model, tokenizer, name="tiny", config=settings, mean=MEAN, std=STD)


def resnet(seed: int = 0) -> OpenClip:
    """A ModifiedResNet with attention pool, 64 px."""
    return clip_of(RESNET, seed=seed)


def transformer(seed: int = 0) -> OpenClip:
    """A vision transformer, 32 px."""
    return clip_of(TRANSFORMER, seed=seed)


def spell(texts: list[str]) -> Tensor:
    """A tokenizer of one's own: the first eight letters, (N, 8) int64."""
    rows = [[ord(letter) % 64 for letter in text[:8].ljust(8)] for text in texts]
    return torch.tensor(rows)


def two_towers(bias: float | None = None) -> TwoTowers:
    """A model that open_clip does not build: linear image tower, bag-of-letters text tower, 8 px."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        image = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 12), nn.LayerNorm(12))
        text = nn.Sequential(nn.Embedding(64, 12), nn.Flatten(), nn.Linear(96, 12))
    return TwoTowers(image, text, spell, name="own", image_size=8, logit_scale=20.0, logit_bias=bias)
