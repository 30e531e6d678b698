"""A text tower that open_clip takes from transformers: one of the library's own, and never code beside it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.core.models.small_transformers import transformers
from unlearn_bench.errors import InputError
from unlearn_bench.models.hub_models import refuse_text_code
from unlearn_bench.models.open_clip_model import CONFIG_FILE, WEIGHTS_FILE, build_open_clip
from unlearn_bench.models.sources import open_model

TOWER = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
VISION = {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16}
CODE = """
from pathlib import Path
Path({sign!r}).touch()
from transformers import BertConfig, BertModel
class Own(BertConfig):
    model_type = "own"
class OwnModel(BertModel):
    config_class = Own
"""


def write_tower(folder: Path, **changes: Any) -> Path:
    """A folder with the configuration of a small BERT."""
    folder.mkdir()
    transformers.BertConfig(vocab_size=49408, max_position_embeddings=80, **TOWER).save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def write_folder(folder: Path, tower: Path, *, weights: bool = False) -> str:
    """The spec of a folder of open_clip's whose text tower is that one."""
    folder.mkdir()
    text = {"hf_model_name": str(tower), "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}
    config = {"embed_dim": 8, "vision_cfg": VISION, "text_cfg": text}
    (folder / CONFIG_FILE).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    built = (
        build_open_clip({**config, "text_cfg": {**text, "hf_model_pretrained": False}}).state_dict()
        if weights
        else {}
    )
    state = {name: value.clone() for name, value in built.items()} or {"a": torch.zeros(1)}
    save_file(state, folder / WEIGHTS_FILE)
    return f"local-dir:{folder}"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked on the terminal; whoever asks is told yes."""
    questions: list[str] = []

    def answer(question: str = "") -> str:
        questions.append(question)
        return "y"

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return questions


def test_a_tower_of_the_library_s_own_is_taken(asked: list[str], tmp_path: Path) -> None:
    spec = write_folder(tmp_path / "m", write_tower(tmp_path / "tower"), weights=True)
    clip = open_model(spec)
    assert clip.embed_texts(["a photo of a cat.", "a dog"]).shape == (2, 8)
    assert asked == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.OwnModel"}},
            "can't be had without running code",
        ),
        ({"auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.OwnModel"}}, "brings code of its own"),
        ({"auto_map": {"AutoModel": "own.OwnModel"}}, "brings code of its own"),
    ],
)
def test_code_is_neither_run_nor_asked_about(
    changes: dict[str, Any], said: str, asked: list[str], tmp_path: Path
) -> None:
    tower, sign = write_tower(tmp_path / "tower", **changes), tmp_path / "code-ran"
    (tower / "own.py").write_text(CODE.format(sign=str(sign)))
    spec = write_folder(tmp_path / "m", tower)
    with pytest.raises(InputError, match=said) as caught:
        open_model(spec)
    assert "\n" not in str(caught.value)
    assert asked == []
    assert not sign.exists()


def test_a_tower_that_is_not_here_is_one_line(asked: list[str], tmp_path: Path) -> None:
    spec = write_folder(tmp_path / "m", tmp_path / "none")
    with pytest.raises(InputError, match=r"model 'local-dir:.*' can't be built: .*the text tower '.*none'") as caught:
        open_model(spec)
    assert "\n" not in str(caught.value)


def test_open_clip_s_own_tower_asks_for_nothing() -> None:
    refuse_text_code({"context_length": 77})
    refuse_text_code({"hf_model_name": None})
    assert refuse_text_code({}) is None  # type: ignore[func-returns-value]
