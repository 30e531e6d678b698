"""The engine of one machine: tasks end once each, through processes that the system kills."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cloudpickle
import psutil
import pytest
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend.context import set_start_method

from tests.benchmarks.support import CONDITIONS, HERE
from unlearn_bench.benchmarks.engines import local
from unlearn_bench.benchmarks.engines.engine import Lost
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.referee.conditions import conditions_for

TWO = Local(conditions=conditions_for("cpu", 2, 1))


@pytest.fixture
def pool() -> Iterator[None]:
    """Workers that start fast, and that get the tasks of this file by value, as they don't find it by name."""
    set_start_method("forkserver", force=True)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    get_reusable_executor().shutdown(wait=True, kill_workers=True)
    set_start_method("loky", force=True)


def noted(number: int, *, folder: Path, deadly: int = -1, times: int = 9) -> int:
    """Ten times the number; `deadly` kills its process so many times."""
    before = len(list(folder.glob(f"{number}.*")))
    (folder / f"{number}.{before}").touch()
    if number == deadly and before < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * number


def calls(folder: Path, number: int) -> int:
    return len(list(folder.glob(f"{number}.*")))


def test_one_job_runs_here_in_order_and_only_when_asked(tmp_path: Path) -> None:
    results = HERE.each(partial(noted, folder=tmp_path), [3, 1, 2], folder=tmp_path)
    assert calls(tmp_path, 3) == 0
    assert next(results) == 30
    assert calls(tmp_path, 1) == 0
    assert list(results) == [10, 20]


def test_two_jobs_give_each_result_once(tmp_path: Path, pool: None) -> None:
    found = list(TWO.each(partial(noted, folder=tmp_path), list(range(7)), folder=tmp_path))
    assert sorted(item for item in found if isinstance(item, int)) == [0, 10, 20, 30, 40, 50, 60]
    assert len(list(tmp_path.iterdir())) == 7
    assert list(TWO.each(partial(noted, folder=tmp_path), [], folder=tmp_path)) == []


@pytest.mark.parametrize(("times", "lost"), [(1, []), (9, [2])])
def test_who_dies_once_is_asked_again_and_who_dies_twice_is_lost(
    tmp_path: Path, pool: None, times: int, lost: list[int]
) -> None:
    task = partial(noted, folder=tmp_path, deadly=2, times=times)
    found = list(TWO.each(task, list(range(6)), folder=tmp_path))
    assert [item.item for item in found if isinstance(item, Lost)] == lost
    results = sorted(item for item in found if isinstance(item, int))
    assert results == sorted({0, 10, 20, 30, 40, 50} - {10 * number for number in lost})
    assert calls(tmp_path, 2) == 2
    assert all("killed twice by the system" in item.reason for item in found if isinstance(item, Lost))


def test_what_is_in_flight_is_what_began_and_did_not_end(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert local._flagged(str, 4, "x", folder, os.getpid()) == (4, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        local._flagged(int, 5, "x", folder, os.getpid())
    assert local._in_flight(folder) == []
    for number in (11, 2):
        (tmp_path / str(number)).touch()
    assert local._in_flight(folder) == [2, 11]
    assert local._in_flight(folder) == []


def test_it_says_what_it_runs_on() -> None:
    (machine,) = TWO.machines
    assert (machine.workers, machine.free_bytes > 0, TWO.is_remote) == (2, True, False)
    assert TWO.planning_device == CONDITIONS.device
    assert TWO.device_name.startswith("cpu ")


_SWEEP = """
import os, sys, time
from pathlib import Path
from joblib.externals.loky.backend.context import set_start_method
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.referee.conditions import conditions_for

def endless(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    set_start_method("forkserver")
    list(Local(conditions=conditions_for("cpu", 2, 1)).each(endless, [sys.argv[1]] * 2, folder=Path(sys.argv[1])))
"""


def test_workers_end_with_the_sweep_that_is_killed(tmp_path: Path) -> None:
    """Whatever they are doing then; nobody would wait for what they make."""
    (tmp_path / "sweep.py").write_text(_SWEEP)
    (tmp_path / "workers").mkdir()
    given = [sys.executable, str(tmp_path / "sweep.py"), str(tmp_path / "workers")]
    with subprocess.Popen(given) as process:
        try:
            workers = until(lambda: [int(path.name) for path in (tmp_path / "workers").iterdir()], count=2)
        finally:
            process.kill()
    until(lambda: [worker for worker in workers if not psutil.pid_exists(worker)], count=2)


def until(found: Callable[[], list[int]], *, count: int) -> list[int]:
    end = time.monotonic() + 120
    while len(there := found()) < count:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return there
