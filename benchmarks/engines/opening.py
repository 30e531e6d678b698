"""Opening the engine that the user asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from unlearn_bench.benchmarks.engines.engine import BACKENDS, Asked, Engine
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.referee.conditions import choose_device, conditions_for
from unlearn_bench.errors import InputError, unknown


@contextmanager
def open_engine(asked: Asked, *, folder: Path | None, warn: Callable[[str], None]) -> Iterator[Engine]:
    """The engine, for as long as this block runs.

    Args:
        folder: of the records; None where nothing is going to be run: then no workers are started.
        warn: told of workers that are left out.

    Raises:
        InputError: an unknown backend, a scheduler without Dask, Dask that is not installed, a device that is not
            there; and what connecting raises.
    """
    if asked.backend not in BACKENDS:
        raise unknown("backend", asked.backend, BACKENDS)
    if asked.scheduler is not None and asked.backend != "dask":
        raise InputError(
            f"--scheduler is for --backend dask, and the backend is {asked.backend!r}; give both or none"
        )
    if asked.backend == "dask":
        _check_installed()
    if asked.backend == "dask" and (folder is not None or asked.scheduler is not None):
        connecting = import_module("unlearn_bench.benchmarks.engines.connecting")
        with connecting.cluster(asked, folder=folder, warn=warn) as cluster:
            yield cluster
        return
    yield Local(conditions=conditions_for(choose_device(asked.device), asked.jobs, asked.threads))


def _check_installed() -> None:
    try:
        import_module("distributed")
    except ImportError as error:
        raise InputError(
            "--backend dask needs Dask, which is an extra of this package: pip install 'unlearn-bench[dask]'"
        ) from error
