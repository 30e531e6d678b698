"""What is said of memory before a sweep: measured where it was, and honest about the rest."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.support import Call, plan, write_method
from unlearn_bench.benchmarks.commands import dry_run
from unlearn_bench.benchmarks.isolation.measuring import WORKER_MEMORY, counted_memory, most_held_mib
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep import memory
from unlearn_bench.benchmarks.sweep.estimate import Known
from unlearn_bench.benchmarks.sweep.memory import Peak, own_mib, peak_of, worker_memory
from unlearn_bench.benchmarks.sweep.rates import MethodRate, Rates
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.metrics.base import Measurement

HOST, GPU = counted_memory("cpu"), counted_memory("cuda")


@pytest.fixture
def cells(suite_file: Path, tmp_path: Path) -> list[Cell]:
    """Two methods on one class."""
    specs = [write_method(tmp_path, "return clip", name=name) for name in ("small", "large")]
    return plan(suite_file, specs, classes=["red"])


def record(cell: Cell, mib: float | None, *, counted: str = HOST, held: int | None = None) -> Record:
    found = [
        Measurement(metric="peak-memory", version=1, dataset="", group="all", before=None, after=mib, n=1),
    ]
    return Record(
        run=cell.run,
        status="ok",
        measurements=tuple(found) if mib is not None else (),
        provenance={"memory": counted, **({} if held is None else {WORKER_MEMORY: held})},
    )


def rehearsed(cell: Cell, **mib: float) -> dict[str, Known]:
    rates = Rates(
        device="cpu",
        precision="fp32",
        threads=1,
        test=1,
        train=1,
        forget=1,
        bare_images_per_s=1.0,
        suite_images_per_s=1.0,
        agreement=1.0,
        ascent_seconds=1.0,
        methods={
            name: MethodRate(access="ZS", seconds=1.0, evaluation_seconds=1.0, peak_memory_mib=value)
            for name, value in mib.items()
        },
    )
    return {cell.setting.model: Known(rates=rates)}


def test_the_highest_of_a_row_s_records_counts(cells: list[Cell]) -> None:
    small, large = cells
    found = peak_of(cells, [record(small, 3.0), record(large, 20.0), record(large, 10.0)], {}, device="cpu")
    assert found == Peak(mib=20.0, row="large")
    assert str(found) == "at most 20 MiB (large, by records)"


def test_a_rehearsal_fills_in_and_what_is_left_is_named(cells: list[Cell]) -> None:
    small, large = cells
    found = peak_of(cells, [record(small, 3.0)], rehearsed(large, large=7.0), device="cpu")
    assert str(found) == "at most 7 MiB (large, by a rehearsal with random weights)"
    measured = peak_of(cells, [record(large, 3.0)], rehearsed(large, large=7.0), device="cpu")
    assert str(measured) == "at most 3 MiB (large, by records; never measured: small)"
    assert str(peak_of(cells, [], {}, device="cpu")) == "unknown, no cell was ever measured"


def test_memory_of_gpus_and_of_processes_are_not_mixed(cells: list[Cell]) -> None:
    small, large = cells
    told = [record(small, 3.0), record(large, 900.0, counted=GPU)]
    assert peak_of(cells, told, {}, device="cpu") == Peak(mib=3.0, row="small", unknown=("large",))
    assert peak_of(cells, told, {}, device="cuda:1") == Peak(mib=900.0, row="large", unknown=("small",))


def test_a_worker_takes_what_workers_took(cells: list[Cell]) -> None:
    small, large = cells
    told = [record(small, 3.0, held=800), record(large, 20.0, held=950)]
    assert worker_memory(cells, told, Peak(), {}, device="cpu") == (950.0, "the most of 2 records")
    other = replace(large, run=replace(large.run, suite="another"))
    foreign = [record(other, 3.0, held=9999), record(large, 3.0, counted=GPU, held=9999)]
    assert worker_memory(cells, [*told, *foreign], Peak(), {}, device="cpu")[0] == 950.0


def test_where_none_did_this_process_stands_for_one(cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "own_mib", lambda: 500.0)
    mib, source = worker_memory(cells, [], Peak(mib=20.0, row="large"), {}, device="cpu")
    held = "at least: what two hold as this process does, referee and player, with model and data open"
    assert mib == 1020.0
    assert source.startswith(f"{held}, 1000 MiB, and for a cell at most 20 MiB")
    assert worker_memory(cells, [], Peak(), {}, device="cpu") == (1000.0, f"{held}; for a cell unknown")
    mib, source = worker_memory(cells, [], Peak(mib=900.0, row="large"), {}, device="cuda")
    assert (mib, source.startswith("at least: ")) == (1000.0, True)  # 900 MiB of the GPU


def test_of_a_model_that_was_not_opened_it_is_what_one_took_that_was(
    cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "own_mib", lambda: 50.0)
    known = {"a": Known(opened_mib=500), "b": Known(opened_mib=600)}
    mib, source = worker_memory(cells, [], Peak(mib=20.0, row="large"), known, device="cpu")
    assert mib == 1220.0
    assert source.startswith(
        "at least: what two hold as a process does, referee and player, with model and data open"
    )
    both = {**known, "c": Known()}  # this process has opened one of them
    assert worker_memory(cells, [], Peak(), both, device="cpu")[0] == 100.0


def test_this_process_has_memory_and_had_more() -> None:
    most = most_held_mib()
    assert own_mib() > 50
    assert most is None or most >= own_mib()


def test_a_dry_run_says_where_and_how_much(sweep: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "published_records", lambda metrics: ())  # they are many, and of other models
    before = sweep("--dry-run", "--jobs", 2, "--threads", 1)
    assert before.code == 0
    assert re.search(r"^workers: 2 on \S+; threads of each: 1; device: cpu ", before.out, re.MULTILINE)
    assert re.search(
        r"^memory of a worker: \d+\.\d GiB \(at least: what two hold as this.*; in all \d+\.\d of \d+\.\d GiB",
        before.out,
        re.MULTILINE,
    )
    assert "GPU memory of a cell: none, cells run on the processor" in before.out
    assert "2 at a time, 1 threads each, on cpu; no estimate" in before.out
    assert not (tmp_path / "out").exists()
    assert sweep("--metrics", "all", "--limit", 1).code == 0
    (record,) = read_folder(tmp_path / "out").records
    assert record.provenance.get(WORKER_MEMORY, 1) > 0
    after = sweep("--dry-run", "--metrics", "all")
    assert "(the most of 1 records)" in after.out or most_held_mib() is None
    assert re.search(r"on cpu; about \d+ s", after.out)
