"""Seconds, memory, estimates, progress and provenance."""

import dataclasses
import json
import mmap
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from tests.benchmarks.support import CONDITIONS, plan, start, write_method
from unlearn_bench.benchmarks.isolation.measuring import Load, PeakMemory, Stopwatch, counted_memory
from unlearn_bench.benchmarks.referee import conditions as provenance
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import choose_device, conditions_for, current_commit, describe
from unlearn_bench.benchmarks.sweep.estimate import (
    PLANNED_STEPS,
    Estimate,
    Known,
    estimate,
    seconds_per_method,
    seconds_per_synthesis,
)
from unlearn_bench.benchmarks.sweep.rates import MethodRate, Rates, Sizes, load_rates, save_rates
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.metrics.base import Measurement

CPU = torch.device("cpu")


def test_a_stopwatch_adds_up_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 12.5, 20.0, 20.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    watch = Stopwatch(CPU)
    with watch:
        pass
    assert watch.seconds == 2.5
    with watch:
        pass
    assert watch.seconds == 2.75


def _slowly(text: str) -> float:
    time.sleep(0.01)
    return float(text)


def test_a_stopwatch_counts_a_block_that_fails() -> None:
    watch = Stopwatch(CPU)
    with pytest.raises(ValueError, match="not a number"), watch:
        _slowly("not a number")
    assert 0.01 <= watch.seconds < 5


def test_the_load_sees_another_process() -> None:
    cores = psutil.cpu_count() or 1
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        seen, load = psutil.Process(other.pid), Load(1)
        began = time.perf_counter()
        with load:
            before = sum(seen.cpu_times()[:2])
            time.sleep(0.6)
            used = sum(seen.cpu_times()[:2]) - before
        seconds = time.perf_counter() - began
        other.kill()
    assert used > 0.05
    assert load.own is not None
    assert load.own < 0.3  # asleep
    assert load.others is not None
    assert (used - 0.04 * cores) / (seconds * cores) <= load.others <= 1


def test_the_load_is_of_its_blocks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores and two threads: 10 s in which 15 s of ours and 25 s of all were used, then 10 s of nothing."""
    monkeypatch.setattr("psutil.cpu_count", lambda: 4)
    monkeypatch.setattr("unlearn_bench.benchmarks.isolation.measuring._TICK_S", 0.0)
    moments = iter([(0, 0, 0), (10, 15, 25), (50, 50, 90), (60, 50, 90)])
    monkeypatch.setattr(Load, "_now", staticmethod(lambda: next(moments)))
    load = Load(2)
    assert (load.own, load.others) == (None, None)
    with load:
        pass
    assert (load.own, load.others) == (15 / 20, 10 / 40)
    with load:
        pass
    assert (load.own, load.others) == (15 / 40, 10 / 80)


def test_a_system_that_counts_nothing_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([(0, 0, 0), (10, 5, 0)])
    monkeypatch.setattr(Load, "_now", staticmethod(lambda: next(moments)))
    load = Load(1)
    with load:
        pass
    assert (load.own, load.others) == (0.5, None)


_HELD = """
import json, time, torch
from pathlib import Path
from unlearn_bench.benchmarks.isolation.measuring import PeakMemory

def held(*sizes):
    with PeakMemory(torch.device("cpu")) as memory:
        for size in sizes:
            block = torch.full((size, 2**20), 1, dtype=torch.uint8)
            time.sleep(0.05)
            del block
    return memory.bytes / 2**20

