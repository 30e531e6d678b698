"""From a name to a model: activations, folders, files, plug-ins, and what is said when it can't be."""

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save, save_file
from torch import Tensor, nn

from tests.core import tiny
from tests.core.hub import block_network, place, use_cache
from unlearn_bench import registry
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.models import embedded as mini_models
from unlearn_bench.models import names as model_names
from unlearn_bench.models import sources as model_sources
from unlearn_bench.models.open_clip_model import OpenClip, build_open_clip
from unlearn_bench.models.open_clip_names import architecture_config, file_config, tag_config
from unlearn_bench.models.sources import open_model, save_model


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub's, and no network."""
    block_network(monkeypatch)
    return use_cache(monkeypatch, tmp_path)


@pytest.fixture
def small_names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """open_clip's RN50 and RN50-quickgelu, shrunk: the rules are about names, not about size."""
    small = tiny.config(tiny.RESNET)
    configs = {"RN50": small, "RN50-quickgelu": {**small, "quick_gelu": True}, "lonely": small}
    for name, settings in configs.items():
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, settings)
    return configs


@pytest.fixture
def downloads(hub: Path) -> dict[str, Tensor]:
    """What was fetched for RN50:openai: a random state of the shrunken RN50, in half precision."""
    state = tiny.resnet(seed=3).state()
    tensors = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    place(hub, "timm/resnet50_clip.openai", "open_clip_model.safetensors", save(tensors))
    return tensors


def refusal(spec: str) -> str:
    with pytest.raises(InputError) as caught:
        open_model(spec)
    message = str(caught.value)
    assert "\n" not in message
    return message


def activations(clip: Clip) -> set[str]:
    found = {type(module).__name__ for module in clip.module.modules()}
    return found & {"QuickGELU", "GELU"}


def test_openai_weights_get_quick_gelu(small_names: dict[str, Any], downloads: dict[str, Tensor]) -> None:
    clip = open_model("RN50:openai")
    assert activations(clip) == {"QuickGELU"}
    assert clip.name == "RN50:openai"
    assert (clip.mean, clip.std) == (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    assert {weight.value.dtype for weight in clip.weights()} == {torch.float32}
    assert all(torch.equal(value, downloads[name].to(value.dtype)) for name, value in clip.state().items())
    assert not clip.module.training
    assert not any(weight.value.requires_grad for weight in clip.weights())


def test_a_bare_name_means_openais_weights(small_names: dict[str, Any], downloads: dict[str, Tensor]) -> None:
    assert open_model("RN50").name == "RN50:openai"
    assert open_model("RN50").fingerprint() == open_model("RN50:openai").fingerprint()


def test_the_two_spellings_are_one_model(small_names: dict[str, Any], downloads: dict[str, Tensor]) -> None:
    assert open_model("RN50-quickgelu:openai").fingerprint() == open_model("RN50:openai").fingerprint()


def test_the_activation_of_every_tag_is_the_tags_own() -> None:
    """open_clip 3.3 builds 27 name and tag pairs with the wrong activation, of which it only warns."""
    mended = 0
    for name, tag in open_clip.list_pretrained():
        stated = open_clip.get_pretrained_cfg(name, tag).get("quick_gelu")
        if stated is None or "multimodal_cfg" in open_clip.get_model_config(name):
            continue
        config = tag_config(name, tag)
        assert config["quick_gelu"] == stated, (name, tag)
        mended += stated != open_clip.get_model_config(name).get("quick_gelu", False)
    assert mended >= 20
    assert tag_config("RN50", "openai")["quick_gelu"] is True
    assert tag_config("ViT-B-16", "openai")["quick_gelu"] is True
    assert not tag_config("ViT-B-16", "laion2b_s34b_b88k").get("quick_gelu", False)


def test_a_tag_that_says_nothing_keeps_the_architectures_activation() -> None:
    assert tag_config("roberta-ViT-B-32", "laion2b_s12b_b32k")["quick_gelu"] is True


def test_files_must_state_their_activation(small_names: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_file(tiny.resnet(seed=4).state(), path)
    message = refusal(f"RN50:{path}")
    assert "RN50-quickgelu:FILE" in message
    assert "RN50-gelu:FILE" in message
    quick, plain = open_model(f"RN50-quickgelu:{path}"), open_model(f"RN50-gelu:{path}")
    assert activations(quick) == {"QuickGELU"}
    assert activations(plain) == {"GELU"}
    assert quick.fingerprint() != plain.fingerprint()
    texts = quick.embed_texts(tiny.TEXTS), plain.embed_texts(tiny.TEXTS)
    assert not torch.allclose(*texts)
    assert activations(open_model(f"lonely:{path}")) == {"GELU"}, "one architecture, one activation: no question"


def test_the_rule_holds_for_every_architecture_of_open_clip() -> None:
    names = set(open_clip.list_models())
    both = [name for name in names if f"{name}-quickgelu" in names]
    assert "RN50" in both
    for name in both:
        with pytest.raises(InputError, match="activation"):
            file_config(name)
        assert file_config(f"{name}-quickgelu")["quick_gelu"] is True
        assert file_config(f"{name}-gelu")["quick_gelu"] is False
    assert file_config("ViT-B-16-plus-240") == open_clip.get_model_config("ViT-B-16-plus-240")


def test_gelu_is_for_files(small_names: dict[str, Any]) -> None:
    assert "RN50:openai" in refusal("RN50-gelu:openai")


def test_files_of_another_architecture_or_broken(small_names: dict[str, Any], tmp_path: Path) -> None:
    save_file(tiny.transformer().state(), tmp_path / "vit.safetensors")
    assert "another architecture" in refusal(f"lonely:{tmp_path}/vit.safetensors")
    (tmp_path / "half.pt").write_bytes(b"PK\x03\x04half")
    assert "can't be read" in refusal(f"lonely:{tmp_path}/half.pt")
    assert "no weights at" in refusal("lonely:nowhere.pt")


def test_random_weights_follow_the_seed(small_names: dict[str, Any]) -> None:
    state = torch.random.get_rng_state()
    first, again, other = (open_model(f"RN50:{word}") for word in ("random", "random-0", "random-1"))
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert activations(open_model("RN50-quickgelu:random")) == {"QuickGELU"}
    assert activations(open_model("RN50-gelu:random")) == {"GELU"}
    assert torch.equal(torch.random.get_rng_state(), state)


def test_no_network() -> None:
    message = refusal("RN50:openai")
    other = refusal("ViT-B-16-plus-240:laion400m_e32")
    assert "can't be fetched (ConnectError: " in message
    assert "go online once" in message
    assert "RN50-quickgelu:FILE" in message
    assert "ViT-B-16-plus-240:FILE" in other


def test_a_fetched_file_that_is_broken(small_names: dict[str, Any], downloads: dict[str, Tensor], hub: Path) -> None:
    next(hub.rglob("open_clip_model.safetensors")).resolve().write_bytes(b"half a file")
    assert "can't be loaded" in refusal("RN50:openai")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("RN50:opnai", "did you mean 'openai'?"),
        ("RN5:openai", "did you mean 'RN50'?"),
        ("vit-b-16:openai", "did you mean 'ViT-B-16'?"),
        ("mini-rm", "did you mean 'mini-rn'?"),
        ("ViT-L-16", "needs a tag"),
        ("ViT-B-16-SigLIP:random-x", "unknown pretrained tag"),
        ("RN50:random-" + "9" * 5000, "unknown pretrained tag"),
        ("coca_ViT-B-32:random", "captioner"),
        ("", "unknown model ''"),
        ("local-dir:/nowhere", "no open_clip_config.json in '/nowhere'"),
    ],
)
def test_unknown_names(spec: str, expected: str) -> None:
    assert expected in refusal(spec)


