"""The breakdown counts every second once, under the stage in which it was spent."""

import time
from pathlib import Path

import pytest

from tests.benchmarks.support import CONDITIONS, NOISE, plan, write_method
from unlearn_bench.benchmarks.referee import game
from unlearn_bench.benchmarks.speed.breakdown import (
    EVALUATION,
    SYNTHESIS,
    UNLEARNING,
    Breakdown,
    by_operator,
    by_stage,
    picked,
    run,
)

SLOW = """
        import time
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        request.synthesize()
        request.report(0, loss=1.0)
        return clip
"""


def spend(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_seconds_go_to_the_stage_that_is_heard_of() -> None:
    counted = Breakdown(operators=False)
    counted.begin("own")
    spend(0.1)
    counted.hear("step 3")
    counted.hear("measuring")
    spend(0.2)
    counted.hear("measuring accuracy")
    assert counted.turn("elsewhere") == "accuracy"
    counted.end()
    assert list(counted.stages) == [("own", stage) for stage in (UNLEARNING, EVALUATION, "accuracy", "elsewhere")]
    assert counted.stages["own", UNLEARNING] == pytest.approx(0.1, abs=0.05)
    assert counted.stages["own", EVALUATION] == pytest.approx(0.2, abs=0.05)
    assert counted.stages["own", "accuracy"] < 0.05


def test_cells_are_counted_by_method_and_stage(tmp_path: Path, suite_file: Path) -> None:
    slow, quick = write_method(tmp_path, SLOW), write_method(tmp_path, NOISE, name="quick")
    cells = plan(suite_file, [slow, quick])[:2]
    make = game.__dict__["synthetic_images"]
    counted = run(cells, CONDITIONS, operators=True)
    assert game.__dict__["synthetic_images"] is make
    methods = {name for name, _ in counted.stages}
    assert methods == {cell.run.label for cell in cells}
    (own,) = methods - {"quick"}
    assert counted.stages[own, UNLEARNING] > 0.29
    assert counted.stages["quick", UNLEARNING] < counted.stages[own, UNLEARNING]  # each began a process
    assert counted.stages[own, SYNTHESIS] > 0
    assert ("quick", SYNTHESIS) not in counted.stages
    assert {"accuracy", EVALUATION} <= {stage for _, stage in counted.stages}
    assert any(stage == EVALUATION and name.startswith("aten::") for stage, name in counted.by_operator)
    assert by_operator(counted, 1.0, most=3).count("\n") == 4


def test_the_table_has_sums_and_the_dearest_first() -> None:
    stages = {("a", "x"): 1.0, ("b", "x"): 2.0, ("b", "y"): 3.0}
    lines = by_stage(stages, 10.0).splitlines()
    assert lines[0].split() == ["method", "all", "x", "y"]
    assert [line.split() for line in lines[2:]] == [
        ["b", "50.0", "20.0", "30.0"],
        ["a", "10.0", "10.0", "0.0"],
        ["all", "60.0", "30.0", "30.0"],
    ]


def test_every_row_has_as_many_cells(tmp_path: Path, suite_file: Path) -> None:
    cells = plan(suite_file, [write_method(tmp_path, NOISE), write_method(tmp_path, NOISE, name="other")])
    labels = {cell.run.label for cell in cells}
    assert len(labels) == 2
    assert picked(cells, 0) == cells
    for count in (1, 2, 4):
        chosen = picked(cells, count)
        each = max(1, count // 2)
        assert {label: sum(cell.run.label == label for cell in chosen) for label in labels} == dict.fromkeys(
            labels, each
        )
        assert chosen == sorted(chosen, key=cells.index)
    assert picked(cells, 2) != cells[:2]
