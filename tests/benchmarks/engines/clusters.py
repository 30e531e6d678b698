"""A scheduler and workers as processes of their own, which tests can kill."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.benchmarks.support import start, wait_for
from unlearn_bench.benchmarks.isolation.fence import ALLOW_VARIABLE

_DASK = """
import os, sys
os.environ.update({env!r})
os.chdir({cwd!r})
sys.path.insert(0, {tasks!r})
sys.stdout = sys.stderr = open({log!r}, "a", buffering=1)
sys.argv = {argv!r}
from distributed.cli.{module} import main
main()
"""


TASKS = """
import os, signal, time
from pathlib import Path
from unlearn_bench.errors import InputError

def noted(number, folder, seconds=0.0, deadly=None, raising=None, wrong=None):
    before = len(list(Path(folder).glob(f"{number}.*")))
    Path(folder, f"{number}.{before}.{os.getpid()}").touch()
    if number == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == raising and before < 2:
        raise OSError("the network failed")
    if number == wrong:
        raise InputError("mend this")
    time.sleep(seconds)
    return 10 * number

def here(number):
    return os.getcwd()
"""
"""The module `cluster_tasks`, which workers and the test find by name: pickling by value is not what is tested."""


@dataclass(kw_only=True)
class Machines:
    """What runs: a scheduler and its workers; they have their logs in `folder`, and are started in a part of it."""

    folder: Path
    scheduler: BaseProcess | None = None
    workers: list[BaseProcess] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "scheduler.json"

    def start_scheduler(self) -> None:
        self.file.unlink(missing_ok=True)
        arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        self.scheduler = self._start("dask_scheduler", arguments)
        wait_for(self.file.exists)

    def start_worker(self, *more: str, threads: int = 1, preload: str = "") -> BaseProcess:
        """A worker; `preload` is code that it runs first."""
        arguments = ["--scheduler-file", str(self.file), "--nthreads", str(threads), "--no-nanny", "--no-dashboard"]
        if preload:
            path = self.folder / f"preload{len(self.workers)}.py"
            path.write_text(preload)
            arguments += ["--preload", str(path)]
        worker = self._start("dask_worker", [*arguments, *more])
        self.workers.append(worker)
        return worker

    def _start(self, module: str, arguments: list[str]) -> BaseProcess:
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        env = {name: os.environ[name] for name in ("UNLEARN_BENCH_CACHE", ALLOW_VARIABLE)}
        log, argv = str(self.folder / f"{module}.log"), [module, *arguments]
        return start(
            _DASK.format(env=env, cwd=str(elsewhere), tasks=str(self.folder), log=log, argv=argv, module=module)
        )

    def wait_for_workers(self, count: int) -> None:
        """Until so many were registered since the start."""
        log = self.folder / "dask_worker.log"
        wait_for(lambda: log.is_file() and log.read_text().count("Registered to") >= count)

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None:
                kill(process)


def kill(process: BaseProcess) -> None:
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)


@contextmanager
def machines(folder: Path, *, workers: int = 2) -> Iterator[Machines]:
    """A scheduler and so many workers."""
    folder.mkdir(exist_ok=True)
    (folder / "cluster_tasks.py").write_text(TASKS)
    found = Machines(folder=folder)
    try:
        found.start_scheduler()
        for _ in range(workers):
            found.start_worker()
        if workers:
            found.wait_for_workers(workers)
        yield found
    finally:
        found.stop()
