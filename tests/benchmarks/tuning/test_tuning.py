"""Tuning: an equal budget, on classes and images that no table uses, told in the preset."""

import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import CONDITIONS, calls, counting, start_cli, wait_for, write_method, write_suite
from tests.benchmarks.tuning.support import CLASSES, HARM, TUNING, TURN, tunable_method, tuned
from unlearn_bench.benchmarks.commands import tune as command
from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.presets.written import preset_file
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.benchmarks.tuning.found import in_words, to_preset
from unlearn_bench.benchmarks.tuning.search import Budget, chosen
from unlearn_bench.benchmarks.tuning.space import Space
from unlearn_bench.benchmarks.tuning.trial import Trial
from unlearn_bench.cache import cache_root
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.registry import load
from unlearn_bench.synthesis.settings import UNTUNED

TASKS = (
    ("folder:warm", ("green",)),
    ("folder:cold", ("yellow",)),
    ("folder:warm", ("blue",)),
    ("folder:cold", ("magenta",)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_suite(tmp_path, classes=CLASSES, tuning=TUNING)


def budget(path: Path, trials: int = 8) -> Budget:
    return Budget(trials=trials, tasks=TASKS, synthesis=UNTUNED, suite=load_suite(str(path)))


def test_the_best_trial_is_found_and_the_defaults_come_first(path: Path, tmp_path: Path) -> None:
    (found,) = tuned(path, [tunable_method(tmp_path)], tmp_path / "tuning")
    assert found.trials[0].hyperparameters == {"strength": 0.2}
    assert len(found.trials) == 8
    for trial in found.trials:
        forgot = trial.hyperparameters["strength"] > 0.5
        assert trial.forgetting == (1.0 if forgot else 0.0)
        assert trial.score == pytest.approx(0.0 if forgot else 1 / 3)  # doing nothing: 1 / (N + 1), N = 2 others
        assert trial.did_good is forgot
    assert found.best.score == 0.0
    assert found.best.classes == 4
    assert found.forgot == found.best
    assert len(found.front) == 1, "all that forgot are equal"
    classes = {record.run.forget for record in read_folder(tmp_path / "tuning").records}
    assert classes == {("green",), ("blue",), ("yellow",), ("magenta",)}
    images = {item.split for r in read_folder(tmp_path / "tuning").records for item in r.run.evaluation}
    assert images == {"test"}, "the split is the workbench's: the commands open it on val"


def test_every_method_gets_as_many_trials_an_outside_one_too(path: Path, tmp_path: Path) -> None:
    specs = ["text-null-space", tunable_method(tmp_path)]
    found = {item.method: item for item in tuned(path, specs, tmp_path / "tuning", trials=5)}
    assert {name: len(item.trials) for name, item in found.items()} == {"text-null-space": 5, "mine": 5}


def test_a_search_goes_on_where_it_stopped(path: Path, tmp_path: Path) -> None:
    noted = tmp_path / "calls"
    noted.mkdir()
    spec = tunable_method(
        tmp_path, counting("clip.module.text[0].weight.data *= 1 - self.strength\nreturn clip", noted)
    )
    (first,) = tuned(path, [spec], tmp_path / "tuning", trials=3)
    count = len(calls(noted))
    assert tuned(path, [spec], tmp_path / "tuning", trials=3) == [first]
    assert len(calls(noted)) == count, "nothing is tried twice"
    (longer,) = tuned(path, [spec], tmp_path / "tuning", trials=4)
    assert [t.hyperparameters for t in longer.trials[:3]] == [t.hyperparameters for t in first.trials]
    assert len(calls(noted)) <= count + 4
    tuned(path, [spec], tmp_path / "tuning", trials=3, fresh=True)
    assert len(calls(noted)) >= 2 * count


@pytest.mark.slow
@pytest.mark.large
def test_the_number_of_workers_changes_nothing(path: Path, tmp_path: Path, pool: None) -> None:
    specs = [tunable_method(tmp_path), tunable_method(tmp_path, HARM, name="harm")]
    alone = tuned(path, specs, tmp_path / "alone", trials=6)
    together = tuned(path, specs, tmp_path / "together", trials=6, jobs=2)
    by_name = [{item.method: item for item in found} for found in (alone, together)]
    assert by_name[0] == by_name[1]


def test_a_failed_cell_ends_its_trial(path: Path, tmp_path: Path) -> None:
    """The score is decided: the other classes are not tried."""
    noted = tmp_path / "calls"
    noted.mkdir()
    spec = tunable_method(tmp_path, counting("raise ValueError('no')", noted))
    (found,) = tuned(path, [spec], tmp_path / "tuning", trials=2)
    assert len(calls(noted)) == 2
    assert found.nothing_found.startswith("failed: ValueError: no (method_mine.py:")
    assert found.forgot is None


def test_a_default_outside_its_range_is_one_line(tmp_path: Path) -> None:
    for field, name in (
        ("7.0, low=0.0, high=1.0", "default"),
        ("0.5, low=0.0, high=1.0, published=7.0", "published"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        spec = tunable_method(folder, field=f"tunable({field})")
        with pytest.raises(
            InputError, match=rf"the {name}.* 7.0 of a tunable .* not among 0.0 to 1.0; give one that is"
        ):
            load_method(spec)


def trial(forgetting: float, retention: float, **more: Any) -> Trial:
    facts: dict[str, Any] = {"hyperparameters": {"strength": forgetting}, "classes": 4, "idle": 0.2} | more
    score = (1 - forgetting + 4 * (1 - retention)) / 5
    return Trial(score=score, forgetting=forgetting, retention=retention, **facts)


SPACE = Space(ranges={}, first=({},))


def test_a_reference_need_not_forget(path: Path) -> None:
    """It shows what its data can do; nobody asks it to forget, and nothing is said of it."""
    found = chosen("finetune-retain", SPACE, [trial(0.1, 1.0), trial(0.9, 0.5)], reference=True)
    assert found.best == trial(0.1, 1.0)
    assert found.forgot is None
    table = to_preset(found, budget(path), CONDITIONS)
    assert "found" not in table
    assert in_words(table) == "score 0.180, forgetting 0.10, retention 1.00 (doing nothing scores 0.200)"


def test_a_setting_that_forgot_goes_before_one_that_did_nothing() -> None:
    idle, partly, good = trial(0.0, 1.0), trial(0.48, 1.0), trial(0.6, 0.95)
    assert partly.score < good.score < idle.score
    found = chosen("mine", SPACE, [idle, partly, good])
    assert found.best == good
    assert found.forgot == good


def test_where_forgetting_costs_more_than_it_is_worth_it_is_said(path: Path) -> None:
    idle, harmful = trial(0.0, 1.0), trial(0.9, 0.5)
    found = chosen("mine", SPACE, [idle, harmful, trial(1.0, 1.0, classes=1)])
    assert found.best == found.forgot == harmful, "no setting that does nothing, and of those on all classes"
    table = to_preset(found, budget(path), CONDITIONS)
    assert table["found"] is False
    assert table["best_that_forgot"]["forgetting"] == 0.9
    assert in_words(table) == (
        "no setting of 3 forgot without more harm than good; the best that forgot: score 0.420, forgetting 0.90, "
        "retention 0.50 (doing nothing scores 0.200)"
    )
    never = to_preset(chosen("mine", SPACE, [idle]), budget(path), CONDITIONS)
    assert "best_that_forgot" not in never
    assert "; none forgot; the least: score 0.200, forgetting 0.00" in in_words(never)


def test_up_to_five_points_of_the_front_are_kept() -> None:
    trials = [trial(0.1 * step, 1.1 - 0.1 * step) for step in range(1, 11)] + [trial(0.0, 1.0)]
    front = chosen("mine", SPACE, trials).front
    assert len(front) == 5
    assert [t.forgetting for t in front] == sorted(t.forgetting for t in front)


def test_the_preset_tells_how_it_was_found(path: Path, tmp_path: Path) -> None:
    (found,) = tuned(path, [tunable_method(tmp_path)], tmp_path / "tuning")
    table = to_preset(found, budget(path), CONDITIONS)
    assert table["source"] == "tuned"
    assert table["trials"] == 8
    assert table["found"] is True
    assert table["tuned_parameters"] == 1
    assert table["space"] == {"strength": {"low": 0.0, "high": 1.0, "log": False}}
    assert table["curve"][0] == pytest.approx(1 / 3 + 0.5, abs=1e-4)
    assert table["curve"] == sorted(table["curve"], reverse=True)
    assert table["score"] == table["target_ratio"] == 0.0
    assert (table["forgetting"], table["retention"]) == (1.0, 1.0)
    assert table["hyperparameters"] == found.best.hyperparameters
    assert [point["hyperparameters"] for point in table["front"]] == [dict(t.hyperparameters) for t in found.front]
    assert table["classes"] == ["folder:warm/green", "folder:cold/yellow", "folder:warm/blue", "folder:cold/magenta"]


NOTHING: dict[str, Any] = {
    "model": None,
    "data": None,
    "template": "",
    "classes": None,
    "synthesis": False,
    "presets": None,
}


def test_the_command_writes_a_preset_file_and_searches_once(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "cache"))
    noted = tmp_path / "calls"
    noted.mkdir()
    spec = tunable_method(tmp_path, counting(TURN, noted))
    target = tmp_path / "presets" / "colours_model.py.toml"
    beside = tmp_path / "colours_model.presets.toml"
    beside.write_text("[synthesis]\nimages_per_class = 2\n")
    given: dict[str, Any] = {"suite": str(path), "trials": 6, "jobs": 1, "threads": 1, "device": "cpu", "out": target}
    given |= NOTHING
    assert command.execute(methods=[spec], **given) == 0
    table = tomllib.loads(target.read_text())
    assert table["mine"]["hyperparameters"]["strength"] > 0.5
    assert "mine: score 0.000, forgetting 1.00, retention 1.00" in capsys.readouterr().out
    preset = presets_for("colours_model.py:build", given=target).of("mine")
    assert preset.hyperparameters == table["mine"]["hyperparameters"]
    assert preset.front == tuple(point["hyperparameters"] for point in table["mine"]["front"])
    assert not {"front", "space", "curve", "hyperparameters"} & preset.provenance.keys(), "records stay small"
    (folder,) = (cache_root() / "tuning").iterdir()
    assert {item.split for r in read_folder(folder).records for item in r.run.evaluation} == {"val"}
    assert list(target.parent.iterdir()) == [target]
    count = len(calls(noted))
    assert command.execute(methods=[spec], **given) == 0
    assert len(calls(noted)) == count
    assert f"written to {target}, found before" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"unknown model 'mini-nr'.*did you mean 'mini-rn'"):
        command.execute(methods=[spec], **{**given, "model": "mini-nr"})


@pytest.mark.slow
@pytest.mark.large
def test_a_search_that_was_killed_in_a_trial_goes_on(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 while a trial runs: the trials before it are not run again, and the settings are those of a search
    that was left in peace."""
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "colours_model.presets.toml").write_text("[synthesis]\nimages_per_class = 2\n")
    noted, stop = tmp_path / "calls", tmp_path / "stop"
    noted.mkdir()
    stop.touch()
    body = f"""
    if len(list(Path({str(noted)!r}).iterdir())) == 6 and Path({str(stop)!r}).exists():
        import time
        time.sleep(100)
    clip.module.text[0].weight.data *= 1 - self.strength
    return clip
    """
    spec = tunable_method(tmp_path, counting(body, noted))
    words = ["tune", "--suite", str(path), "--methods", spec, "--trials", "5", "--jobs", "1", "--threads", "1"]
    first = start_cli(*words, "--out", str(tmp_path / "a.toml"), cwd=tmp_path, log=tmp_path / "first")
    wait_for(lambda: len(calls(noted)) == 6)
    first.kill()
    first.join(120)
    assert first.exitcode == -signal.SIGKILL
    stop.unlink()
    again = start_cli(*words, "--out", str(tmp_path / "a.toml"), cwd=tmp_path, log=tmp_path / "again")
    again.join(120)
    assert again.exitcode == 0, (tmp_path / "again.err").read_text()
    total = len(calls(noted))
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "other"))
    whole = start_cli(*words, "--out", str(tmp_path / "b.toml"), cwd=tmp_path, log=tmp_path / "whole")
    whole.join(120)
    assert whole.exitcode == 0
    assert len(calls(noted)) - total == total - 1, "only the cell that was killed was run twice"
    tables = [tomllib.loads((tmp_path / name).read_text())["mine"] for name in ("a.toml", "b.toml")]
    assert tables[0] == tables[1]


def test_outside_methods_load_in_workers(tmp_path: Path) -> None:
    """What the command hands to a worker is a name; the class is resolved there."""
    spec = tunable_method(tmp_path)
    assert isinstance(load(spec), type)
    assert load_method(spec).target == spec


def test_a_method_without_ranges_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'mine' declares nothing to tune; give a field a range with tunable"):
        tuned(path, [write_method(tmp_path, "return clip")], tmp_path / "tuning")


@pytest.mark.slow
def test_a_setting_that_kills_its_worker_is_a_failed_trial(pool: None, path: Path, tmp_path: Path) -> None:
    deadly = "if self.strength > 0.7:\n    os.kill(os.getpid(), signal.SIGKILL)\n" + TURN
    (found,) = tuned(path, [tunable_method(tmp_path, deadly)], tmp_path / "tuning", trials=3, jobs=2)
    assert len(found.trials) == 3
    for trial in found.trials:
        assert bool(trial.reason) is (trial.hyperparameters["strength"] > 0.7)
    assert any(trial.reason for trial in found.trials)


def test_copied_records_are_no_trials(path: Path, tmp_path: Path) -> None:
    spec = tunable_method(tmp_path, "clip.module.text[0].weight.data *= 1 - self.strength\nreturn clip")
    (first,) = tuned(path, [spec], tmp_path / "tuning", trials=3)
    files = sorted((tmp_path / "tuning" / "cells").glob("*.json"))
    for file in files[1:]:
        file.write_bytes(files[0].read_bytes())
    assert tuned(path, [spec], tmp_path / "tuning", trials=3) == [first]


def test_records_that_vanish_are_one_line(path: Path, tmp_path: Path) -> None:
    gone = f"for file in Path({str(tmp_path / 'tuning' / 'cells')!r}).glob('*.json'): file.unlink()\nreturn clip"
    with pytest.raises(InputError, match="records of trials are gone"):
        tuned(path, [tunable_method(tmp_path, gone)], tmp_path / "tuning", trials=3)


def test_two_searches_that_write_one_file_lose_nothing(tmp_path: Path) -> None:
    target = tmp_path / "settings.toml"
    one, other = (preset_file(target, "mine", "f00d") for _ in range(2))
    one.put("lip", {"source": "given"})
    other.put("emb", {"source": "tuned"})
    one.put("amns", {"source": "tuned"}, synthesis={"seconds": 1})
    found = tomllib.loads(target.read_text())
    assert set(found) == {"about", "lip", "emb", "amns"}
    assert found["about"]["synthesis"] == {"seconds": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["settings.toml"]
    target.write_text('[about]\nfingerprint = "beef"\n')
    with pytest.raises(InputError, match="other weights"):
        one.put("lip", {"source": "given"})
