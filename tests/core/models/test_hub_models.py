"""Models in the hub's cache, from a stand-in of its layout: no network anywhere."""

import socket
from pathlib import Path
from typing import NoReturn

import pytest

from tests.core import tiny
from unlearn_bench.benchmarks.commands.prepare import wanted
from unlearn_bench.benchmarks.presets.places import home_of, preset_name
from unlearn_bench.errors import InputError
from unlearn_bench.models.hub_models import HubModel, hub_model
from unlearn_bench.models.names import shown_name
from unlearn_bench.models.open_clip_weights import weights_asset
from unlearn_bench.models.sources import open_model, save_model

COMMIT = "0" * 40


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def refuse(*_: object) -> NoReturn:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path / "hub"


def place(cache: Path, repository: str) -> Path:
    """The folder of a repository's only commit, which its `main` points to."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    found = folder / "snapshots" / COMMIT
    found.mkdir(parents=True)
    return found


def test_a_model_of_open_clip_on_the_hub(cache: Path) -> None:
    clip = tiny.transformer(seed=3)
    save_model(clip, place(cache, "somebody/clip"), {})
    found = open_model("hf-hub:somebody/clip")
    assert found.fingerprint() == clip.fingerprint()
    assert found.name == "hf-hub:somebody/clip"
    assert HubModel("hf-hub:somebody/clip").availability().state == "present"


def test_what_is_not_here_is_one_line(cache: Path) -> None:
    for spec in ("hf-hub:somebody/clip", "hf:somebody/clip"):
        assert HubModel(spec).availability().state == "missing"
        with pytest.raises(InputError, match="'somebody/clip' can't be fetched from the hub") as caught:
            open_model(spec)
        assert "\n" not in str(caught.value)
        assert f"unlearn-bench prepare --model {spec}" in str(caught.value)
    save_model(tiny.transformer(), place(cache, "somebody/clip"), {})
    (cache / "models--somebody--clip" / "snapshots" / COMMIT / "open_clip_model.safetensors").unlink()
    assert HubModel("hf-hub:somebody/clip").availability().state == "missing"  # half a model is none


def test_prepare_knows_them(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    found, without = wanted(None, ["hf-hub:somebody/clip", f"hf:{tmp_path / 'mine'}", "mini-rn"], None)
    assert list(found) == ["hf-hub:somebody/clip"]
    assert without == [f"hf:{tmp_path / 'mine'}", "mini-rn"]
    assert weights_asset("hf-hub:somebody/clip") is None
    assert hub_model("RN50:openai") is None


def test_names_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    assert shown_name("hf-hub:somebody/clip", "") == "hf-hub:somebody/clip"
    assert shown_name(f"hf:{folder}", "") == "hf:mine"
    assert preset_name("hf:somebody/clip-b") == "clip-b"
    assert preset_name(f"hf:{folder}") == "mine"
    assert home_of("hf:somebody/clip-b") is None
    assert home_of(f"hf:{folder}") == folder / "presets.toml"
