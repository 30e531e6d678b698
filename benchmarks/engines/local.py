"""The engine of one machine: this process, or a pool of processes (loky), made anew when the system kills one.

loky loses the whole pool with the process that was killed. The tasks that were in flight then run one by one, each in
a process of its own; one that kills it again is lost, and the rest goes on in a new pool.
"""

import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import joblib
import psutil
from joblib.externals.loky.process_executor import TerminatedWorkerError

from unlearn_bench.benchmarks.engines.engine import Lost, Machine, R, T
from unlearn_bench.benchmarks.referee.conditions import Conditions, device_name
from unlearn_bench.errors import InputError

_MOST_DEATHS = 3
"""So often may a pool die with nothing done before the engine gives up."""

_LOOK_S = 1.0

_REASON = "its process was killed twice by the system; most often that means out of memory"


@dataclass(frozen=True, kw_only=True)
class Local:
    """Tasks in this process where `conditions.jobs` is 1, else in so many processes beside it."""

    conditions: Conditions
    is_remote: bool = False

    @property
    def planning_device(self) -> str:
        """The workers' own."""
        return self.conditions.device

    @property
    def device_name(self) -> str:
        """As records name it."""
        return device_name(self.conditions.device)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """This one."""
        return (
            Machine(
                name=platform.node() or "this machine",
                workers=self.conditions.jobs,
                free_bytes=psutil.virtual_memory().available,
            ),
        )

    def each(
        self,
        task: Callable[[T], R],
        items: Sequence[T],
        *,
        folder: Path,  # noqa: ARG002  (one machine, one view of it)
    ) -> Iterator[R | Lost[T]]:
        """See `Engine.each`."""
        if self.conditions.jobs == 1:
            yield from (task(item) for item in items)
            return
        waiting, deaths = dict(enumerate(items)), 0
        with tempfile.TemporaryDirectory(prefix="unlearn-bench-") as flags:
            while waiting:
                there = len(waiting)
                try:
                    for number, result in self._pool(task, waiting, flags):
                        del waiting[number]
                        yield result
                except TerminatedWorkerError:
                    for number in _in_flight(flags):
                        yield _alone(task, waiting.pop(number))
                    deaths = _one_more_death(deaths) if len(waiting) == there else 0

    def _pool(self, task: Callable[[T], R], waiting: Mapping[int, T], flags: str) -> Iterator[tuple[int, R]]:
        """Number and result of each task; an iterator over results that come as they end."""
        parallel = joblib.Parallel(
            n_jobs=self.conditions.jobs,
            backend="loky",
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="2*n_jobs",
        )
        here = os.getpid()
        yield from parallel(joblib.delayed(_flagged)(task, *pair, flags, here) for pair in list(waiting.items()))


def _flagged(task: Callable[[T], R], number: int, item: T, flags: str, parent: int) -> tuple[int, R]:
    """Run a task in a worker; a file says that it is in flight, and stays if the system kills the process."""
    end_with(parent)
    flag = Path(flags) / str(number)
    flag.touch()
    try:
        return number, task(item)
    finally:
        flag.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def end_with(parent: int) -> None:
    """End this worker soon after the process that asks it, whatever it is doing then.

    A pool's own workers go on until their task is over, which may be hours, with nobody to wait for it.
    """

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(parent)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def _in_flight(flags: str) -> list[int]:
    """Numbers of the tasks that were begun and did not end; they are told once."""
    found = sorted(int(name) for name in os.listdir(flags))
    for number in found:
        (Path(flags) / str(number)).unlink(missing_ok=True)
    return found


def _alone(task: Callable[[T], R], item: T) -> R | Lost[T]:
    """Run a task in a process of its own, once more."""
    parallel = joblib.Parallel(n_jobs=2, backend="loky", batch_size=1)  # one job in flight; n_jobs=1 forks nothing
    try:
        (result,) = parallel([joblib.delayed(_tied)(task, item, os.getpid())])
    except TerminatedWorkerError:
        return Lost(item=item, reason=_REASON)
    found: R = result
    return found


def _tied(task: Callable[[T], R], item: T, parent: int) -> R:
    end_with(parent)
    return task(item)


def _one_more_death(deaths: int) -> int:
    """Count a pool that died with nothing done.

    Raises:
        InputError: it was one too many.
    """
    if deaths + 1 == _MOST_DEATHS:
        raise InputError(
            "the worker processes die before they finish a cell; most often that means out of memory: "
            "give fewer --jobs (finished cells are kept)"
        ) from None
    return deaths + 1
