"""Tuning: an equal budget, on classes and images that no table uses, told in the preset."""

import dataclasses
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import CONDITIONS, bench_of, calls, counting, write_method, write_suite
from unlearn_bench.benchmarks.commands import tune as command
from unlearn_bench.benchmarks.presets.preset import Preset, presets_for
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.benchmarks.tuning.classes import tuning_tasks
from unlearn_bench.benchmarks.tuning.search import (
    FAILED_SCORE,
    Tuned,
    score_records,
    to_preset,
    tune_method,
)
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.metrics.base import Measurement
from unlearn_bench.registry import load
from unlearn_bench.synthesis.settings import UNTUNED

CLASSES = {"folder:warm": ["red"], "folder:cold": ["cyan"]}
TUNING = {"folder:warm": ["green", "blue"], "folder:cold": ["yellow", "magenta"]}

# Below half strength nothing happens; above it, the target's text is turned round.
TURN = """
if self.strength > 0.5:
    clip.module.text[0].weight.data[clip.tokenize([c.text for c in request.forget])] *= -1
return clip
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_suite(tmp_path, classes=CLASSES, tuning=TUNING)


def tunable_method(folder: Path, body: str = TURN, *, field: str = "tunable(0.2, low=0.0, high=1.0)") -> str:
    spec = write_method(folder, body)
    file = Path(spec.rpartition(":")[0])
    text = file.read_text().replace("strength: float = 0.5", f"strength: float = {field}")
    file.write_text(text.replace("import Method", "import Method, tunable"))
    return spec


def tuned(path: Path, spec: str, out: Path, *, trials: int = 8) -> tuple[Tuned, list[str]]:
    suite = load_suite(str(path))
    told: list[str] = []
    bench = bench_of(suite)
    found = tune_method(
        suite,
        load_method(spec),
        bench,
        tasks=tuning_tasks(suite, bench),
        synthesis=UNTUNED,
        trials=trials,
        out=out,
        conditions=CONDITIONS,
        say=told.append,
    )
    return found, told


def test_the_tuning_tasks(path: Path, tmp_path: Path) -> None:
    suite = load_suite(str(path))
    assert tuning_tasks(suite, bench_of(suite)) == [
        ("folder:warm", ("green",)),
        ("folder:warm", ("blue",)),
        ("folder:cold", ("yellow",)),
        ("folder:cold", ("magenta",)),
    ]


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ({**TUNING, "folder:cold": ["yellow"]}, "'folder:cold' has 1 tuning classes .*; name at least two"),
        ({**TUNING, "folder:cold": ["yellow", "cyan"]}, "tuning classes are reported ones too: folder:cold/cyan"),
        ({**TUNING, "folder:cold": ["yellow", "cyna"]}, "unknown class of 'folder:cold' 'cyna'"),
    ],
)
def test_tuning_classes_that_do_not_fit(tuning: dict[str, list[str]], message: str, tmp_path: Path) -> None:
    suite = load_suite(str(write_suite(tmp_path, classes=CLASSES, tuning=tuning)))
    with pytest.raises(InputError, match=message):
        tuning_tasks(suite, bench_of(suite))


def test_the_best_trial_is_found_and_the_defaults_come_first(path: Path, tmp_path: Path) -> None:
    found, told = tuned(path, tunable_method(tmp_path), tmp_path / "tuning")
    assert found.trials[0].hyperparameters == {"strength": 0.2}
    assert len(found.trials) == len(found.curve) == len(told) == 8
    for trial in found.trials:
        forgot = trial.hyperparameters["strength"] > 0.5
        assert trial.target_ratio == (0.0 if forgot else 1.0)
        assert trial.score == pytest.approx(0.0 if forgot else 1 / 3)  # doing nothing: 1 / (N + 1), N = 2 others
    assert found.best.score == min(trial.score for trial in found.trials) == found.curve[-1]
    assert list(found.curve) == sorted(found.curve, reverse=True)
    assert found.forgot == found.best
    assert told[0] == "mine trial 1/8: score 0.3333, target AF/BF 1.000"
    classes = {record.run.forget for record in read_folder(tmp_path / "tuning").records}
    assert classes == {("green",), ("blue",), ("yellow",), ("magenta",)}


def test_a_tuning_run_goes_on_where_it_stopped(path: Path, tmp_path: Path) -> None:
    noted = tmp_path / "calls"
    noted.mkdir()
    spec = tunable_method(tmp_path, counting(TURN, noted))
    first, _ = tuned(path, spec, tmp_path / "tuning", trials=2)
    assert len(calls(noted)) == 8
    longer, _ = tuned(path, spec, tmp_path / "tuning", trials=3)
    assert longer.trials[:2] == first.trials
    assert len(calls(noted)) == 12


def test_a_failed_cell_scores_as_the_worst(path: Path, tmp_path: Path) -> None:
    spec = tunable_method(tmp_path, "raise ValueError('no')")
    found, _ = tuned(path, spec, tmp_path / "tuning", trials=1)
    assert found.best.score == FAILED_SCORE
    assert math.isnan(found.best.target_ratio)
    assert found.forgot is None


def test_a_default_outside_its_range_is_one_line(tmp_path: Path) -> None:
    spec = tunable_method(tmp_path, field="tunable(7.0, low=0.0, high=1.0)")
    with pytest.raises(InputError, match=r"the default 7.0 of a tunable .* not among 0.0 to 1.0; give one that is"):
        load_method(spec)


def test_a_failed_cell_ends_its_trial(path: Path, tmp_path: Path) -> None:
    """The score is decided: the other classes are not tried."""
    noted = tmp_path / "calls"
    noted.mkdir()
    tuned(path, tunable_method(tmp_path, counting("raise ValueError('no')", noted)), tmp_path / "tuning", trials=2)
    assert len(calls(noted)) == 2


def test_nothing_to_tune(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'mine' declares nothing to tune; give a field a range with tunable"):
        tuned(path, write_method(tmp_path, "return clip"), tmp_path / "tuning")


def test_choices_whole_numbers_and_logarithms(path: Path, tmp_path: Path) -> None:
    fitting: dict[str, Callable[[Any], bool]] = {
        "tunable(0.2, choices=(0.2, 0.7))": lambda v: v in {0.2, 0.7},
        "tunable(2, low=1, high=4)": lambda v: v in {1, 2, 3, 4},
        "tunable(0.01, low=1e-3, high=1.0, log=True)": lambda v: 1e-3 <= v <= 1 and v == float(f"{v:.4g}"),
    }
    for field, fits in fitting.items():
        folder = tmp_path / str(abs(hash(field)))
        folder.mkdir()
        found, _ = tuned(path, tunable_method(folder, field=field), folder / "tuning", trials=6)
        values = [trial.hyperparameters["strength"] for trial in found.trials]
        assert all(fits(value) for value in values), values
        assert len(set(values)) > 1


def test_the_preset_tells_how_it_was_found(path: Path, tmp_path: Path) -> None:
    found, _ = tuned(path, tunable_method(tmp_path), tmp_path / "tuning")
    table = to_preset(found, suite=load_suite(str(path)), conditions=CONDITIONS)
    assert table["source"] == "tuned"
    assert table["trials"] == 8
    assert table["tuned_parameters"] == 1
    assert table["space"] == {"strength": {"low": 0.0, "high": 1.0, "log": False}}
    assert len(table["curve"]) == 8
    assert table["score"] == 0.0
    assert table["hyperparameters"] == found.best.hyperparameters
    assert table["best_that_forgot"]["target_ratio"] == 0.0
    assert table["classes"] == ["folder:warm/green", "folder:warm/blue", "folder:cold/yellow", "folder:cold/magenta"]


NOTHING: dict[str, Any] = {
    "model": None,
    "data": None,
    "template": "",
    "classes": None,
    "synthesis": False,
    "presets": None,
}


def test_the_command_writes_a_preset_file(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec, target = tunable_method(tmp_path), tmp_path / "presets" / "colours_model.py.toml"
    given = {"suite": str(path), "trials": 6, "jobs": 1, "threads": 1, "device": "cpu", "out": target} | NOTHING
    assert command.execute(methods=[spec], **given) == 0  # type: ignore[arg-type]
    table = tomllib.loads(target.read_text())
    assert table["mine"]["hyperparameters"]["strength"] > 0.5
    assert "mine: score 0.0000, target AF/BF 0.000, written to" in capsys.readouterr().out
    preset = presets_for("colours_model.py:build", given=target).of("mine")
    assert preset == Preset(hyperparameters=table["mine"]["hyperparameters"], provenance=preset.provenance)
    images = {
        item.split
        for r in read_folder(next((tmp_path / "runs").glob("tune-*/outside-mine"))).records
        for item in r.run.evaluation
    }
    assert images == {"val"}
    # The package's presets may be written so, and nothing beside them.
    assert list(target.parent.iterdir()) == [target]
    with pytest.raises(InputError, match=r"unknown model 'mini-nr'.*did you mean 'mini-rn'"):
        command.execute(methods=[spec], **{**given, "model": "mini-nr"})  # type: ignore[arg-type]


def accuracy(dataset: str, group: str, before: float, after: float) -> Measurement:
    return Measurement(metric="accuracy", version=1, dataset=dataset, group=group, before=before, after=after, n=10)


def test_scores_by_hand(path: Path, tmp_path: Path) -> None:
    """Class-averaged: (.8 + .4) / 2 to (.2 + .1) / 2 is .25; other .5 to .4 loses .2; cold loses nothing."""
    from tests.benchmarks.support import plan

    cells = plan(path, [write_method(tmp_path, "return clip")], classes=["green", "blue"])
    numbers: dict[tuple[str, ...], tuple[float, float]] = {("green",): (0.8, 0.2), ("blue",): (0.4, 0.1)}
    records = [
        Record(
            run=cell.run,
            status="ok",
            measurements=(
                accuracy("folder:warm", "target", *numbers[cell.run.forget]),
                accuracy("folder:warm", "other", 0.5, 0.4),
                accuracy("folder:cold", "all", 0.9, 0.9),
            ),
        )
        for cell in cells
    ]
    score, ratio = score_records(records)
    assert score == pytest.approx((0.25 + 0.2 + 0.0) / 3)
    assert ratio == pytest.approx(0.25)
    failed = dataclasses.replace(records[0], status="failed")
    assert score_records([failed, records[1]])[0] == FAILED_SCORE
    lacking = dataclasses.replace(records[0], measurements=records[0].measurements[:2])
    with pytest.raises(InputError, match="'folder:cold' has no images to measure 'all' accuracy on"):
        score_records([lacking])


def test_a_model_that_knows_nothing_can_not_be_tuned_on(path: Path, tmp_path: Path) -> None:
    from tests.benchmarks.support import plan

    (cell,) = plan(path, [write_method(tmp_path, "return clip")], classes=["green"])
    measured = (
        accuracy("folder:warm", "target", 0.0, 0.0),
        accuracy("folder:warm", "other", 0.5, 0.4),
        accuracy("folder:cold", "all", 0.9, 0.9),
    )
    with pytest.raises(InputError, match="can't be scored"):
        score_records([Record(run=cell.run, status="ok", measurements=measured)])


def test_outside_methods_load_in_workers(tmp_path: Path) -> None:
    """What the command hands to a worker is a name; the class is resolved there."""
    spec = tunable_method(tmp_path)
    assert isinstance(load(spec), type)
    assert load_method(spec).target == spec