def test_architectures_fetch_nothing_when_built() -> None:
    assert architecture_config("convnext_base")["vision_cfg"]["timm_model_pretrained"] is False
    assert architecture_config("roberta-ViT-B-32")["text_cfg"]["hf_model_pretrained"] is False


@pytest.fixture(params=["resnet", "transformer", "siglip-like"])
def clip(request: pytest.FixtureRequest) -> OpenClip:
    if request.param == "siglip-like":
        return tiny.clip_of(
            {**tiny.TRANSFORMER, "pool_type": "avg"}, custom_text=True, init_logit_bias=-10.0, quick_gelu=True
        )
    return tiny.resnet() if request.param == "resnet" else tiny.transformer()


def test_a_written_folder_opens_here_and_in_open_clip(clip: OpenClip, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    save_model(clip, folder, {"method": "lip", "forget": ["minaret"]})
    assert json.loads((folder / "card.json").read_text()) == {"method": "lip", "forget": ["minaret"]}
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.json",
        "open_clip_config.json",
        "open_clip_model.safetensors",
    ]
    inputs = torch.randn(2, 3, clip.image_size, clip.image_size)
    again = open_model(f"local-dir:{folder}")
    assert again.fingerprint() == clip.fingerprint()
    assert torch.equal(again.encode_images(inputs), clip.encode_images(inputs))
    assert torch.equal(again.embed_texts(tiny.TEXTS), clip.embed_texts(tiny.TEXTS))

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        images, texts = model.encode_image(inputs), model.encode_text(tokenizer(list(tiny.TEXTS)))
        torch.testing.assert_close(clip.encode_images(inputs), images, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(clip.embed_texts(tiny.TEXTS), texts, atol=1e-5, rtol=1e-4)
    picture = Image.effect_noise((90, 70), 80).convert("RGB")
    ours = clip.to_input(torch.from_numpy(clip.prepare(picture))[None])[0]
    torch.testing.assert_close(transform(picture), ours, atol=1e-5, rtol=0)


def test_preprocessing_survives_the_folder(tmp_path: Path) -> None:
    base = tiny.transformer()
    other = OpenClip(
        base.module,
        open_clip.SimpleTokenizer(context_length=16),
        name="t",
        config=base.config,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        interpolation="bilinear",
        resize_mode="squash",
    )
    save_model(other, tmp_path, {})
    again = open_model(f"local-dir:{tmp_path}")
    assert again.preparation == "bilinear-32-squash"
    assert (again.mean, again.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), "a mean of 0 is not a missing mean"
    assert again.fingerprint() == other.fingerprint()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"model_cfg": 3}', '{"model_cfg": {}, "preprocess_cfg": []}'])
