"""Weights on their way into a model, tokenizers that they need, weights at an address, archives with code."""

import sys
import zipfile
from pathlib import Path
from typing import Any

import open_clip
import pytest

from tests.core import tiny
from tests.core.hub import Server, asset, block_network, place, refusal, sha256
from unlearn_bench.downloads.transfer import silent
from unlearn_bench.errors import InputError
from unlearn_bench.models import open_clip_weights as weights
from unlearn_bench.models.open_clip_weights import UrlWeights
from unlearn_bench.models.sources import open_model

RN50, SIGLIP = "timm/resnet50_clip.openai", "ViT-B-16-SigLIP:webli"
SAFE, PICKLED = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"

pytestmark = pytest.mark.usefixtures("hub")


def test_open_model_takes_cached_weights_without_the_network(
    hub: Path, small_rn50: None, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(hub, RN50, SAFE, content)
    tried = block_network(monkeypatch)
    clip = open_model("RN50")
    assert tried == []
    kinds = {type(module).__name__ for module in clip.module.modules()}
    assert "QuickGELU" in kinds
    assert "GELU" not in kinds
    expected = tiny.resnet(seed=3).state()
    assert all((value == expected[name]).all() for name, value in clip.state().items())


def test_open_model_fetches_and_verifies(small_rn50: None, server: Server, content: bytes) -> None:
    server.add_to_hub(RN50, SAFE, content, etag=sha256(b"another"))
    with pytest.raises(InputError, match="wrong checksum"):
        open_model("RN50:openai")
    server.add_to_hub(RN50, SAFE, content)
    assert open_model("RN50:openai").name == "RN50:openai"
    asked = len(server.asked)
    open_model("RN50:openai")
    assert len(server.asked) == asked


def test_open_model_names_the_remedy_for_weights_that_do_not_load(hub: Path, small_rn50: None) -> None:
    place(hub, RN50, SAFE, b"half a file")
    with pytest.raises(InputError, match=r"can't be loaded .*`unlearn-bench prepare --model RN50:openai`") as caught:
        open_model("RN50:openai")
    assert "\n" not in str(caught.value)


def test_siglip_without_transformers(
    hub: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "its tokenizer (timm/ViT-B-16-SigLIP) needs `pip install transformers`" in refusal(SIGLIP)
    with pytest.raises(InputError, match="pip install transformers") as caught:
        open_model(SIGLIP)
    assert "\n" not in str(caught.value)
    assert server.asked == [], "nothing is downloaded that can't be used"
    place(hub, "timm/ViT-B-16-SigLIP", SAFE, content)
    availability = asset(SIGLIP).availability()
    assert availability.state == "partial"
    assert "pip install transformers" in availability.note


def test_siglip_with_transformers(hub: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: object())
    repository = "timm/ViT-B-16-SigLIP"
    server.add_to_hub(repository, SAFE, content)

    place(hub, repository, "tokenizer_config.json", b"{}")

    def client(name: str, *, trust_remote_code: bool) -> None:
        assert not trust_remote_code
        for file in ("tokenizer.json", "tokenizer_config.json"):
            place(hub, repository, file, b"{}")

    def offline(name: str, *, trust_remote_code: bool) -> None:
        raise OSError("no connection")

    monkeypatch.setattr(open_clip, "get_tokenizer", offline)
    assert "the tokenizer of 'ViT-B-16-SigLIP:webli' can't be fetched (OSError: no connection)" in refusal(SIGLIP)
    assert "its tokenizer (timm/ViT-B-16-SigLIP) is not here" in asset(SIGLIP).availability().note
    monkeypatch.setattr(open_clip, "get_tokenizer", client)
    asset(SIGLIP).fetch(silent)
    assert asset(SIGLIP).availability().state == "present"


@pytest.fixture
def url(server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """RN50:openai from an address alone, as open_clip has it where the hub's entry is lacking."""
    path = f"/openaipublic/models/{sha256(content)}/RN50.safetensors"
    server.files[path] = content
    entry: dict[str, Any] = {"url": server.address + path, "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED["RN50"], "openai", entry)
    return server.address + path


def test_weights_at_an_address(
    url: str, server: Server, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "home" / ".cache" / "clip" / "RN50.safetensors"
    found = asset()
    assert isinstance(found, UrlWeights)
    assert (found.source, found.licence, found.availability().state) == (url, "MIT", "missing")
    assert f"download {url}" in found.availability().note
    target.parent.mkdir(parents=True)
    target.with_name("RN50.safetensors.incomplete").write_bytes(content[:1000])
    assert found.availability().state == "partial"
    found.fetch(silent)
    assert server.ranges_of("RN50.safetensors") == ["bytes=1000-"]
    assert target.read_bytes() == content
    block_network(monkeypatch)
    assert found.availability().state == "present"
    found.fetch(silent)
    assert open_clip.download_pretrained(open_clip.get_pretrained_cfg("RN50", "openai")) == str(target)


def test_weights_at_an_address_that_are_wrong(
    url: str, server: Server, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "home" / ".cache" / "clip" / "RN50.safetensors"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"half a file, as open_clip leaves it")
    assert asset().availability().state == "partial"
    asset().fetch(silent)
    assert target.read_bytes() == content
    assert target.with_name("RN50.safetensors.broken").read_bytes().startswith(b"half a file")
    target.unlink()
    server.files = dict.fromkeys(server.files, b"x" * 50)
    message = refusal()
    assert str(target.with_name("RN50.safetensors.broken")) in message
    block_network(monkeypatch)
    assert "can't be reached" in refusal()


def test_open_clips_own_addresses_hold_the_start_of_the_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = "https://github.com/mlfoundations/open_clip/releases/download/v0.2-weights/rn50-cc12m-5891b5b5.pt"
    for place_, state in ((address, "present"), (address.replace("5891b5b5", "5891b5b6"), "partial")):
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED["RN50"], "cc12m", {"url": place_})
        found = asset("RN50:cc12m")
        assert isinstance(found, UrlWeights)
        found.target.parent.mkdir(parents=True, exist_ok=True)
        found.target.write_bytes(b"hello\n")
        assert found.availability().state == state
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED["RN50"], "cc12m", {"url": "https://example.org/x.pt"})
    found = asset("RN50:cc12m")
    assert isinstance(found, UrlWeights)
    found.target.write_bytes(b"anything")
    assert found.availability().state == "present", "nobody says what it must be"


def test_a_torchscript_archive_is_refused(small_rn50: None, hub: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.pt", "w") as archive:
        archive.writestr("RN50/constants.pkl", b"x")
        archive.writestr("RN50/code/__torch__.py", b"raise SystemExit")
    place(hub, RN50, PICKLED, (tmp_path / "archive.pt").read_bytes())
    for spec in ("RN50:openai", f"RN50-quickgelu:{tmp_path / 'archive.pt'}"):
        with pytest.raises(InputError, match="TorchScript archive, which carries code") as caught:
            open_model(spec)
        assert "\n" not in str(caught.value)
