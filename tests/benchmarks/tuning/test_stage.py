"""`run --tune N`: settings for whatever model and data are at hand, before the sweep, cached, at equal budgets."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.benchmarks.support import (
    COLD,
    Call,
    calls,
    counting,
    is_one_error,
    write_colours,
    write_method,
    write_model,
)
from tests.benchmarks.tuning.support import HARM, TURN, tunable_method
from unlearn_bench.leaderboards.records.record import CURVE
from unlearn_bench.leaderboards.records.storage import read_folder


@pytest.fixture
def shown(tmp_path: Path) -> list[str]:
    """A model and a folder of pictures in six colours, both of somebody's own."""
    write_colours(tmp_path / "six", ("red", "green", "blue"))
    write_colours(tmp_path / "six", COLD)
    data = ["--model", write_model(tmp_path), "--data", f"folder:{tmp_path / 'six'}"]
    (tmp_path / "colours_model.presets.toml").write_text("[synthesis]\nimages_per_class = 2\n")
    return [*data, "--device", "cpu", "--jobs", "1", "--metrics", "accuracy,average-score"]


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder


@pytest.mark.slow
@pytest.mark.large
def test_a_planted_method_is_found_and_one_that_can_not_forget_is_said_to(
    call: Call, shown: list[str], tmp_path: Path
) -> None:
    good, bad = tunable_method(tmp_path), tunable_method(tmp_path, HARM, name="harm")
    never = tunable_method(tmp_path, "return clip", name="never")
    out = tmp_path / "out"
    said = call("run", *shown, "--methods", f"identity,{good},{bad},{never}", "--tune", "6", "--out", out)
    assert said.code == 0, said.err
    assert "tuning colours_model: 6 trials for each of 3 methods, on folder:six/" in said.err
    assert "  mine: score 0.000, forgetting 1.00, retention 1.00 (doing nothing scores 0.500)" in said.err
    assert (
        "  never: no setting of 6 forgot without more harm than good; none forgot; the least: score 0.5" in said.err
    )
    tables = tomllib.loads((out / "presets" / "colours_model.toml").read_text())
    assert {name: tables[name]["trials"] for name in ("mine", "harm", "never")} == {"mine": 6, "harm": 6, "never": 6}
    assert tables["harm"]["found"] is False
    assert tables["about"]["fingerprint"]
    records = read_folder(out).records
    tuned_on = set(tables["mine"]["classes"])
    assert not {f"{r.run.dataset}/{r.run.forget[0]}" for r in records} & tuned_on, "what was tuned on is not reported"
    assert {r.preset.get("trials") for r in records if r.run.method != "identity"} == {6}
    page = (out / "leaderboard.md").read_text()
    assert "no setting of 6 forgot without more harm than good" in page
    assert "did not forget" in page


def test_a_second_sweep_takes_what_was_found(call: Call, shown: list[str], noted: Path, tmp_path: Path) -> None:
    spec = tunable_method(tmp_path, counting(TURN, noted))
    first = call("run", *shown, "--methods", spec, "--tune", "5", "--out", tmp_path / "a")
    assert first.code == 0, first.err
    count, cells = len(calls(noted)), len(read_folder(tmp_path / "a").records)
    second = call("run", *shown, "--methods", spec, "--tune", "5", "--out", tmp_path / "b")
    assert "settings of 1 methods were found before with this budget; no trial was run for them" in second.err
    assert len(calls(noted)) == count + cells, "the cells of the sweep, and no trial"
    found = [tomllib.loads((tmp_path / name / "presets" / "colours_model.toml").read_text()) for name in "ab"]
    assert found[0] == found[1]
    keys = [{record.run.key for record in read_folder(tmp_path / name).records} for name in "ab"]
    assert keys[0] == keys[1]
    again = call("run", *shown, "--methods", spec, "--tune", "5", "--out", tmp_path / "c", "--fresh")
    assert "found before" not in again.err
    assert len(calls(noted)) > count + 2 * cells


def test_another_version_of_a_method_is_searched_anew(
    call: Call, shown: list[str], noted: Path, tmp_path: Path
) -> None:
    spec = tunable_method(tmp_path, counting(TURN, noted))
    call("run", *shown, "--methods", spec, "--tune", "3", "--out", tmp_path / "a")
    file = Path(spec.rpartition(":")[0])
    file.with_name("newer.py").write_text(file.read_text().replace("> 0.5", "> 0.6"))
    newer = f"{file.with_name('newer.py')}:Mine"
    said = call("run", *shown, "--methods", newer, "--tune", "3", "--out", tmp_path / "b")
    assert "found before" not in said.err


