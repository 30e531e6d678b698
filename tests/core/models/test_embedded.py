"""The architectures and the packed weights."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from safetensors.torch import load_file, save_file

from unlearn_bench.benchmarks.data.embedded.drawing.captions import every_text
from unlearn_bench.errors import InputError
from unlearn_bench.models import embedded as mini_models

each_model = pytest.mark.parametrize("name", mini_models.NAMES)
MEGABYTES = 1_000_000


@each_model
def test_open_clip_builds_them(name: str) -> None:
    model = mini_models.build(name)
    assert type(model) is open_clip.CLIP
    assert isinstance(model.visual, {"mini-rn": ModifiedResNet, "mini-vit": VisionTransformer}[name])
    assert not model.training
    assert {value.dtype for value in model.state_dict().values() if value.is_floating_point()} == {torch.float32}
    assert model.vocab_size == 49_408
    assert model.encode_image(torch.zeros(2, 3, 64, 64)).shape == (2, 128)
    assert model.encode_text(mini_models.tokenizer()(["a ring", "a star", "a cup"])).shape == (3, 128)


@each_model
def test_a_configuration_is_a_fresh_copy(name: str) -> None:
    mini_models.model_config(name)["vision_cfg"]["width"] = 1
    assert mini_models.model_config(name)["vision_cfg"]["width"] > 1


@each_model
def test_building_leaves_the_global_generator_alone(name: str) -> None:
    before = torch.get_rng_state()
    first = mini_models.build_untrained(name, seed=3).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    again = mini_models.build_untrained(name, seed=3).state_dict()
    other = mini_models.build_untrained(name, seed=4).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["text_projection"], other["text_projection"])


def test_the_fill_is_that_of_every_machine() -> None:
    filled = mini_models.filled_embedding()
    assert filled.shape == (49_408, 128)
    expected = np.random.RandomState(2025).standard_normal(3) * 0.02
    np.testing.assert_allclose(filled[0, :3].numpy(), expected, atol=2e-5)
    assert torch.equal(filled, filled.half().float())
    assert filled.std().item() == pytest.approx(0.02, rel=0.01)


@each_model
def test_only_rows_that_occur_are_shipped(name: str) -> None:
    packed = load_file(mini_models.weights_path(name))
    rows = packed["token_embedding.rows"].long()
    occurring = mini_models.tokenizer()(list(every_text())).unique()
    assert set(rows.tolist()) <= set(occurring.tolist())
    assert 100 < len(rows) == len(packed["token_embedding.weight"]) < 1000
    embedding = mini_models.build(name).token_embedding.weight
    assert torch.equal(embedding[rows], packed["token_embedding.weight"].float())
    untouched = torch.ones(49_408, dtype=torch.bool)
    untouched[rows] = False
    assert torch.equal(embedding[untouched], mini_models.filled_embedding()[untouched])


@each_model
def test_weights_survive_the_round_trip(name: str, tmp_path: Path) -> None:
    model = mini_models.build(name)
    mini_models.save_weights(model, tmp_path / "again.safetensors")
    again = mini_models.load_weights(name, tmp_path / "again.safetensors")
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_float16_costs_little(tmp_path: Path) -> None:
    model = mini_models.build_untrained("mini-vit", seed=1).eval()
    mini_models.save_weights(model, tmp_path / "half.safetensors")
    half = mini_models.load_weights("mini-vit", tmp_path / "half.safetensors")
    pixels = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        cosine = torch.cosine_similarity(model.encode_image(pixels), half.encode_image(pixels))
    assert cosine.min() > 0.9999


def test_the_files_are_small() -> None:
    sizes = [mini_models.weights_path(name).stat().st_size for name in mini_models.NAMES]
    assert sum(sizes) < 8 * MEGABYTES
    assert {tensor.dtype for tensor in load_file(mini_models.weights_path("mini-rn")).values()} <= {
        torch.float16,
        torch.int32,
        torch.int64,  # batch norm's count of batches
    }


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights at"):
        mini_models.load_weights("mini-rn", tmp_path / "nothing.safetensors")
    with pytest.raises(InputError, match="of another architecture"):
        mini_models.load_weights("mini-rn", mini_models.weights_path("mini-vit"))
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not packed by save_weights"):
        mini_models.load_weights("mini-rn", tmp_path / "other.safetensors")
    whole = (mini_models.weights_path("mini-vit")).read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.safetensors"):
        mini_models.load_weights("mini-vit", tmp_path / "cut.safetensors")


@pytest.mark.parametrize("ask", [mini_models.model_config, mini_models.weights_path, mini_models.build])
def test_unknown_models_are_named(ask: object) -> None:
    with pytest.raises(
        InputError, match=r"unknown mini model 'mini-rm'; known: mini-rn, mini-vit; did you mean 'mini-rn'"
    ):
        ask("mini-rm")  # type: ignore[operator]
