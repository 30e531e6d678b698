"""What is said while a search runs, and what it would take."""

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.benchmarks.conftest import READ_ONCE
from tests.benchmarks.support import bench_of, write_method, write_suite
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import LoadedMethod, load_method
from unlearn_bench.benchmarks.tuning import cost
from unlearn_bench.benchmarks.tuning.cost import search_seconds
from unlearn_bench.benchmarks.tuning.race import most_cells
from unlearn_bench.benchmarks.tuning.telling import Lines


def test_a_line_every_ten_seconds_with_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    heard = io.StringIO()
    lines = Lines(Console(file=heard, width=200), "mine")
    lines(40, 100)
    now[0] += 9
    lines(45, 100)
    assert heard.getvalue() == ""
    now[0] += 11
    lines(50, 100)
    now[0] += 1
    lines(60, 100)
    assert heard.getvalue() == "tuning mine: 50 of at most 100 cells, at most about 100 s left\n"


@pytest.fixture
def methods(tmp_path: Path) -> list[LoadedMethod]:
    outside = load_method(write_method(tmp_path, "return clip"))
    return [load_method("text-null-space"), load_method("salun"), outside]


def test_a_guess_grows_with_what_there_is_to_do(
    methods: list[LoadedMethod], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images through the tower, times the seconds of one (here: 1), times the cells."""
    bench = bench_of(load_suite(str(write_suite(tmp_path))))
    monkeypatch.setattr(cost, "_seconds_per_image", lambda clip: 1.0)

    def guess(chosen: list[LoadedMethod], *, trials: int = 16, jobs: int = 1) -> float:
        found = search_seconds(chosen, bench, trials=trials, tasks=4, jobs=jobs)
        assert found is not None
        return found

    scored = sum(len(item.dataset.index("val")) for item in bench.evaluated.values())
    assert guess(methods[:1]) > scored * most_cells(16, 4)
    assert guess(methods[:1]) < guess(methods[1:2]) < guess(methods[:2])
    assert guess(methods, jobs=2) == pytest.approx(guess(methods) / 2)
    assert guess(methods, trials=64) > 2 * guess(methods)
    assert search_seconds([], bench, trials=16, tasks=4, jobs=1) is None


def test_the_work_of_a_method_is_told_by_its_published_seconds() -> None:
    """By hand: median seconds of the method, over those of one image of the evaluation."""
    records = [
        r
        for r in READ_ONCE(metrics=("seconds", "accuracy"))
        if r.run.suite == "mini-full" and r.run.model == "mini-rn"
    ]
    if not records:
        pytest.skip("this installation comes without published records")
    one = next(record for record in records if record.run.method == "finetune-retain")
    work = cost._work([one], "finetune-retain")
    seconds = {group: one.find("seconds", group=group) for group in ("method", "evaluation")}
    images = sum(item.n for item in one.measurements if item.metric == "accuracy")
    assert seconds["method"] is not None
    assert seconds["method"].after is not None
    assert seconds["evaluation"] is not None
    assert seconds["evaluation"].after is not None
    assert work == pytest.approx(seconds["method"].after / seconds["evaluation"].after * images)
    assert cost._work([replace(one, measurements=())], "finetune-retain") is None
