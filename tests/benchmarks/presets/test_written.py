"""Preset files that are being written: each table as it is found, for one model only."""

import tomllib
from pathlib import Path

import pytest

from unlearn_bench.benchmarks.presets.preset import merged
from unlearn_bench.benchmarks.presets.written import preset_file
from unlearn_bench.errors import InputError

TUNED = {"source": "tuned", "trials": 4, "hyperparameters": {"a": 1.0}, "front": [{"hyperparameters": {"a": 2.0}}]}


def test_each_table_is_on_the_disk_as_it_is_found(tmp_path: Path) -> None:
    path = tmp_path / "new" / "mine.toml"
    file = preset_file(path, "models/mine.py:build", "0123")
    assert not path.exists()
    file.put("lip", TUNED)
    assert set(tomllib.loads(path.read_text())) == {"about", "lip"}
    file.put("synthesis", {"step_size": 2.0}, synthesis={"trials": 16})
    found = tomllib.loads(path.read_text())
    assert found["about"]["model"] == "mine"
    assert found["about"]["fingerprint"] == "0123"
    assert found["about"]["synthesis"] == {"trials": 16}
    preset = merged("mine", [path]).of("lip")
    assert preset.hyperparameters == {"a": 1.0}
    assert preset.front == ({"a": 2.0},)
    assert preset.provenance == {"source": "tuned", "trials": 4}


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    preset_file(path, "mine.py:build", "0123").put("lip", TUNED)
    preset_file(path, "mine.py:build", "0123").put("emb", TUNED)
    assert set(tomllib.loads(path.read_text())) == {"about", "emb", "lip"}


def test_a_file_of_other_weights_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    preset_file(path, "mine.py:build", "0123").put("lip", TUNED)
    before = path.read_text()
    with pytest.raises(InputError, match=r"holds settings for a model with other weights \(fingerprint 0123, this"):
        preset_file(path, "mine.py:build", "4567")
    assert path.read_text() == before


def test_the_points_of_a_front_are_presets_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    preset_file(path, "mine.py:build", "0123").put(
        "lip", {**TUNED, "front": [{"hyperparameters": {"a": 2.0}}, {"hyperparameters": {"a": 3.0}}]}
    )
    presets = merged("mine", [path])
    points = presets.of("lip").points()
    assert [point.hyperparameters for point in points] == [{"a": 2.0}, {"a": 3.0}]
    assert [(point.provenance["point"], point.provenance["points"]) for point in points] == [(1, 2), (2, 2)]
    assert presets.of("emb").points() == (presets.of("emb"),)
