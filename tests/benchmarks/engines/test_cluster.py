"""The engine of many machines, with real schedulers and workers that are killed."""

import importlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.engines.clusters import Machines, kill, machines
from tests.benchmarks.support import no_warning
from unlearn_bench import __version__
from unlearn_bench.benchmarks.engines.engine import Asked, Engine, Lost
from unlearn_bench.benchmarks.engines.opening import open_engine
from unlearn_bench.errors import InputError

pytest.importorskip("distributed", reason="Dask is not installed: the extra `dask`")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Machines]:
    with machines(tmp_path / "cluster") as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def tasks(tmp_path: Path, cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(cluster.folder))
    yield importlib.import_module("cluster_tasks")
    del sys.modules["cluster_tasks"]


@pytest.fixture
def engine(cluster: Machines, folder: Path) -> Iterator[Callable[..., Engine]]:
    """Opens an engine on the cluster's workers; warnings are errors unless somebody hears them."""
    with ExitStack() as stack:

        def opened(*, warn: Callable[[str], None] = no_warning, workers: int = 2, **more: Any) -> Engine:
            asked = Asked(backend="dask", scheduler=str(cluster.file), **more)
            found = stack.enter_context(open_engine(asked, folder=folder, warn=warn))
            assert sum(machine.workers for machine in found.machines) == workers
            return found

        yield opened


def results(found: Sequence[Any]) -> list[int]:
    return sorted(item for item in found if isinstance(item, int))


def calls(folder: Path, number: int) -> int:
    return len(list(folder.glob(f"{number}.*")))


def test_each_result_comes_once_and_no_trace_stays(
    engine: Callable[..., Engine], tasks: Any, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "calls").mkdir()
    found = list(engine().each(partial(tasks.noted, folder=tmp_path / "calls"), list(range(7)), folder=folder))
    assert results(found) == [0, 10, 20, 30, 40, 50, 60]
    assert len(list((tmp_path / "calls").iterdir())) == 7
    assert list(folder.iterdir()) == []


