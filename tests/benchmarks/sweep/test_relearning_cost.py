"""Relearning's cost: forecast, told, bounded, and the same on a second look."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.support import CONDITIONS, NOISE, Call, bench_of, plan, write_method, write_suite
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep import relearning_cost
from unlearn_bench.benchmarks.sweep.estimate import Known, estimate, seconds_per_audit
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.sweep.relearning_cost import LIMIT_S, bounded
from unlearn_bench.cache import cache_root
from unlearn_bench.metrics.shared.attacks import standard_metrics

METRICS = ("accuracy", "seconds", "relearning")


@pytest.fixture
def audited(tmp_path: Path) -> Path:
    """A suite that asks for relearning."""
    return write_suite(tmp_path, metrics=METRICS)


@pytest.fixture
def bench(audited: Path) -> Workbench:
    return bench_of(load_suite(str(audited)))


def slowed(path: Path) -> Path:
    """The same suite with an image tower that takes 20 ms for whatever it is given."""
    file = path.parent / "colours_model.py"
    slow = (
        "import time\n"
        "class Slow(nn.Flatten):\n"
        "    def forward(self, x):\n"
        "        time.sleep(0.02)\n"
        "        return super().forward(x)\n"
    )
    text = file.read_text().replace("def tokenize", f"{slow}\ndef tokenize", 1)
    file.write_text(text.replace("AdaptiveAvgPool2d(1), nn.Flatten()", "AdaptiveAvgPool2d(1), Slow()", 1))
    assert file.read_text().count("Slow(") == 2
    return path


def test_nothing_is_forecast_where_nobody_asks(suite: Suite) -> None:
    found = bounded(suite, Choice(), bench_of(suite))
    assert (found.choice, found.seconds, found.said) == (Choice(), {}, "")
    assert not (cache_root() / "rates").exists()


def test_a_quick_audit_is_told_and_kept(audited: Path, bench: Workbench) -> None:
    suite = load_suite(str(audited))
    found = bounded(suite, Choice(), bench)
    assert found.choice == Choice()
    assert found.seconds.keys() == {"folder:warm", "folder:cold"}
    assert all(0 < seconds < LIMIT_S for seconds in found.seconds.values())
    assert found.said.startswith(f"{suite.models[0]}: relearning takes about ")
    assert found.said.endswith(" s a cell, and as much once for each forget set")
    assert not found.is_left_out
    assert bench.is_untouched()


def test_the_forecast_is_of_the_size_of_what_it_takes(audited: Path, tmp_path: Path) -> None:
    (cell,) = plan(slowed(audited), [write_method(tmp_path, NOISE)], classes=["red"])
    bench = open_workbench(cell.setting)
    forecast = bounded(load_suite(str(audited)), Choice(), bench).seconds["folder:warm"]
    record = run_cell(cell, bench, CONDITIONS).record
    audit = record.find("seconds", group="audit")
    assert audit is not None
    assert audit.after is not None
    assert audit.after > 2 * 48 * 0.02  # in the first cell of a forget set the original is trained too
    assert 0.4 < audit.after / (2 * forecast) < 2.5


@contextmanager
def limit(seconds: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(relearning_cost, "LIMIT_S", seconds)
        yield


def test_over_the_limit_only_who_names_it_gets_it(
    audited: Path, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = load_suite(str(audited))
    with limit(1e-6, monkeypatch):
        found = bounded(suite, Choice(), bench)
        assert found.choice == Choice(metrics=["accuracy", "seconds"])
        assert found.seconds == {}
        assert found.is_left_out
        assert "relearning is left out: it would take about " in found.said
        assert found.said.endswith("to have it, name it: --metrics accuracy,seconds,relearning")
        named = bounded(suite, Choice(metrics=METRICS), bench)
        assert named.choice == Choice(metrics=METRICS)
        assert not named.is_left_out
        assert "relearning takes about" in named.said


def test_a_model_of_the_package_has_it_however_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite("mini")
    (setting,) = settings_for(suite, Choice(), device="cpu", skip_bad=False)
    with limit(1e-6, monkeypatch):
        found = bounded(suite, Choice(), open_workbench(setting))
    assert (found.choice, found.is_left_out) == (Choice(), False)
    assert found.said.startswith("mini-rn: relearning takes about ")


def test_relearning_is_left_out_of_the_standard_attack_too(
    audited: Path, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = replace(load_suite(str(audited)), metrics=("seconds", "standard-attack"))
    with limit(1e-6, monkeypatch):
        found = bounded(suite, Choice(), bench)
    assert found.is_left_out
    assert found.choice.metrics == ["seconds", *(name for name in standard_metrics() if name != "relearning")]


def test_the_first_forecast_stands(audited: Path, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite(str(audited))
    first = bounded(suite, Choice(), bench)
    with monkeypatch.context() as patch:
        patch.delattr(relearning_cost, "relearn")  # it is not measured again
        assert bounded(suite, Choice(), bench).seconds == first.seconds
    (path,) = (cache_root() / "rates").glob("relearning-*.json")
    kept = json.loads(path.read_text())["seconds_per_pass"]
    path.write_text("{")
    assert bounded(suite, Choice(), bench).seconds.keys() == first.seconds.keys()
    assert json.loads(path.read_text())["seconds_per_pass"] != kept


def test_a_model_that_can_not_be_trained_so_is_not_forecast(
    audited: Path, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_gradient(*_: object, **__: object) -> None:
        raise RuntimeError("element 0 of tensors does not require grad")

    monkeypatch.setattr(relearning_cost, "relearn", no_gradient)
    suite = load_suite(str(audited))
    found = bounded(suite, Choice(), bench)
    assert (found.choice, found.seconds, found.said) == (Choice(), {}, "")


def test_without_training_images_nothing_is_trained(audited: Path, bench: Workbench) -> None:
    empty = replace(bench.setting, train_split="pretrain")
    assert relearning_cost._passes(bench.evaluated["folder:warm"], empty) == 0.0
    assert relearning_cost._passes(bench.evaluated["folder:warm"], bench.setting) > 0


def test_audits_are_in_the_estimate(audited: Path, bench: Workbench, tmp_path: Path) -> None:
    (cell,) = plan(audited, [write_method(tmp_path, "return clip")], classes=["red"])
    record = run_cell(cell, bench, CONDITIONS).record
    audit = record.find("seconds", group="audit")
    assert audit is not None
    assert audit.after is not None
    asked = (cell.run.model, frozenset(METRICS))
    assert seconds_per_audit([record]) == {asked: audit.after}
    known = {cell.setting.model: Known(audits={"folder:warm": 100.0})}
    spent = [record.find("seconds", group=group) for group in ("method", "evaluation", "audit")]
    assert estimate([cell], [record], known).cells == pytest.approx(sum(item.after or 0.0 for item in spent if item))
    forecast = {cell.setting.model: Known(audits={"folder:warm": 100.0})}
    assert estimate([cell], [], forecast).cells == 100.0
    assert estimate([cell], [], forecast).unknown == ("mine",)


def test_a_run_says_it_first_and_its_records_lack_what_was_left_out(
    suite_file: Path, sweep: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite_file.write_text(suite_file.read_text().replace('"seconds"', '"seconds", "relearning"'))
    told = sweep("--classes", "red", "--dry-run")
    first = next(line for line in told.err.splitlines() if not line.startswith("data: "))
    assert "relearning takes about" in first
    with limit(1e-6, monkeypatch):
        done = sweep("--classes", "red")
        assert done.code == 0, done.err
        assert "relearning is left out" in done.err
        (path,) = (tmp_path / "out" / "cells").glob("*.json")
        assert set(json.loads(path.read_text())["run"]["metrics"]) == {"accuracy", "seconds"}
        named = sweep("--classes", "red", "--metrics", ",".join(METRICS))
    assert "1 ok, 0 skipped, 0 failed, 0 done before" in named.out  # another record: metrics are part of its key
