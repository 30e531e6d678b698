"""What an engine is: it carries out tasks side by side, through processes that die."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from unlearn_bench.benchmarks.referee.conditions import Conditions

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Lost(Generic[T]):
    """A task whose process died more than once: what it was given, and what is known of its end."""

    item: T
    reason: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Where the user wants cells to run.

    Attributes:
        backend: one of `BACKENDS`. scheduler: Dask's, as an address or a file; None: one of its own on this machine.
        wait_s: for a scheduler's first worker, and for the next where all are gone.
        jobs: cells at a time; 0: as many as there are cores, GPUs or workers for. threads: of each; 0: by the cores.
        device: auto, cpu, cuda, ..
    """

    backend: str = "loky"
    scheduler: str | None = None
    wait_s: float = 60.0
    jobs: int = 0
    threads: int = 0
    device: str = "auto"


BACKENDS = ("loky", "dask")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where workers are.

    Attributes:
        workers: how many. free_bytes: memory that nobody uses there at the moment.
    """

    name: str
    workers: int
    free_bytes: int


class Engine(Protocol):
    """Carries out tasks side by side. Only plain data crosses to workers, and they find the task's code by name."""

    @property
    def conditions(self) -> Conditions:
        """Under what its workers run cells."""

    @property
    def planning_device(self) -> str:
        """Where this process opens models, to plan; workers may have another."""

    @property
    def device_name(self) -> str:
        """The workers' device, as records name it."""

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Where the workers are."""

    @property
    def is_remote(self) -> bool:
        """Whether workers may be on other machines, whose files are seen here late."""

    def each(self, task: Callable[[T], R], items: Sequence[T], *, folder: Path) -> Iterator[R | Lost[T]]:
        """What `task` returns of each item, as it ends, in any order; `Lost` where its process died more than once.

        Args:
            folder: where the task writes; workers must see the same folder there as this process does.

        Raises:
            InputError: the task raised it, the engine can't go on, or no worker sees the folder.
        """
