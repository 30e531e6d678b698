"""A run against what was published: exact where it must be, tolerant where it may."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.leaderboards.examples import DIGITS, SHAPES, accuracy, ended, plain, record, run, sweep
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.wide_csv import read_csv, write_csv
from unlearn_bench.leaderboards.regression import Tolerances, compare_runs, parse_tolerances
from unlearn_bench.metrics.base import Measurement


def drifts(measured: Sequence[Record], published: Sequence[Record], **tolerances: float) -> list[tuple[str, str]]:
    found = compare_runs(measured, published, Tolerances(**tolerances))
    assert found.ok is not bool(found.drifts)
    return [(drift.what, drift.cell) for drift in found.drifts]


def changed(**sides: int) -> Record:
    """The example record with other counts of right images."""
    counts = {"target": (16, 2), "other": (30, 30), "all": (45, 45), "control": (9, 8)}
    n = {"target": 20, "other": 40, "all": 60, "control": 10}
    base = record()
    said: list[Measurement] = []
    for item in base.measurements:
        before, after = counts[item.group]
        before = sides.get(f"{item.group}_before", before)
        after = sides.get(f"{item.group}_after", after)
        said.append(accuracy(item.dataset, item.group, n[item.group], before, after))
    return replace(base, measurements=tuple(said))


def test_the_same_run_is_as_published(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", sweep(seeds=(0, 1), seconds=1.0))
    found = compare_runs(sweep(seeds=(0, 1), seconds=1.0), read_csv(tmp_path / "a.csv"))
    assert (found.ok, found.compared, found.drifts, found.not_run, found.new) == (True, 6, (), (), ())
    assert found.table() == ""


@pytest.mark.parametrize("group", ["target", "other", "all", "control"])
def test_before_is_exact(group: str) -> None:
    n = {"target": 16, "other": 30, "all": 45, "control": 9}[group]
    found = drifts([changed(**{f"{group}_before": n - 1})], [record()])
    assert len(found) == 1
    assert found[0][0].endswith(f"{group} before")


@pytest.mark.parametrize(
    ("sides", "ok"),
    [
        ({"target_after": 4}, True),  # two images
        ({"target_after": 0}, True),
        ({"target_after": 5}, False),
        ({"all_after": 44}, True),  # 1/60 < .02
        ({"all_after": 43}, False),
        ({"all_after": 46}, True),
        ({"all_after": 47}, False),  # better is drift too
        ({"other_after": 29}, False),  # 1/40
        ({"control_after": 7}, False),
    ],
)
def test_after_is_within_its_tolerance(sides: dict[str, int], ok: bool) -> None:
    found = drifts([changed(**sides)], [record()], class_mean=1.0)
    assert found == ([] if ok else found[:1])
    assert ok or found[0][0].endswith("after")


def test_tolerances_can_be_widened() -> None:
    far = [changed(target_after=6, all_after=40)]
    assert len(drifts(far, [record()], class_mean=1)) == 2
    assert drifts(far, [record()], class_mean=1, target_images=4, others=0.1) == []


def test_a_method_may_not_drift_as_a_whole_within_the_cells_tolerances() -> None:
    assert drifts(sweep(targets=(3,)), sweep(targets=(2,))) == [("target after", "mean of 3 cells")]
    assert drifts(sweep(targets=(3, 1, 2)), sweep(targets=(2,))) == []


def test_another_end_is_drift() -> None:
    published = sweep()
    measured = sweep()
    measured[0] = ended(measured[0], "failed", "loss is nan")
    (drift,) = compare_runs(measured, published).drifts
    assert (drift.what, drift.published, drift.measured) == ("status", "ok", "failed: loss is nan")
    both = compare_runs([measured[0]], [replace(measured[0], reason="another reason")])
    assert both.ok


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fingerprint": "beef"}, "fingerprint=beef"),
        ({"method_version": 2}, "method_version=2"),
        ({"hyperparameters": {"sigma": 0.2, "steps": 25, "layers": ("a", "b")}}, "hyperparameters.sigma=0.2"),
        ({"metrics": {"accuracy": 2, "seconds": 1}}, "metrics.accuracy=2"),
        ({"evaluation": run().evaluation[:2]}, "evaluation.planets absent"),
    ],
)
def test_another_identity_is_named(change: dict[str, Any], says: str) -> None:
    measured = record(run(**change))
    (drift,) = compare_runs([measured], [record()]).drifts
    assert drift.what == "what was run"
    assert says in drift.measured
    assert says not in drift.published


def test_of_two_settings_the_same_one_is_compared() -> None:
    other = record(run(method_version=2))
    assert compare_runs([record()], [other, record()]).ok
    assert compare_runs([record(run(suite="other"))], [other, record()]).ok


def test_a_measurement_or_images_that_are_gone() -> None:
    without = replace(record(), measurements=record().measurements[1:])
    assert drifts([without], [record()])[0][0] == f"{SHAPES} target"
    fewer = replace(record(), measurements=(accuracy(SHAPES, "target", 10, 8, 1), *record().measurements[1:]))
    assert drifts([fewer], [record()], class_mean=1) == [
        (f"{SHAPES} target test images", f"{SHAPES}: red cube, seed 0")
    ]


def test_undefined_is_not_a_number() -> None:
    first = record().measurements[0]
    undefined = replace(record(), measurements=(replace(first, after=None), *record().measurements[1:]))
    assert drifts([undefined], [record()]) == [(f"{SHAPES} target after", f"{SHAPES}: red cube, seed 0")]
    assert drifts([undefined], [undefined]) == []
    nan = replace(record(), measurements=(replace(first, after=float("nan")), *record().measurements[1:]))
    assert len(drifts([nan], [record()])) == 2  # the cell and the mean


def test_seconds_are_never_compared() -> None:
    slow = replace(record(), measurements=(*record().measurements, plain("seconds", "method", 1000.0)))
    quick = replace(record(), measurements=(*record().measurements, plain("seconds", "method", 0.1)))
    assert compare_runs([slow], [quick]).ok


def with_probe(after: float | None, before: float | None = 0.5, *, n: int = 20, **changes: Any) -> Record:
    said = replace(plain("linear-probe", "target", after, before=before, dataset=SHAPES, n=n), **changes)
    return replace(record(), measurements=(*record().measurements, said))


@pytest.mark.parametrize(
    ("measured", "drifted"),
    [
        (with_probe(0.4), []),
        (with_probe(0.5), []),  # .1 more
        (with_probe(0.3), []),
        (with_probe(0.51), [" target after"]),
        (with_probe(0.29), [" target after"]),
        (with_probe(0.4, 0.61), [" target before"]),
        (with_probe(None, 0.39), [" target before", " target after"]),
        (with_probe(0.4, n=21), [" target n"]),
        (with_probe(0.4, group="other"), [" target", " other"]),  # absent; and new
        (record(), [" target"]),
    ],
)
def test_other_metrics_are_compared_too(measured: Record, drifted: list[str]) -> None:
    place = f"linear-probe {SHAPES}"
    found = compare_runs([measured], [with_probe(0.4)]).drifts
    assert [drift.what for drift in found] == [place + what for what in drifted]
    assert compare_runs([with_probe(0.4)], [measured]).ok is not bool(drifted)


def test_the_tolerance_of_other_metrics_can_be_set() -> None:
    many = {"n": 1000}
    assert drifts([with_probe(0.45, **many)], [with_probe(0.4, **many)], audits=0.01) == [
        (f"linear-probe {SHAPES} target after", f"{SHAPES}: red cube, seed 0")
    ]
    assert drifts([with_probe(0.8, 0.1)], [with_probe(0.4)], audits=0.5) == []


def test_over_few_queries_two_may_differ() -> None:
    few = {"n": 4}
    assert drifts([with_probe(0.9, **few)], [with_probe(0.4, **few)]) == []
    assert len(drifts([with_probe(0.95, **few)], [with_probe(0.4, **few)])) == 1


@pytest.mark.parametrize(
    ("metric", "group"),
    [
        ("peak-memory", "all"), ("share-changed", "all"), ("relative-change", "all"), ("predictions", "share/cat"),
        ("relearning", "steps-to-return"),
    ],
)  # fmt: skip
def test_costs_and_counts_are_not_compared(metric: str, group: str) -> None:
    def with_cost(value: float) -> Record:
        return replace(record(), measurements=(*record().measurements, plain(metric, group, value, before=0.0)))

    assert compare_runs([with_cost(1.0)], [with_cost(0.0)]).ok
    assert compare_runs([with_cost(1.0)], [record()]).ok


def test_what_is_no_rate_is_not_compared_by_the_tolerance_of_rates() -> None:
    assert compare_runs([with_probe(3.0)], [with_probe(7.0)]).ok
    assert len(drifts([with_probe(7.0)], [with_probe(1.0)])) == 1
    assert len(drifts([with_probe(0.2)], [with_probe(-0.1)])) == 1  # a gap, a cosine


def test_a_part_of_a_suite_can_be_checked() -> None:
    found = compare_runs(sweep()[:1] + sweep("mine"), sweep() + sweep("emb"))
    assert found.ok
    assert found.compared == 1
    assert len(found.not_run) == 5
    assert found.new == tuple(
        f"mini-rn, mine, {where}, seed 0"
        for where in (f"{DIGITS}: three", f"{SHAPES}: blue cone", f"{SHAPES}: red cube")
    )
    assert found.summary == "1 cells compared, 0 numbers drifted; 5 published cells not run, 3 cells new"


def test_a_check_that_looks_at_nothing_does_not_pass() -> None:
    for measured, published in ((sweep(), []), ([], sweep()), (sweep(), sweep("emb")), ([], [])):
        with pytest.raises(InputError, match="nothing to compare"):
            compare_runs(measured, published)


def test_the_table_shows_what_drifted() -> None:
    table = compare_runs([changed(target_after=6)], [record()], Tolerances(class_mean=1)).table()
    lines = table.splitlines()
    assert len(lines) == 3
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    where = f"{SHAPES}: red cube, seed 0"
    assert cells == ["mini-rn", "lip", where, f"{SHAPES} target after", "0.1", "0.3", "0.1 (2 of 20 images)"]


def test_parsing_tolerances() -> None:
    assert parse_tolerances([]) == Tolerances()
    assert parse_tolerances(["target_images=3", " others = .05 "]) == Tolerances(target_images=3, others=0.05)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("others", "name=value"),
        ("other=1", "did you mean 'others'"),
        ("others=much", "takes a number"),
        ("others=-1", "0 or more"),
        ("others=nan", "0 or more"),
        ("others=inf", "0 or more"),
    ],
)
def test_bad_tolerances(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_tolerances([text])


def test_a_method_may_be_told_only_after_forgetting() -> None:
    """Not what was run, not how it ended, not what was there before; and no other method."""
    apart = [changed(target_after=9)]
    strict = compare_runs(apart, [record()])
    told = compare_runs(apart, [record()], told_only=["lip"])
    assert not strict.ok
    assert told.ok
    assert told.told == strict.drifts
    assert "target after" in told.table(told=True)
    assert told.table() == ""
    assert "0 numbers drifted (2 more are told only)" in told.summary
    assert not compare_runs(apart, [record()], told_only=["emb"]).ok
    assert not compare_runs([changed(target_before=15)], [record()], told_only=["lip"]).ok
    assert not compare_runs([ended(record(), "failed", "x")], [record()], told_only=["lip"]).ok
    other = record(run(hyperparameters={"learning_rate": 1.0}))
    assert not compare_runs([other], [record()], told_only=["lip"]).ok


def test_looks_into_relearning_have_a_tolerance_of_their_own() -> None:
    def looked(after: float, group: str) -> Record:
        item = Measurement(metric="relearning", version=1, dataset=DIGITS, group=group, before=0.5, after=after, n=50)
        return replace(record(), measurements=(*record().measurements, item))

    assert compare_runs([looked(0.24, "steps@4/target")], [looked(0.48, "steps@4/target")]).ok
    assert not compare_runs([looked(0.1, "steps@4/target")], [looked(0.48, "steps@4/target")]).ok
    assert not compare_runs([looked(0.24, "shots@4/target")], [looked(0.48, "shots@4/target")]).ok
    assert compare_runs([looked(0.1, "steps@4/target")], [looked(0.48, "steps@4/target")], Tolerances(looks=0.5)).ok


def test_what_is_measured_on_images_that_each_machine_makes() -> None:
    def gap(after: float, group: str) -> Record:
        item = Measurement(
            metric="verification-gap", version=1, dataset=DIGITS, group=group, before=0.5, after=after, n=32
        )
        return replace(record(), measurements=(*record().measurements, item))

    for group, ok in (("accuracy/synthetic", True), ("accuracy/gap", True), ("accuracy/real", False)):
        assert compare_runs([gap(0.125, group)], [gap(0.25, group)]).ok is ok, group
        assert not compare_runs([gap(0.0, group)], [gap(0.25, group)]).ok
