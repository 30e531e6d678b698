"""An endless method is a failed cell, and the rest goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.support import Call, plan, write_method
from unlearn_bench.benchmarks.sweep.estimate import Known
from unlearn_bench.benchmarks.sweep.patience import LEAST_S, TIMES, UNHURRIED, Patience
from unlearn_bench.benchmarks.sweep.rates import MethodRate, Rates, Sizes
from unlearn_bench.leaderboards.records.storage import read_folder


def test_what_is_given_counts(suite_file: Path, tmp_path: Path) -> None:
    (cell, *_) = plan(suite_file, [write_method(tmp_path, "return clip")])
    assert Patience(given=5.0).of(cell) == 5.0
    assert Patience(given=0.0).of(cell) == 0.0
    assert UNHURRIED.of(cell) == LEAST_S


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, LEAST_S), (1000.0, TIMES * 1000.0)])
def test_what_a_rehearsal_took_makes_it_longer(
    seconds: float, expected: float, suite_file: Path, tmp_path: Path
) -> None:
    (cell, *_) = plan(suite_file, [write_method(tmp_path, "return clip")])
    rate = MethodRate(access="ZS", seconds=seconds, evaluation_seconds=1.0, peak_memory_mib=1.0)
    speeds = {"bare_images_per_s": 1.0, "suite_images_per_s": 1.0, "agreement": 1.0, "ascent_seconds": 1.0}
    rates = Rates(
        device="cpu", precision="fp32", threads=1, train=10, forget=5, test=10, methods={"mine": rate}, **speeds
    )
    known = Known(rates=rates, sizes={cell.run.dataset: Sizes(train=10, train_by_class={}, test=10)})
    assert Patience(known={cell.setting.model: known}).of(cell) == expected
    other = replace(cell, setting=replace(cell.setting, model="another"))
    assert Patience(known={cell.setting.model: known}).of(other) == LEAST_S


def test_a_method_that_never_ends_is_a_failed_cell(call: Call, suite_file: Path, tmp_path: Path) -> None:
    body = "import time\nwhile request.forget[0].name == 'red':\n    time.sleep(0.1)\nreturn clip"
    spec = write_method(tmp_path, body)
    given = ["--classes", "red,green", "--jobs", "1", "--device", "cpu", "--timeout", "1"]
    said = call("run", "--suite", suite_file, "--methods", spec, *given, "--out", tmp_path / "out")
    assert said.code == 1
    found = {record.run.forget[0]: record for record in read_folder(tmp_path / "out").records}
    assert (found["green"].status, found["red"].status) == ("ok", "failed")
    assert found["red"].reason == "the method took longer than it may; its process was ended"
