"""The engine of many machines: tasks on the workers of a Dask cluster.

This is Dask's own client and not joblib's Dask backend: that one waits for ever for a task whose workers died (joblib
1.6 notes the error and tells nobody), and keeps what tasks are given on single workers, with whom it is lost.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from distributed import Client

from unlearn_bench.benchmarks.engines.engine import Lost, Machine, R, T
from unlearn_bench.benchmarks.engines.flight import Errand, Flight
from unlearn_bench.benchmarks.engines.workers import carry, expecting, question
from unlearn_bench.benchmarks.referee.conditions import Conditions


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Tasks on the workers of a scheduler, one at a time on each; workers may come and go.

    Attributes:
        scheduler: its address, as messages name it. most: so many tasks at a time; 0: as many as there are workers.
        wait_s: so long may there be no worker before the engine gives up. warn: told of workers that are left out.
    """

    client: Client
    scheduler: str
    conditions: Conditions
    planning_device: str
    device_name: str
    machines: tuple[Machine, ...]
    most: int
    wait_s: float
    warn: Callable[[str], None]
    is_remote: bool = True

    def each(self, task: Callable[[T], R], items: Sequence[T], *, folder: Path) -> Iterator[R | Lost[T]]:
        """See `Engine.each`."""
        if not items:
            return
        with expecting(folder) as expected:
            flight = Flight(
                client=self.client,
                scheduler=self.scheduler,
                run=partial(carry, task=task, folder=Path.cwd()),
                question=question(expected),
                waiting=deque(Errand(item=item) for item in items),
                most=self.most,
                wait_s=self.wait_s,
                warn=self.warn,
            )
            yield from flight.results()