Path({out!r}).write_text(json.dumps([held(64), held(16, 64, 16), held()]))
"""


def test_peak_memory_sees_what_was_given_back(tmp_path: Path) -> None:
    """In a new process: the heap of one that ran many tests has holes, and keeps what fills them."""
    process = start(_HELD.format(out=str(tmp_path / "held")))
    process.join(60)
    one, highest, none = json.loads((tmp_path / "held").read_text())
    assert 60 < one < 90
    assert 60 < highest < 90
    assert 0 <= none < 16


@pytest.mark.skipif(counted_memory("cpu") != "pages of its own", reason="only glibc gives memory back when asked")
def test_peak_memory_sees_what_the_allocator_had_kept() -> None:
    small = [torch.full((2**16,), 1, dtype=torch.uint8) for _ in range(1024)]  # 64 MiB below the size that is mapped
    wall = torch.ones(2**10)  # behind them on the heap, so that they aren't given back by themselves
    del small
    with PeakMemory(CPU) as memory:
        again = [torch.full((2**16,), 1, dtype=torch.uint8) for _ in range(1024)]
        time.sleep(0.05)
    assert 60 < memory.bytes / 2**20 < 90
    del again, wall


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells pages of files apart")
def test_peak_memory_leaves_out_pages_of_files(tmp_path: Path) -> None:
    path = tmp_path / "images.bin"
    path.write_bytes(b"\1" * 64 * 2**20)
    with PeakMemory(CPU) as memory:
        images = np.memmap(path, dtype=np.uint8, mode="c")
        total = int(images[:: mmap.PAGESIZE].sum())
        time.sleep(0.05)
    assert total == 64 * 2**20 // mmap.PAGESIZE
    assert memory.bytes < 16 * 2**20


@pytest.fixture
def cells(suite_file: Path, tmp_path: Path) -> list[Cell]:
    specs = [write_method(tmp_path, "return clip", name=name) for name in ("quick", "slow")]
    return plan(suite_file, specs, classes=["red", "blue"])


def took(cell: Cell, *, method: float, evaluation: float = 1.0, synthesis: float = 0.0) -> Record:
    seconds = {"method": method, "evaluation": evaluation, "synthesis": synthesis}
    measured = tuple(
        Measurement(metric="seconds", version=1, dataset="", group=group, before=None, after=after, n=1)
        for group, after in seconds.items()
    )
    return Record(run=cell.run, status="ok", measurements=measured)


def test_estimates(cells: list[Cell]) -> None:
    """Medians of 2, 3, 10 s and of 5 s; images of two classes are made once each, at 4 s."""
    quick, slow = (next(c for c in cells if c.run.method == name) for name in ("quick", "slow"))
    past = [took(quick, method=value, synthesis=4.0) for value in (2.0, 1.0, 9.0)] + [took(slow, method=4.0)]
    model = quick.run.model
    assert seconds_per_method(past) == {(model, "quick"): 3.0, (model, "slow"): 5.0}
    assert seconds_per_synthesis(past) == {model: 4.0}
    assert len(cells) == 4
    found = estimate(cells, past, {})
    assert (found.cells, found.synthesis) == pytest.approx((2 * 3 + 2 * 5, 2 * 4))
    assert found.say(1) == "about 24 s (8 s of it for synthetic images)"
    assert found.say(2) == "about 12 s (4 s of it for synthetic images)"
    assert estimate([quick], past, {}).cells == pytest.approx(3.0)
    assert estimate([], past, {}) == Estimate()


def test_a_cell_whose_model_is_kept_is_only_evaluated(cells: list[Cell]) -> None:
    quick = next(cell for cell in cells if cell.run.method == "quick")
    past = [took(quick, method=1.0, evaluation=2.0, synthesis=4.0)]
    assert estimate([quick], past, {}) == Estimate(cells=3.0, synthesis=4.0)
    assert estimate([quick], past, {}, measured={quick.run.key}) == Estimate(cells=2.0)
    assert estimate([quick], [], {}, measured={quick.run.key}).unknown == ()


def test_no_estimate_without_a_measurement(cells: list[Cell]) -> None:
    quick = next(c for c in cells if c.run.method == "quick")
    assert estimate(cells, [took(quick, method=1.0)], {}).unknown == ("slow",)
    assert estimate(cells, [], {}).say(1) == "no estimate: quick, slow never measured here"
    failed = dataclasses.replace(took(quick, method=1.0), status="failed")
    assert seconds_per_method([failed]) == {}


def rates(access: str) -> Rates:
    """Of 10 test and 20 training images, 4 of them of the forget class."""
    slow = MethodRate(access=access, seconds=8.0, evaluation_seconds=2.0, peak_memory_mib=1.0)
    return Rates(
        device="cpu",
        precision="fp32",
        threads=1,
        test=10,
        train=20,
        forget=4,
        bare_images_per_s=1.0,
        suite_images_per_s=1.0,
        agreement=1.0,
        ascent_seconds=0.001,
        methods={"slow": slow, "quick": slow},
    )


@pytest.mark.parametrize(
    ("access", "unlearning"),
    [("ZS", 8.0), ("semi-ZS", 8.0 * 6 / 4), ("not-ZS", 8.0 * 30 / 20)],
)
def test_a_rehearsal_is_scaled_to_the_images_that_there_are(
    cells: list[Cell], access: str, unlearning: float
) -> None:
    cell = next(c for c in cells if c.run.forget == ("red",) and c.run.method == "slow")
    sizes = {name: Sizes(test=25, train=30, train_by_class={"red": 6}) for name in _evaluated(cell)}
    known = {cell.setting.model: Known(rates=rates(access), sizes=sizes)}
    found = estimate([cell], [], known)
    assert found.rehearsed
    assert found.cells == pytest.approx(unlearning + 2.0 * 25 * len(sizes) / 10)
    steps = min(PLANNED_STEPS, cell.run.synthesis["max_steps"])
    assert found.synthesis == pytest.approx(0.001 * steps * cell.run.synthesis["images_per_class"])
    assert found.say(1).endswith("by a rehearsal with random weights")


def test_records_come_before_a_rehearsal(cells: list[Cell]) -> None:
    quick = next(c for c in cells if c.run.method == "quick")
    sizes = {name: Sizes(test=25, train=30, train_by_class={}) for name in _evaluated(quick)}
    known = {quick.setting.model: Known(rates=rates("ZS"), sizes=sizes)}
    found = estimate([quick], [took(quick, method=1.0, synthesis=3.0)], known)
    assert (found.cells, found.synthesis, found.rehearsed) == (2.0, 3.0, False)


def _evaluated(cell: Cell) -> list[str]:
    return [item.name for item in cell.run.evaluation]


def test_rates_are_kept_by_architecture_device_and_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path))
    path = save_rates(rates("ZS"), "a tower")
    assert load_rates("a tower", "cpu", "fp32") == rates("ZS")
    assert load_rates("another tower", "cpu", "fp32") is None
    assert load_rates("a tower", "another device", "fp32") is None
    assert load_rates("a tower", "cpu", "bf16") is None
    path.write_text('{"methods": {"slow": {"speed": 1}}}')
    with pytest.raises(InputError, match=r"rates in .* can't be read .*; delete the file, and rehearse again"):
        load_rates("a tower", "cpu", "fp32")


def test_synthesis_is_per_class(suite_file: Path, tmp_path: Path) -> None:
    (pair,) = plan(suite_file, [write_method(tmp_path, "return clip")], classes=["red+blue"])
    assert seconds_per_synthesis([took(pair, method=1.0, synthesis=6.0)]) == {pair.run.model: 3.0}


def test_provenance() -> None:
    facts = describe(dataclasses.replace(CONDITIONS, jobs=2, commit="abc"))
    assert facts["jobs"] == 2
    assert facts["contended"] is True
    assert describe(CONDITIONS)["contended"] is False
    assert facts["commit"] == "abc"
    assert facts["memory"] == counted_memory("cpu") in {"pages of its own", "growth of the process"}
    assert counted_memory("cuda:0") == "allocated by torch"
    assert facts["device"].startswith("cpu ")
    assert facts["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"python", "numpy", "pillow", "open_clip_torch"} <= set(facts["packages"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", facts["time"])


def test_the_commit_of_this_checkout() -> None:
    here = Path(provenance.__file__).resolve()
    if not any((folder / ".git").exists() for folder in here.parents):
        pytest.skip("not in a checkout")
    commit = current_commit()
    assert commit is not None
    assert re.fullmatch(r"[0-9a-f]{12}(\+dirty)?", commit)


def test_no_commit_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr("subprocess.run", missing)
    assert current_commit() is None


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(("jobs", "expected"), [(0, (8, 1)), (1, (1, 8)), (3, (3, 2)), (20, (20, 1))])
def test_no_core_is_asked_twice(jobs: int, expected: tuple[int, int]) -> None:
    found = conditions_for("cpu", jobs)
    assert (found.jobs, found.threads) == expected


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("jobs", "threads", "wished", "expected"),
    [
        (0, 2, None, (4, 2)),
        (1, 3, "4", (1, 3)),  # what is given comes before the environment
        (0, 0, "4", (2, 4)),
        (3, 0, "2,1", (3, 2)),
        (0, 0, " ", (8, 1)),
        (0, 16, None, (1, 16)),
    ],
)
def test_threads_are_those_that_were_asked_for(
    jobs: int, threads: int, wished: str | None, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if wished is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wished)
    found = conditions_for("cpu", jobs, threads)
    assert (found.jobs, found.threads) == expected


@pytest.mark.parametrize("wished", ["many", "0", "-2"])
def test_a_wish_that_is_no_number_of_threads(wished: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wished)
    with pytest.raises(InputError, match=rf"OMP_NUM_THREADS is '{wished}', not a number above 0; .* --threads"):
        conditions_for("cpu", 1)
    assert conditions_for("cpu", 1, 2).threads == 2


@pytest.mark.usefixtures("eight_cores")
def test_one_worker_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (conditions_for("cuda", 0).jobs, conditions_for("cuda:1", 0).jobs) == (2, 1)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == "cpu"
    for there, name in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert choose_device("auto") == name
    with pytest.raises(InputError, match=r"device 'gpu' can't be used .*; give auto, cpu, cuda or cuda:N") as caught:
        choose_device("gpu")
    assert "\n" not in str(caught.value)


def test_where_no_driver_is_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"  # torch is here, so it is asked
    monkeypatch.setattr(provenance, "_has_no_gpu", lambda: True)
    assert choose_device("auto") == "cpu"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is always asked")
def test_a_driver_is_a_file_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    for there in (False, True):
        monkeypatch.setattr(provenance, "_DRIVERS", (str(tmp_path / "none"), str(tmp_path / "nvidiactl")))
        assert provenance._has_no_gpu() is not there
        (tmp_path / "nvidiactl").touch()