def test_relative_paths_mean_on_workers_what_they_mean_here(
    engine: Callable[..., Engine], tasks: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(engine().each(tasks.here, [1, 2, 3], folder=folder)) == {str(tmp_path)}


def test_a_task_that_raises_is_tried_again_and_the_user_s_errors_cross(
    engine: Callable[..., Engine], tasks: Any, folder: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "calls"
    notes.mkdir()
    opened = engine()
    assert list(opened.each(partial(tasks.noted, folder=notes, raising=1), [1], folder=folder)) == [10]
    assert calls(notes, 1) == 3
    with pytest.raises(InputError, match=r"^mend this$"):
        list(opened.each(partial(tasks.noted, folder=notes, wrong=2), [2, 3], folder=folder))
    with pytest.raises(InputError, match=r"a worker of .* can't run a cell \(TypeError: .*same packages and folders"):
        list(opened.each(partial(tasks.noted, nothing=1), [4], folder=folder))


def test_a_worker_that_is_killed_loses_nothing(
    engine: Callable[..., Engine], cluster: Machines, tasks: Any, folder: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "calls"
    notes.mkdir()
    found = []
    for result in engine().each(partial(tasks.noted, folder=notes, seconds=0.2), list(range(8)), folder=folder):
        found.append(result)
        if len(found) == 2:
            kill(cluster.workers[0])
            cluster.start_worker()
            cluster.wait_for_workers(3)  # no task is handed out meanwhile
    assert results(found) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert 8 <= len(list(notes.iterdir())) <= 9  # what was in flight ran again
    assert cluster.workers[2].pid in {int(path.suffix[1:]) for path in notes.iterdir()}  # who came later has work too


def test_a_deadly_task_is_lost_alone(
    engine: Callable[..., Engine], cluster: Machines, tasks: Any, folder: Path, tmp_path: Path
) -> None:
    """The tasks beside it all come to their end."""
    notes = tmp_path / "calls"
    notes.mkdir()
    ended = threading.Event()

    def replace() -> None:
        while not ended.wait(0.05):
            if sum(worker.is_alive() for worker in cluster.workers) < 2:
                cluster.start_worker()

    replacing = threading.Thread(target=replace, daemon=True)
    replacing.start()
    try:
        task = partial(tasks.noted, folder=notes, seconds=0.1, deadly=3)
        found = list(engine().each(task, list(range(8)), folder=folder))
    finally:
        ended.set()
        replacing.join()
    assert results(found) == [0, 10, 20, 40, 50, 60, 70]
    (lost,) = [item for item in found if isinstance(item, Lost)]
    assert lost.item == 3
    assert lost.reason.startswith("its worker died 3 times (tcp://127.0.0.1:")
    assert lost.reason.endswith("; most often that means out of memory")
    assert calls(notes, 3) == 3


def test_a_scheduler_that_is_killed_is_one_line_soon(
    engine: Callable[..., Engine], cluster: Machines, tasks: Any, folder: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "calls"
    notes.mkdir()
    found = engine().each(partial(tasks.noted, folder=notes, seconds=0.2), list(range(8)), folder=folder)
    assert isinstance(next(found), int)
    assert cluster.scheduler is not None
    kill(cluster.scheduler)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"^the scheduler tcp://.* does not answer any more; finished cells"):
        list(found)
    assert time.monotonic() - began < 20
    assert list(folder.iterdir()) == []


def test_a_scheduler_that_hangs_is_not_waited_for_without_end(
    engine: Callable[..., Engine], cluster: Machines, tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlearn_bench.benchmarks.engines.flight._HEARD_WITHIN_S", 1.0)
    notes = tmp_path / "calls"
    notes.mkdir()
    task = partial(tasks.noted, folder=notes, seconds=0.2)
    found = engine().each(task, list(range(8)), folder=tmp_path / "out")
    assert isinstance(next(found), int)
    assert cluster.scheduler is not None
    assert cluster.scheduler.pid is not None
    os.kill(cluster.scheduler.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"^the scheduler tcp://.* does not answer any more; finished cells"):
        list(found)
    assert time.monotonic() - began < 20
    os.kill(cluster.scheduler.pid, signal.SIGCONT)  # so that closing does not wait for it


def test_a_cluster_that_loses_all_workers_is_given_up_after_the_wait(
    engine: Callable[..., Engine], cluster: Machines, tasks: Any, folder: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "calls"
    notes.mkdir()
    found = engine(wait_s=1.0).each(partial(tasks.noted, folder=notes, seconds=0.3), list(range(8)), folder=folder)
    assert isinstance(next(found), int)
    for worker in cluster.workers:
        kill(worker)
    with pytest.raises(InputError, match=r"has had no workers for 1 s; start some with `dask worker tcp://"):
        list(found)


def test_so_many_tasks_at_a_time_as_were_asked_for(
    engine: Callable[..., Engine], tasks: Any, folder: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "calls"
    notes.mkdir()
    opened = engine(jobs=1)
    found = opened.each(partial(tasks.noted, folder=notes, seconds=0.3), list(range(3)), folder=folder)
    assert isinstance(next(found), int)
    assert len(list(notes.iterdir())) <= 2
    assert len(list(found)) == 2
    found.close()  # type: ignore[attr-defined]


def test_who_stops_listening_leaves_nothing_in_the_queue(
    engine: Callable[..., Engine], tasks: Any, folder: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "calls"
    notes.mkdir()
    found = engine().each(partial(tasks.noted, folder=notes, seconds=0.2), list(range(9)), folder=folder)
    next(found)
    found.close()  # type: ignore[attr-defined]
    time.sleep(0.6)
    assert len(list(notes.iterdir())) <= 4
    assert list(folder.iterdir()) == []


BLIND = """
import time
from pathlib import Path
from unlearn_bench.benchmarks.engines import workers

def text(path, *args, read=Path.read_text, end=time.monotonic() + {seconds}, **more):
    if path.name.startswith(".seen-by-workers") and time.monotonic() < end:
        raise FileNotFoundError(2, "No such file or directory")
    return read(path, *args, **more)

workers._SEEN_WITHIN_S = {within}
Path.read_text = text
"""
LATE = BLIND.format(seconds=1.5, within=30)
"""A worker that sees new files late."""

BLIND = BLIND.format(seconds=1e9, within=0.5)
"""One that does not see the sweep's folder."""

OTHER = "import unlearn_bench; unlearn_bench.__version__ = '0.0.9'"
"""One with another version."""


@pytest.mark.parametrize(
    ("preload", "threads", "said"),
    [
        (BLIND, 1, r"it does not see the sweep's folder '.*out' .* give a folder that all machines share"),
        (
            OTHER,
            1,
            (
                r"it has unlearn-bench 0\.0\.9 \(code \w+\), "
                rf"the sweep {re.escape(__version__)} .*install the same on all"
            ),
        ),
        ("", 2, r"it runs 2 tasks at a time in one process.*start workers with --nthreads 1"),
        (
            "import sys; sys.modules['unlearn_bench.benchmarks.engines.workers'] = None",
            1,
            r"it can't run this unlearn-bench \(ModuleNotFoundError: .*",
        ),
    ],
)
def test_a_worker_that_does_not_fit_is_named_before_anything_runs(
    tmp_path: Path, folder: Path, preload: str, threads: int, said: str
) -> None:
    with machines(tmp_path / "cluster", workers=1) as cluster:
        cluster.start_worker(preload=preload, threads=threads)
        cluster.wait_for_workers(2)
        asked = Asked(backend="dask", scheduler=str(cluster.file))
        with (
            pytest.raises(InputError, match=rf"^worker tcp://[\d.:]+:? {said}"),
            open_engine(asked, folder=folder, warn=no_warning),
        ):
            pass
        assert list(folder.iterdir()) == []


def test_a_worker_that_sees_files_late_is_waited_for(tmp_path: Path, folder: Path) -> None:
    with machines(tmp_path / "cluster", workers=0) as cluster:
        cluster.start_worker(preload=LATE)
        asked = Asked(backend="dask", scheduler=str(cluster.file))
        with open_engine(asked, folder=folder, warn=no_warning) as engine:
            assert sum(machine.workers for machine in engine.machines) == 1


def test_one_that_comes_later_and_does_not_fit_is_left_out(
    engine: Callable[..., Engine], cluster: Machines, tasks: Any, folder: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "calls"
    notes.mkdir()
    told: list[str] = []
    found = []
    opened = engine(warn=told.append)
    for result in opened.each(partial(tasks.noted, folder=notes, seconds=0.3), list(range(14)), folder=folder):
        found.append(result)
        if len(found) == 1:
            cluster.start_worker(preload=OTHER)
            cluster.wait_for_workers(3)
    assert results(found) == [10 * number for number in range(14)]
    (warning,) = told
    assert "is left out: it has unlearn-bench 0.0.9" in warning
    assert cluster.workers[2].pid not in {int(path.suffix[1:]) for path in notes.iterdir()}


def test_where_none_is_left_that_fits_it_ends(
    engine: Callable[..., Engine], cluster: Machines, tasks: Any, folder: Path, tmp_path: Path
) -> None:
    """As where the trials of a search lie in a cache that the machines do not share."""
    notes = tmp_path / "calls"
    notes.mkdir()
    told: list[str] = []
    task = partial(tasks.noted, folder=notes, seconds=0.2)
    found = engine(warn=told.append).each(task, list(range(99)), folder=folder)
    next(found)
    cluster.start_worker(preload=BLIND)
    while not told:
        next(found)
    for worker in cluster.workers[:2]:
        kill(worker)
    with pytest.raises(InputError, match=r"^no worker of tcp://.* can run cells: tcp://.*does not see the"):
        list(found)


@pytest.mark.slow
@pytest.mark.large
def test_a_cluster_of_its_own_has_processes_that_are_replaced(
    folder: Path, tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "calls"
    notes.mkdir()
    asked = Asked(backend="dask", jobs=2, threads=1, device="cpu")
    with open_engine(asked, folder=folder, warn=no_warning) as engine:
        assert (engine.conditions.jobs, engine.conditions.threads, engine.is_remote) == (2, 1, True)
        found = []
        for result in engine.each(partial(tasks.noted, folder=notes, seconds=0.3), list(range(8)), folder=folder):
            found.append(result)
            if len(found) == 1:
                victim = int(next(notes.iterdir()).suffix[1:])
                assert victim != os.getpid()
                os.kill(victim, signal.SIGKILL)
        assert results(found) == [0, 10, 20, 30, 40, 50, 60, 70]
        deadly = list(engine.each(partial(tasks.noted, folder=notes, deadly=20), [20, 21], folder=folder))
        assert results(deadly) == [210]
        assert [item.reason.split(" (")[0] for item in deadly if isinstance(item, Lost)] == [
            "its worker died 3 times"
        ]
