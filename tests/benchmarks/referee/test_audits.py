"""Further evidence: made for the metrics that ask, kept where it is the original's, never shown to a method."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.benchmarks.support import CONDITIONS, NOISE, WARM, plan, write_colours, write_method, write_suite
from unlearn_bench.benchmarks.referee import audits
from unlearn_bench.benchmarks.referee.audits import further_evidence, once_for
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.leaderboards.records import retrained_predictions
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.retrained_predictions import Predicted, Retrained, write_retrained

ALL = (
    "linear-probe",
    "neighbours",
    "paraphrases",
    "quantisation",
    "relearning",
    "retrain-distance",
    "separability",
)


def cell_of(folder: Path, *metrics: str, body: str = NOISE) -> Cell:
    suite = write_suite(folder, metrics=("accuracy", "seconds", *metrics))
    (cell,) = plan(suite, [write_method(folder, body)], classes=["red"])
    return cell


def measured(cell: Cell) -> Record:
    record = run_cell(cell, open_workbench(cell.setting), CONDITIONS).record
    assert record.status == "ok", record.reason
    return record


def parts(record: Record) -> list[str]:
    return [item.group for item in record.measurements if item.metric == "seconds"]


def test_nobody_pays_for_what_nobody_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("no metric needs it")

    monkeypatch.setattr("unlearn_bench.benchmarks.referee.referee.further_evidence", never)
    record = measured(cell_of(tmp_path, "neighbours"))
    assert parts(record) == ["method", "synthesis", "evaluation"]
    assert not (tmp_path / "cache" / "audits").exists()


def test_every_audit_is_measured_in_the_order_of_the_suite_and_timed_apart(tmp_path: Path) -> None:
    plain = measured(cell_of(tmp_path))
    record = measured(cell_of(tmp_path, *ALL))
    assert list(dict.fromkeys(item.metric for item in record.measurements)) == ["accuracy", "seconds", *ALL]
    assert parts(record) == ["method", "synthesis", "evaluation", "audit"]
    audit = record.find("seconds", group="audit")
    assert audit is not None
    assert (audit.after or 0) > 0
    accuracy = [item for item in record.measurements if item.metric == "accuracy"]
    assert accuracy == [item for item in plain.measurements if item.metric == "accuracy"]
    assert plain.run.key != record.run.key


def test_doing_nothing_changes_no_audit(tmp_path: Path) -> None:
    record = measured(cell_of(tmp_path, *ALL, body="return clip"))
    for item in record.measurements:
        if item.metric in ALL:
            assert item.before == item.after
    recall = record.find("linear-probe", group="target")
    assert recall is not None
    assert recall.after == 1.0
    distance = record.find("retrain-distance", group="target")
    assert distance is not None
    assert (distance.after, distance.n) == (None, 0)


def test_the_originals_side_is_computed_once_for_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_of(tmp_path, *ALL)
    first = measured(cell)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "audits").rglob("*.npy")}
    assert len(kept) == 5  # the probe, relearning, wordings, and images and words with rounded weights
    open_workbench.cache_clear()
    audited = [item for item in measured(cell).measurements if item.metric in ALL]
    assert audited == [item for item in first.measurements if item.metric in ALL]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "audits").rglob("*.npy")} == kept
    monkeypatch.setattr(audits, "_code", lambda: "another")
    measured(cell)
    assert len(list((tmp_path / "cache" / "audits").rglob("*.npy"))) == 10


def test_a_dataset_without_training_images_is_audited_as_far_as_that_goes(tmp_path: Path) -> None:
    tested = f"folder:{write_colours(tmp_path / 'tested' / 'test').parent}"
    suite = write_suite(tmp_path, metrics=("accuracy", *ALL), datasets=[tested])
    (cell,) = plan(suite, [write_method(tmp_path, NOISE)], classes=["red"])
    record = measured(cell)
    known = {
        item.metric
        for item in record.measurements
        if item.group in {"target", "worst", "shots@1/target"} and item.after is not None
    }
    assert known == {"accuracy", "paraphrases", "quantisation"}
    missing = {item.metric for item in record.measurements if item.after is None}
    assert {"linear-probe", "relearning", "separability"} <= missing


def test_what_is_given(tmp_path: Path) -> None:
    cell = cell_of(tmp_path)
    bench = open_workbench(cell.setting)
    assert further_evidence(set(), run=cell.run, bench=bench, unlearned=bench.clip) == {}
    item = bench.evaluated[cell.run.dataset]
    found = further_evidence({"train", "models", "reference"}, run=cell.run, bench=bench, unlearned=bench.clip.copy())
    train, models = found["train"], found["models"]
    assert torch.equal(train.labels, item.train.labels)
    assert torch.equal(train.before.images, train.after.images)
    with torch.no_grad():
        images = bench.clip.encode_images(bench.clip.to_input(item.train.pixels))
    assert torch.allclose(train.before.images, torch.nn.functional.normalize(images, dim=-1), atol=1e-6)
    assert torch.equal(models.train.pixels, item.train.pixels)
    assert torch.equal(models.test.labels, item.images.labels)
    assert (models.template, len(models.train)) == (item.dataset.template, len(item.train))
    assert found["reference"] == {}

    once = once_for(item, bench, item.dataset.template)

    def compute(value: float) -> Callable[[], Tensor]:
        return lambda: torch.tensor([value])

    assert once("one", compute(1.0)).tolist() == [1.0]
    assert once("one", compute(2.0)).tolist() == [1.0]
    assert once("two", compute(2.0)).tolist() == [2.0]


def test_a_metric_that_changes_the_original_fails_the_cell_and_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "metric.py"
    path.write_text(
        "from unlearn_bench.metrics.base import Metric\n\n"
        'class Mine(Metric):\n    name = "mine"\n    needs = ("models",)\n\n'
        "    def measure(self, evidence):\n"
        "        evidence.models.original.module.text[2].weight.data.add_(1)\n        return ()\n"
    )
    cell = cell_of(tmp_path, f"{path}:Mine")
    bench = open_workbench(cell.setting)
    assert run_cell(cell, bench, CONDITIONS).record.status == "failed"
    assert bench.is_untouched()


def published(cell: Cell, folder: Path, change: Callable[[Predicted], Predicted]) -> None:
    """Predictions of a retrained model that calls everything by the first class's name."""
    bench, run = open_workbench(cell.setting), cell.run
    evaluated = [
        Predicted(
            name=each.name,
            version=each.version,
            split=each.split,
            template=each.template,
            content=bench.evaluated[each.name].images.content,
            accuracy=0.5,
            predictions=(0,) * len(bench.evaluated[each.name].images),
        )
        for each in run.evaluation
    ]
    evaluated[1] = change(evaluated[1])
    found = Retrained(
        model=run.model,
        fingerprint=run.fingerprint,
        dataset=run.dataset,
        forget=run.forget,
        weights="0",
        accuracy_of_forgotten={},
        recipe={},
        evaluated=tuple(evaluated),
    )
    write_retrained(found, folder=folder)


@pytest.mark.parametrize(
    ("change", "known"),
    [
        (lambda part: part, True),
        (lambda part: replace(part, version="2"), False),
        (lambda part: replace(part, template="one {}"), False),
        (lambda part: replace(part, content="other"), False),
    ],
)
def test_the_distance_to_a_retrained_model_where_it_saw_the_same(
    change: Callable[[Predicted], Predicted], known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = cell_of(tmp_path, "retrain-distance", body="return clip")
    folder = tmp_path / "retrained"
    find = retrained_predictions.find_retrained
    monkeypatch.setattr(audits, "find_retrained", lambda model, **more: find(model, folder=folder, **more))
    published(cell, folder, change)
    record = measured(cell)
    names = sorted(WARM)
    target = record.find("retrain-distance", group="target")
    rest = record.find("retrain-distance", group="all")
    assert target is not None
    assert rest is not None
    assert target.after == float(names.index("red") != 0)
    assert rest.after == (pytest.approx(2 / 3) if known else None)
    assert json.loads(next(folder.rglob("*.json")).read_text())["dataset"] == cell.run.dataset
