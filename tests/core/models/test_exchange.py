"""Models given back: open_clip's as transformers', and back; the text encoder of a pipeline; equal embeddings."""

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from tests.core import tiny
from tests.core.models.small_transformers import clip_model, processor, siglip_model, tokenizer, transformers
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.models.exchange.conversion import to_open_clip, to_transformers
from unlearn_bench.models.exchange.writing import (
    as_open_clip,
    as_transformers,
    check_convertible,
    reaches_encoder,
    write_model,
)
from unlearn_bench.models.open_clip_model import OpenClip
from unlearn_bench.models.sources import open_model
from unlearn_bench.models.transformers_clip import TransformersClip

TEXTS = ["a photo of a cat.", "a dog", "Naïve jaguars, 3 of them & more!"]


def inputs() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def same(one: Clip, other: Clip) -> bool:
    """Whether both embed texts and images alike, up to 1e-5."""
    with torch.no_grad():
        pairs = [(one.embed_texts(TEXTS), other.embed_texts(TEXTS))]
        pairs += [(one.encode_images(inputs()), other.encode_images(inputs()))]
    assert all(bool((a[0] != a[1]).any()) for a, _ in pairs)
    return all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


@pytest.mark.parametrize("quick", [True, False])
def test_open_clip_to_transformers(quick: bool, tmp_path: Path) -> None:
    clip = tiny.clip_of(tiny.TRANSFORMER, quick_gelu=quick)
    assert same(clip, as_transformers(clip))
    (tmp_path / "out").mkdir()
    how = write_model(clip, tmp_path / "out", "transformers")
    assert how == f"transformers.CLIPModel.from_pretrained({str(tmp_path / 'out')!r})"
    loaded: Any = transformers.CLIPModel.from_pretrained(tmp_path / "out").eval()
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    made = tokens(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        found = loaded.get_text_features(**made)
        found = found if isinstance(found, torch.Tensor) else found.pooler_output
    assert torch.allclose(found, clip.embed_texts(TEXTS), atol=1e-5)
    back = open_model(f"hf:{tmp_path / 'out'}")
    assert same(clip, back)
    picture = transformers.AutoProcessor.from_pretrained(tmp_path / "out").image_processor
    assert list(picture.image_mean) == pytest.approx(list(clip.mean))


@pytest.mark.parametrize("act", ["quick_gelu", "gelu"])
def test_transformers_to_open_clip(act: str, tmp_path: Path) -> None:
    clip = TransformersClip(clip_model(act=act), tokenizer(), processor(), name="theirs")
    assert same(clip, as_open_clip(clip))
    (tmp_path / "out").mkdir()
    assert write_model(clip, tmp_path / "out", "open_clip").startswith("open_clip.create_model_and_transforms(")
    assert same(clip, open_model(f"local-dir:{tmp_path / 'out'}"))
    loaded = open_clip.create_model(f"local-dir:{tmp_path / 'out'}").eval()
    with torch.no_grad():
        assert torch.allclose(loaded.encode_image(inputs()), clip.encode_images(inputs()), atol=1e-5)


def test_there_and_back_is_bit_for_bit() -> None:
    clip = tiny.transformer()
    state, table = to_transformers(clip.state(), clip.config)
    back, config = to_open_clip(state, table)
    assert back.keys() == clip.state().keys()
    assert all(torch.equal(value, clip.state()[name]) for name, value in back.items())
    assert config["vision_cfg"]["head_width"] == tiny.TRANSFORMER["head_width"]


def test_the_text_encoder_of_a_pipeline(tmp_path: Path) -> None:
    clip = tiny.clip_of(tiny.TRANSFORMER, quick_gelu=True)
    (tmp_path / "out").mkdir()
    how = write_model(clip, tmp_path / "out", "diffusers")
    assert "CLIPTextModel.from_pretrained" in how
    encoder: Any = transformers.CLIPTextModel.from_pretrained(tmp_path / "out" / "text_encoder").eval()
    tokens = transformers.CLIPTokenizer.from_pretrained(tmp_path / "out" / "tokenizer")
    made = tokens(TEXTS, padding="max_length", max_length=16, return_tensors="pt")
    with torch.no_grad():
        pooled = encoder(input_ids=made.input_ids).pooler_output
        expected = clip.embed_texts(TEXTS)
    projection = clip.state()["text_projection"]
    assert torch.allclose(pooled @ projection, expected, atol=1e-5)
    assert json.loads((tmp_path / "out" / "text_encoder" / "config.json").read_text())["model_type"] == (
        "clip_text_model"
    )


def test_what_a_pipeline_would_not_hear_is_told() -> None:
    """Its text encoder ends before the projection, the one thing that some methods change."""
    clip = tiny.transformer()
    assert not reaches_encoder(clip, ["text_projection", "logit_scale", "visual.proj"])
    assert reaches_encoder(clip, ["text_projection", "ln_final.weight"])


@pytest.mark.parametrize(
    ("make", "fmt", "message"),
    [
        (tiny.resnet, "transformers", "no such towers .a ResNet.; give --format open_clip"),
        (tiny.resnet, "diffusers", "no such towers .a ResNet."),
        (
            lambda: TransformersClip(siglip_model(), tokenizer(), processor("Siglip"), name="s"),
            "open_clip",
            r"^'s' is a SigLIP, whose image tower .* from timm .*; give --format transformers, which keeps it$",
        ),
        (tiny.transformer, "onnx", "unknown format of models 'onnx'; known: diffusers, open_clip, transformers"),
        (tiny.two_towers, "transformers", "a model of somebody's own .TwoTowers., which transformers can't hold"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_done(make: Any, fmt: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_convertible(make(), fmt)


def test_a_siglip_is_no_text_encoder_of_a_pipeline(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Stable Diffusion's text encoder is CLIP's"):
        write_model(
            TransformersClip(siglip_model(), tokenizer(), processor("Siglip"), name="s"), tmp_path, "diffusers"
        )


def test_its_own_format_is_its_own_library_s(tmp_path: Path) -> None:
    clip: OpenClip = tiny.transformer()
    write_model(clip, tmp_path)
    assert (tmp_path / "open_clip_model.safetensors").is_file()