def test_presets_of_a_sweep_serve_another_by_name_only(call: Call, shown: list[str], tmp_path: Path) -> None:
    """Nothing is looked up by the bare name of a model, and nothing is written beside it."""
    spec = tunable_method(tmp_path)
    call("run", *shown, "--methods", spec, "--tune", "4", "--out", tmp_path / "a")
    assert (tmp_path / "colours_model.presets.toml").read_text() == "[synthesis]\nimages_per_class = 2\n"
    plain = call("run", *shown, "--methods", spec, "--out", tmp_path / "b")
    assert {record.preset["source"] for record in read_folder(tmp_path / "b").records} == {"default"}
    assert re.search(
        r"on colours_model, mine run on defaults that were made for other models; --tune 16 would search settings of "
        r"1 methods first, in at most about \d+ (s|min)",
        plain.err,
    )
    given = call("run", *shown, "--methods", spec, "--presets", tmp_path / "a" / "presets", "--out", tmp_path / "c")
    assert given.code == 0, given.err
    assert {record.preset["source"] for record in read_folder(tmp_path / "c").records} == {"tuned"}
    assert "--tune" not in given.err


def test_a_dry_run_says_what_tuning_would_take_and_tries_nothing(
    call: Call, shown: list[str], noted: Path, tmp_path: Path
) -> None:
    spec = tunable_method(tmp_path, counting(TURN, noted))
    said = call("run", *shown, "--methods", spec, "--tune", "32", "--out", tmp_path / "a", "--dry-run")
    assert said.code == 0, said.err
    assert "--tune 32 would search settings of 1 methods first, in at most about " in said.err
    assert calls(noted) == []
    assert not (tmp_path / "a").exists()


def test_curves_measure_the_front_on_what_is_reported(call: Call, shown: list[str], tmp_path: Path) -> None:
    """The stronger, the more is forgotten and the more is lost."""
    spec = tunable_method(
        tmp_path,
        """
        words = clip.module.text[0].weight.data
        target = clip.tokenize([c.text for c in request.forget]).flatten()
        words[target] *= 1 - 2 * self.strength
        if self.strength > 0.8:
            words[1:3] *= -1
        return clip
        """,
    )
    out = tmp_path / "out"
    said = call("run", *shown, "--methods", f"identity,{spec}", "--tune", "12", "--out", out, "--curve")
    assert said.code == 0, said.err
    front = tomllib.loads((out / "presets" / "colours_model.toml").read_text())["mine"]["front"]
    records = read_folder(out).records
    points = [r for r in records if r.run.suite.endswith(CURVE)]
    mine = [r for r in points if r.run.method == "mine"]
    classes = {r.run.forget for r in records}
    assert len(mine) == len(front) * len(classes)
    assert {r.preset["point"] for r in mine} == set(range(1, len(front) + 1))
    assert {r.run.hyperparameters["strength"] for r in mine} == {p["hyperparameters"]["strength"] for p in front}
    assert sum(r.run.method == "identity" for r in points) == len(classes)
    assert "Curves: colours" in (out / "leaderboard.md").read_text()


def test_too_few_classes_to_tune_on_is_one_line(call: Call, tmp_path: Path) -> None:
    write_colours(tmp_path / "two", ("red", "green"))
    said = call(
        "run", "--model", write_model(tmp_path), "--data", f"folder:{tmp_path / 'two'}", "--device", "cpu",
        "--methods", tunable_method(tmp_path), "--tune", "2",
    )  # fmt: skip
    is_one_error(said, "has 0 tuning classes", "forget fewer")


def test_with_three_classes_two_are_withheld_and_it_is_said(call: Call, tmp_path: Path) -> None:
    write_colours(tmp_path / "three", ("red", "green", "blue"))
    (tmp_path / "colours_model.presets.toml").write_text("[synthesis]\nimages_per_class = 2\n")
    said = call(
        "run", "--model", write_model(tmp_path), "--data", f"folder:{tmp_path / 'three'}", "--device", "cpu",
        "--methods", tunable_method(tmp_path), "--tune", "2", "--jobs", "1", "--out", tmp_path / "out",
        "--metrics", "accuracy",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "serve to tune, since no other classes are left, and are not reported" in said.err
    assert len({record.run.forget for record in read_folder(tmp_path / "out").records}) == 1


def test_methods_without_anything_to_tune_run_as_they_are(call: Call, shown: list[str], tmp_path: Path) -> None:
    spec = write_method(tmp_path, "return clip")
    said = call("run", *shown, "--methods", f"identity,{spec}", "--tune", "2", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "warning: none of the methods declares anything to tune" in said.err
