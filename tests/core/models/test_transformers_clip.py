"""Models of transformers: the same numbers as that library's own, every method at hand, nothing of a folder run."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.core.models.small_transformers import clip_model, processor, siglip_model, tokenizer, write
from unlearn_bench.errors import InputError
from unlearn_bench.models.sources import open_model
from unlearn_bench.models.transformers_clip import TransformersClip
from unlearn_bench.training.projection import find_projection

TEXTS = ["a photo of a cat.", "a dog", "the long name of a class that goes on and on until nothing is left of it all"]


def features(found: Any) -> torch.Tensor:
    return found if isinstance(found, torch.Tensor) else found.pooler_output


def clip_of(kind: str) -> TransformersClip:
    model = clip_model() if kind == "CLIP" else siglip_model()
    return TransformersClip(model, tokenizer(), processor(kind), name=kind)


@pytest.fixture(scope="module", params=["CLIP", "Siglip"])
def clip(request: pytest.FixtureRequest) -> TransformersClip:
    return clip_of(request.param)


@torch.no_grad()
def test_embeddings_are_those_of_the_library(clip: TransformersClip) -> None:
    model: Any = clip.module
    padded = tokenizer()(TEXTS, padding="max_length", max_length=16, truncation=True, return_tensors="pt").input_ids
    expected = features(model.get_text_features(input_ids=padded))
    assert torch.allclose(clip.embed_texts(TEXTS), expected, atol=1e-5)
    inputs = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(
        clip.encode_images(inputs), features(model.get_image_features(pixel_values=inputs)), atol=1e-5
    )
    assert float((expected[0] - expected[1]).norm()) > 0.1


@torch.no_grad()
def test_logits_are_those_of_the_library(clip: TransformersClip) -> None:
    model: Any = clip.module
    inputs = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = model(input_ids=clip.tokenize(TEXTS), pixel_values=inputs).logits_per_image
    assert torch.allclose(clip.logits(clip.encode_images(inputs), clip.embed_texts(TEXTS)), expected, atol=1e-4)
    assert clip.logit_scale.shape == ()
    assert (clip.logit_bias is None) == (clip.name == "CLIP")


@torch.no_grad()
def test_stages_in_turn_are_the_tower(clip: TransformersClip) -> None:
    inputs = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    assert clip.image_stages == ("stem", "block0", "block1", "head")
    for cut in range(5):
        half = clip.run_image_stages(inputs, stop=cut)
        assert torch.allclose(clip.run_image_stages(half, start=cut), clip.encode_images(inputs), atol=1e-6)


def test_every_tensor_has_its_place(clip: TransformersClip) -> None:
    places = {weight.name: weight.place for weight in clip.weights()}
    assert {place.tower for place in places.values()} == {"image", "text", "joint"}
    assert {place.stage for place in places.values() if place.tower == "image"} == set(clip.image_stages)
    assert not [name for name, place in places.items() if place.role == "other"]
    assert places["text_model.encoder.layers.1.self_attn.k_proj.weight"].role == "attention"
    assert places["text_model.encoder.layers.1.layer_norm1.bias"].role == "norm"
    assert places["vision_model.encoder.layers.0.mlp.fc1.weight"].stage == "block0"
    assert places["vision_model.embeddings.position_embedding.weight"].role == "position_embedding"


def test_projections_are_found() -> None:
    for tower in ("image", "text"):
        found = find_projection(clip_of("CLIP"), tower)
        assert found is not None
        assert found.matrix.shape == (32, 24)
    text = find_projection(clip_of("Siglip"), "text")
    assert text is not None
    assert text.bias is not None
    assert find_projection(clip_of("Siglip"), "image") is None  # SigLIP's ends in a block


@pytest.mark.parametrize("size", [(32, 32), (70, 41), (41, 70), (20, 25)])
def test_pictures_are_prepared_by_its_own_processor(clip: TransformersClip, size: tuple[int, int]) -> None:
    noise = np.random.RandomState(0).randint(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    image = Image.fromarray(noise)
    prepared = clip.prepare(image)
    assert prepared.shape == (32, 32, 3)
    expected = clip.processor(images=image, return_tensors="pt").pixel_values
    assert torch.allclose(
        clip.to_input(torch.from_numpy(prepared)[None]), expected, atol=0.02
    )  # half a step of uint8


@pytest.mark.parametrize("make", [clip_model, siglip_model])
def test_a_folder_of_the_users(make: Any, tmp_path: Path) -> None:
    folder = write(make(), tmp_path / "mine")
    clip = open_model(f"hf:{folder}")
    assert clip.name == "hf:mine"
    assert isinstance(clip, TransformersClip)
    assert all(torch.equal(value, clip.state()[name]) for name, value in make().state_dict().items())
    assert clip.fingerprint() == open_model(f"hf:{folder}").fingerprint()
    assert clip.copy().with_state(clip.state()).fingerprint() == clip.fingerprint()
    (tmp_path / "out").mkdir()
    assert "from_pretrained" in clip.save(tmp_path / "out")
    assert open_model(f"hf:{tmp_path / 'out'}").fingerprint() == clip.fingerprint()


def test_an_old_configuration_reads_the_largest_token() -> None:
    """`eos_token_id` 2: what OpenAI's checkpoints on the hub say."""
    old = TransformersClip(clip_model(eos=2), tokenizer(), processor(), name="old")
    new = TransformersClip(clip_model(), tokenizer(), processor(), name="new")
    assert torch.allclose(old.embed_texts(TEXTS), new.embed_texts(TEXTS), atol=1e-6)


def test_weights_of_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    from unlearn_bench.models.hub_models import HubModel

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    lacking = HubModel("hf:somebody/clip")
    assert lacking.availability().state == "missing"
    with pytest.raises(
        InputError, match=r"'somebody/clip' can't be fetched from the hub .*prepare --model hf:somebody/"
    ):
        open_model("hf:somebody/clip")
    folder = tmp_path / "hub" / "models--somebody--clip"
    commit = "0" * 40
    write(clip_model(), folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    found = HubModel("hf:somebody/clip").folder()
    if found is None:
        pytest.skip("this version of the hub's client reads its folder at import")
    assert open_model("hf:somebody/clip").name == "hf:somebody/clip"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json in"),
        (lambda folder: (folder / "config.json").write_text("{"), "is of no CLIPModel or SiglipModel"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "are taken: clip, siglip"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights in"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "can't be read"),
        (lambda folder: (folder / "preprocessor_config.json").write_text("{"), "the image processor of"),
    ],
)
def test_a_broken_folder_is_one_line(change: Any, message: str, tmp_path: Path) -> None:
    folder = write(clip_model(), tmp_path / "mine")
    change(folder)
    with pytest.raises(InputError, match=message) as caught:
        open_model(f"hf:{folder}")
    assert "\n" not in str(caught.value)


def test_code_of_a_folder_is_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "code-ran"
    folder = write(clip_model(), tmp_path / "mine")
    (folder / "evil.py").write_text(f"open({str(sign)!r}, 'w')\nclass Evil: pass\n")
    mapped = {"AutoTokenizer": ["evil.Evil", "evil.Evil"], "AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}
    for name in ("config.json", "tokenizer_config.json"):
        written = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**written, "auto_map": mapped, "tokenizer_class": "Evil"}))
    with suppress(InputError):  # whether it is refused is the library's choice
        open_model(f"hf:{folder}")
    assert not sign.exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder at .*; give hf:owner/name or a model's folder"):
        open_model(f"hf:{tmp_path / 'nowhere'}")
