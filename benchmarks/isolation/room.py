"""A room: a process of its own behind a fence, and the referee's end of the connection to it."""

import contextlib
import multiprocessing
import shutil
import signal
import sys
import tempfile
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.isolation.fence import Fence, allowed_writes
from unlearn_bench.benchmarks.isolation.warden import FULL, children_of, clear_away, guarded
from unlearn_bench.benchmarks.isolation.wire import Message, WireError, receive
from unlearn_bench.errors import CellFailure

_MODULES = ["unlearn_bench.benchmarks.isolation.play", "unlearn_bench.models.sources"]
"""What all players need, imported once by the process from which they are forked."""

_LONGEST_S = 1e6  # the system can't be asked to wait for much longer
_ENDS_WITHIN_S = 15.0  # its warden ends all that it began, and clears its folder away, before it ends itself
_DISK_SHARE = 0.5  # of what is free when a room is begun
_TOO_LONG = "the method took longer than it may; its process was ended"


class Room:
    """A process behind a fence, with a folder of its own, that ends with this one.

    Args:
        life: what it does, given its end of the connection, its fence and `given`.
        hidden: what it may not read.
    """

    def __init__(
        self,
        life: Callable[[Connection, Fence, Any], None],
        given: object,
        *,
        hidden: tuple[Path, ...],
        limit_memory: bool = True,
    ) -> None:
        folder = Path(tempfile.mkdtemp(prefix="unlearn-bench-room-")).resolve()
        fence = Fence(
            folder=folder,
            hidden=hidden,
            writable=allowed_writes(),
            limit_memory=limit_memory,
            most_bytes=int(shutil.disk_usage(folder).free * _DISK_SHARE),
        )
        self.connection, theirs = multiprocessing.Pipe()
        context = _context()
        process = context.Process(target=guarded, args=(life, theirs, fence, given), daemon=True)  # type: ignore[attr-defined]
        with _little_told(context):
            process.start()
        theirs.close()
        self._process: BaseProcess = process
        self._end = weakref.finalize(self, _end, process, self.connection, folder)

    def inhabitant(self) -> int:
        """The number of the process in which the method is; asked before it plays, there is but one."""
        own = int(self._process.pid or 0)
        return next(iter(children_of(own)), own)

    def close(self) -> None:
        """End the process, with all that it began."""
        self._end()

    def next(self, *, seconds: float | None, most_bytes: int) -> Message:
        """What it says next.

        Args:
            seconds: so long is waited; None: as long as it takes. most_bytes: that the message's tensors may take.

        Raises:
            CellFailure: it ended, it took longer, or what it said is no message.
        """
        end = None if seconds is None else time.monotonic() + min(seconds, _LONGEST_S)
        ready = wait([self.connection, self._process.sentinel], None if end is None else end - time.monotonic())
        if not ready:
            raise CellFailure(_TOO_LONG)
        try:
            if self.connection in ready:
                with self.within(None if end is None else end - time.monotonic()):
                    return receive(self.connection, most_bytes=most_bytes)
        except WireError as error:
            raise CellFailure(f"the method's process sent {error}") from error
        except (OSError, EOFError):
            pass  # it is gone, and how is asked next
        raise CellFailure(self._death())

    @contextlib.contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """A block that waits for the process to write on or to read: it is ended if that takes longer.

        Raises:
            CellFailure: it took longer.
        """
        if seconds is None:
            yield
            return
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.terminate()

        timer = threading.Timer(max(0.0, min(seconds, _LONGEST_S)), end)
        timer.start()
        try:
            yield
        except (OSError, EOFError, WireError) as error:
            if late.is_set():
                raise CellFailure(_TOO_LONG) from error
            raise
        finally:
            timer.cancel()
        if late.is_set():
            raise CellFailure(_TOO_LONG)

    def _death(self) -> str:
        """How it ended."""
        self._process.join(_ENDS_WITHIN_S)
        code = self._process.exitcode
        if code is None:
            return "the method's process closed its connection"
        if code == FULL:
            return "the method wrote more than half of what was free on the disk; its process was ended"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            hints = {"SIGKILL": ": most often that means out of memory", "SIGSEGV": ": native code crashed"}
            return f"the method's process was ended by {name}{hints.get(name, '')}"
        return f"the method's process ended itself with exit code {code}, and gave no model back"


def _context() -> BaseContext:
    """How players begin: forked from a process that has imported what they need and holds nothing else."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    return context


_MAIN = threading.Lock()


@contextlib.contextmanager
def _little_told(context: BaseContext) -> Iterator[None]:
    """Hide from a new process what it would otherwise do as this one did, or be refused.

    It would run this program's main module again (a script without a guard, or pytest), and begin processes as this
    one does by default: the way of a joblib worker is not known where joblib is not imported. The workers of a
    cluster are daemons, which may have no children, lest these outlive them; a player ends with its parent.
    """
    with _MAIN:
        this, main = multiprocessing.current_process(), sys.modules["__main__"]
        daemon, method = this.daemon, multiprocessing.get_start_method(allow_none=True)
        sys.modules["__main__"] = types.ModuleType("__main__")
        multiprocessing.set_start_method(context.get_start_method(), force=True)
        if daemon:
            this.daemon = False
        try:
            yield
        finally:
            if daemon:
                this.daemon = True
            sys.modules["__main__"] = main
            multiprocessing.set_start_method(method, force=True)  # None: not chosen yet


def _end(process: BaseProcess, connection: Connection, folder: Path) -> None:
    connection.close()
    process.terminate()
    process.join(_ENDS_WITHIN_S)
    process.kill()
    process.join(_ENDS_WITHIN_S)
    if folder.exists():  # its warden could not
        clear_away(folder)
