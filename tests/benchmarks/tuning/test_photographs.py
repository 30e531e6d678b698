"""`run --tune 8` as a user would: a folder of real photographs, a small random open_clip model in a local folder."""

import tomllib
from pathlib import Path

import pytest

from tests.benchmarks.support import Call
from tests.core import tiny
from unlearn_bench.leaderboards.records.storage import read_folder

PHOTOGRAPHS = Path(__file__).resolve().parents[4] / "shared" / "data" / "caltech101" / "101_ObjectCategories"
CLASSES = ("bonsai", "chandelier", "dolphin", "helicopter", "ketch", "octopus")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Twenty photographs of each of six classes, and a model that was never trained."""
    if not PHOTOGRAPHS.is_dir():
        pytest.skip(f"no photographs at {PHOTOGRAPHS.name!r} beside this checkout")
    for name in CLASSES:
        folder = tmp_path / "photographs" / name
        folder.mkdir(parents=True)
        for source in sorted((PHOTOGRAPHS / name).glob("*.jpg"))[:20]:
            (folder / source.name).symlink_to(source)
    for seed in (1, 3):
        (tmp_path / f"model-{seed}").mkdir()
        tiny.clip_of(tiny.TRANSFORMER, seed=seed).save(tmp_path / f"model-{seed}")
    return tmp_path


def run_on(place: Path, seed: int) -> list[object]:
    data, model = f"folder:{place / 'photographs'}", f"local-dir:{place / f'model-{seed}'}"
    methods = "identity,text-null-space,gradient-ascent,random-labels,ulip"
    words = ["run", "--data", data, "--model", model, "--methods", methods, "--jobs", "1", "--tune", "8"]
    return [*words, "--out", place / f"out-{seed}", "--metrics", "accuracy"]


@pytest.mark.slow
def test_from_photographs_and_a_random_model_to_a_leaderboard(place: Path, call: Call) -> None:
    """The model calls everything a bonsai, which is not among the classes that are reported."""
    said = call(*run_on(place, 1))
    assert said.code == 0, said.err
    assert "tuning model-1: 8 trials for each of 4 methods, on folder:photographs/bonsai; split val" in said.err
    assert "is little: settings found there mean little as well" in said.err, "it knows nothing, and it is said"
    tables = tomllib.loads((place / "out-1" / "presets" / "model-1.toml").read_text())
    tuned = {name: table for name, table in tables.items() if name not in {"about", "synthesis"}}
    assert {table["trials"] for table in tuned.values()} == {8}
    assert set(tuned) == {"text-null-space", "gradient-ascent", "random-labels", "ulip"}
    reported = {record.run.forget[0] for record in read_folder(place / "out-1").records}
    assert reported
    assert not reported & {name.rpartition("/")[2] for table in tuned.values() for name in table["classes"]}
    again = call(*run_on(place, 1))
    assert "settings of 4 methods were found before with this budget; no trial was run for them" in again.err


@pytest.mark.slow
def test_where_the_model_knows_no_class_that_could_serve_the_sweep_goes_on(place: Path, call: Call) -> None:
    """It calls everything a helicopter, which is to be reported."""
    said = call(*run_on(place, 3))
    assert said.code == 0, said.err
    assert "warning: nothing was tuned: the model gets every class of folder:photographs all wrong" in said.err
    assert {r.preset["source"] for r in read_folder(place / "out-3").records} == {"default"}
