"""What reports call a model: no folder of anybody's machine, whichever way the model was asked for."""

from pathlib import Path

import pytest

from tests.core import tiny
from unlearn_bench.models.names import list_models, shown_name
from unlearn_bench.models.sources import open_model, save_model


@pytest.mark.parametrize(
    ("spec", "own", "shown"),
    [
        ("mini-rn", "mini-rn", "mini-rn"),
        ("RN50:openai", "RN50:openai", "RN50:openai"),
        ("RN50", "RN50:openai", "RN50"),
        ("RN50:random-7", "", "RN50:random-7"),
        ("RN50-gelu:/home/me/own.pt", "", "RN50-gelu:own.pt"),
        ("RN50-gelu:weights/own.pt", "", "RN50-gelu:own.pt"),
        ("RN50-gelu:own.pt", "", "RN50-gelu:own.pt"),
        ("local-dir:/home/me/forgotten", "", "local-dir:forgotten"),
        ("local-dir:forgotten/", "", "local-dir:forgotten"),
        ("/home/me/mine.py:build", "my-clip", "my-clip"),
        ("mine.py:build", "team/my-clip", "team/my-clip"),
        ("mine.py:build", "/home/me/my-clip", "my-clip"),
        ("mine.py:build", "my-clip:/home/me/weights.pt", "my-clip:weights.pt"),
        ("an-entry-point", "its own", "an-entry-point"),
    ],
)
def test_no_folder_is_shown(spec: str, own: str, shown: str) -> None:
    assert shown_name(spec, own) == shown


def test_a_folder_named_by_a_dot_is_called_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_name("local-dir:.", "") == f"local-dir:{tmp_path.name}"


def test_a_model_from_a_folder_knows_itself_without_the_folder(tmp_path: Path) -> None:
    save_model(tiny.transformer(), tmp_path / "forgotten", {})
    assert open_model(f"local-dir:{tmp_path}/forgotten").name == "local-dir:forgotten"


def test_the_way_to_bring_a_model_of_ones_own_is_listed() -> None:
    (own,) = [item for item in list_models() if item.name == "FILE.py:FUNCTION"]
    assert "TwoTowers" in own.summary
    assert "check-model" in own.summary