def test_a_folder_with_a_broken_configuration(tmp_path: Path, text: str) -> None:
    (tmp_path / "open_clip_config.json").write_text(text)
    assert "not a configuration" in refusal(f"local-dir:{tmp_path}")


def test_a_folder_whose_parts_do_not_fit(tmp_path: Path) -> None:
    save_model(tiny.transformer(), tmp_path, {})
    save_file(tiny.resnet().state(), tmp_path / "open_clip_model.safetensors")
    assert "another architecture" in refusal(f"local-dir:{tmp_path}")
    (tmp_path / "open_clip_model.safetensors").unlink()
    assert "no weights in" in refusal(f"local-dir:{tmp_path}")
    written = json.loads((tmp_path / "open_clip_config.json").read_text())
    written["model_cfg"]["vision_cfg"]["wings"] = 2
    save_file(tiny.transformer().state(), tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text(json.dumps(written))
    assert "wings" in refusal(f"local-dir:{tmp_path}")


def test_an_output_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="output folder"):
        save_model(tiny.transformer(), tmp_path / "file", {})


PLUG_IN = """
import torch
from tests.core import tiny
from tests.core.hub import block_network, place, use_cache

def build():
    clip = tiny.two_towers()
    clip.module.half().train().requires_grad_(True)
    return clip

def needs(argument):
    return tiny.two_towers()

def wrong():
    return 3

def broken():
    raise KeyError("layers")

number = 4
"""


@pytest.fixture
def plug_in(tmp_path: Path) -> str:
    (tmp_path / "plug.py").write_text(PLUG_IN)
    return str(tmp_path / "plug.py")


def test_a_model_from_a_file(plug_in: str) -> None:
    clip = open_model(f"{plug_in}:build")
    assert not clip.module.training
    assert {weight.value.dtype for weight in clip.weights()} == {torch.float32}
    assert not any(weight.value.requires_grad for weight in clip.weights())
    assert clip.encode_images(torch.zeros(1, 3, 8, 8)).shape == (1, 12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wrong", "returned a int"),
        ("number", "is a int"),
        ("needs", "without arguments"),
        ("broken", "KeyError: 'layers'"),
        ("bild", "did you mean 'build'"),
    ],
)
def test_plug_ins_that_are_no_models(plug_in: str, name: str, expected: str) -> None:
    assert expected in refusal(f"{plug_in}:{name}")


def test_entry_points(plug_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="theirs", value="tests.core.tiny:two_towers", group="unlearn_bench.models")
    monkeypatch.setattr(registry, "installed_points", lambda group, _: [point] if group == point.group else [])
    assert open_model("theirs").name == "own"
    assert "theirs" in [info.name for info in model_names.list_models()]
    assert "theirs" in refusal("thers")


@pytest.mark.parametrize("name", model_names.MINI)
def test_mini_models(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mini_models.save_weights(mini_models.build_untrained(name, seed=0), tmp_path / f"{name}.safetensors")
    monkeypatch.setattr(mini_models, "weights_path", lambda name: tmp_path / f"{name}.safetensors")
    clip = open_model(name)
    assert isinstance(clip, OpenClip)
    assert (clip.name, clip.image_size) == (name, 64)
    assert (clip.mean, clip.std) == (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    save_model(clip, tmp_path / "out", {})
    assert open_model(f"local-dir:{tmp_path / 'out'}").fingerprint() == clip.fingerprint()


def test_the_torch_free_list_names_the_mini_models() -> None:
    assert model_names.MINI == mini_models.NAMES
    shown = [info.name for info in model_names.list_models()]
    assert shown[:4] == ["mini-rn", "mini-vit", "RN50:openai", "ViT-B-16:openai"]
    assert all(info.summary for info in model_names.list_models())


def test_files_are_prepared_as_most_of_the_architectures_tags() -> None:
    usual: Callable[[str], model_sources.Preprocessing] = model_sources._usual_preprocessing
    assert usual("RN50-gelu") == model_sources.Preprocessing()
    assert usual("ViT-L-14") == model_sources.Preprocessing()
    assert usual("ViT-B-16-SigLIP").mean == (0.5, 0.5, 0.5)
    assert usual("ViT-B-16-SigLIP").resize_mode == "squash"
    assert usual("ViT-S-32") == model_sources.Preprocessing(), "an architecture without tags"


def test_built_models_keep_their_configuration() -> None:
    model = build_open_clip({**tiny.config(tiny.TRANSFORMER), "quick_gelu": True})
    assert isinstance(model, nn.Module)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
