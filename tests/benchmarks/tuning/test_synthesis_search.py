"""Settings of the synthetic images: found on tuning classes, better than where the search began, within time."""

import re
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.support import COLD, Call, bench_of, write_colours, write_method, write_model
from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.tuning.synthesis import tune_synthesis
from unlearn_bench.synthesis.settings import UNTUNED

TASKS = [("folder:warm", ("green",)), ("folder:cold", ("yellow",))]


def test_the_search_beats_its_start(suite_file: Path) -> None:
    """A first step so small that nothing is reached: the search leaves it, and its find passes with other noise."""
    bench = bench_of(load_suite(str(suite_file)))
    told: list[str] = []
    lame = replace(UNTUNED, step_size=2.0, jitter_px=64, blur_sigma=1.6, blur_every=1)
    found = tune_synthesis(bench, TASKS, lame, say=told.append, trials=8)
    assert len(told) == len(found.curve) == 8
    assert found.curve[-1] > found.curve[0]
    assert list(found.curve) == sorted(found.curve)
    assert found.settings.step_size > 2.0
    assert found.acceptance >= 0.5
    assert found.classes == ("folder:warm/green", "folder:cold/yellow")
    assert 0.1 <= found.settings.threshold_floor <= found.settings.threshold <= 0.95
    assert found.settings.threshold_at(found.settings.max_attempts - 1) == found.settings.threshold_floor
    assert found.settings.images_per_class == lame.images_per_class, "what is not searched stays"


def test_the_search_repeats(suite_file: Path) -> None:
    bench = bench_of(load_suite(str(suite_file)))
    first, second = (
        tune_synthesis(bench, TASKS, UNTUNED, say=lambda _: None, trials=3, seconds=10_000.0) for _ in range(2)
    )
    assert first.settings == second.settings
    assert first.curve == second.curve


def test_no_trial_begins_after_the_time(suite_file: Path) -> None:
    bench = bench_of(load_suite(str(suite_file)))
    started = time.monotonic()
    found = tune_synthesis(bench, TASKS, UNTUNED, say=lambda _: None, trials=1000, seconds=1.0)
    assert 1 <= len(found.curve) < 1000
    assert time.monotonic() - started < 60


@pytest.fixture
def shown(tmp_path: Path) -> list[str]:
    """A model beside which settings may lie, and a folder of pictures in six colours."""
    write_colours(tmp_path / "six", ("red", "green", "blue"))
    write_colours(tmp_path / "six", COLD)
    return ["--model", write_model(tmp_path), "--data", f"folder:{tmp_path / 'six'}", "--device", "cpu"]


def test_the_command_finds_settings_and_run_finds_them(call: Call, shown: list[str], tmp_path: Path) -> None:
    said = call("tune", *shown, "--classes", "red", "--synthesis", "--jobs", "1")
    assert said.code == 0, said.err
    beside = tmp_path / "colours_model.presets.toml"
    table = tomllib.loads(beside.read_text())
    assert table["synthesis"]["own_pixels"] is True
    assert "folder:six/red" not in table["about"]["synthesis"]["classes"]
    assert table["about"]["model"] == "colours_model"
    next_line = said.out.splitlines()[-1]
    assert next_line.startswith("next: unlearn-bench run --suite mini --model ")
    assert "--classes red" in next_line
    assert "--presets" not in next_line, "it is found without"
    assert presets_for(shown[1]).synthesis().step_size == table["synthesis"]["step_size"]


def test_methods_are_tuned_with_images_of_settings_that_were_searched_first(
    call: Call, shown: list[str], tmp_path: Path
) -> None:
    """One `tune` does all, and the `run` that it names runs tuned rows: no cell is at defaults."""
    spec = write_method(tmp_path, "request.synthesize()\nreturn clip")
    file = Path(spec.rpartition(":")[0])
    text = file.read_text().replace("strength: float = 0.5", "strength: float = tunable(0.2, low=0.0, high=1.0)")
    file.write_text(text.replace("import Method", "import Method, tunable"))
    target = tmp_path / "elsewhere" / "mine.toml"
    given = [*shown, "--classes", "red", "--methods", spec]
    said = call("tune", *given, "--trials", "2", "--jobs", "1", "--out", target)
    assert said.code == 0, said.err
    table = tomllib.loads(target.read_text())
    assert {"about", "mine", "synthesis"} == table.keys()
    words = said.out.splitlines()[-1].split()
    assert words[-2:] == ["--presets", str(target)]
    ran = call("run", *given, "--presets", target, "--jobs", "1", "--metrics", "accuracy,average-score")
    assert ran.code == 0, ran.err
    (tables,) = re.findall(r"all tables in (\S+)$", ran.out, re.MULTILINE)
    assert "mine tuned (2 trials)" in Path(tables).read_text()


def test_settings_of_other_weights_are_not_mixed(call: Call, shown: list[str], tmp_path: Path) -> None:
    beside = tmp_path / "colours_model.presets.toml"
    beside.write_text('[about]\nfingerprint = "0123"\n[mine]\nsource = "tuned"\n')
    said = call("tune", *shown, "--synthesis", "--jobs", "1")
    assert said.code == 2
    assert "holds settings for a model with other weights (fingerprint 0123" in said.err
    spec = write_method(tmp_path, "return clip")
    ran = call(
        "run", *shown, "--classes", "red", "--methods", spec, "--jobs", "1", "--metrics", "accuracy,average-score"
    )
    assert "were found for a model with other weights; tune this one anew" in ran.err


def test_a_method_that_never_came_to_its_end_gets_no_settings(call: Call, shown: list[str], tmp_path: Path) -> None:
    """A search in which every trial failed has found nothing, and must not look as if it had."""
    spec = write_method(tmp_path, "raise ValueError('no such layer')")
    file = Path(spec.rpartition(":")[0])
    text = file.read_text().replace("strength: float = 0.5", "strength: float = tunable(0.2, low=0.0, high=1.0)")
    file.write_text(text.replace("import Method", "import Method, tunable"))
    presets = tmp_path / "p.toml"
    presets.write_text("[synthesis]\nimages_per_class = 2\n")
    said = call("tune", *shown, "--methods", spec, "--trials", "2", "--jobs", "1", "--presets", presets)
    assert said.code == 1
    assert "mine: no trial came to its end, so no settings are written (failed: ValueError: no such layer" in said.err
    assert "mine" not in tomllib.loads(presets.read_text())
    assert "next: " not in said.out
