"""A player as the referee sees it: a process that is asked, watched, and ended, and of which nothing is believed."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from unlearn_bench.benchmarks.isolation.fence import Fence, allowed_writes, while_heard
from unlearn_bench.benchmarks.isolation.measuring import Load, PeakMemory, Stopwatch, most_held_mib
from unlearn_bench.benchmarks.isolation.play import Opening, Task, live
from unlearn_bench.benchmarks.isolation.wire import Message, WireError, receive, send
from unlearn_bench.clip import State
from unlearn_bench.errors import CellFailure
from unlearn_bench.synthesis.images import Synthetic

_START_S = 300.0
"""A player opens its model within so long."""

_LONGEST_S = 1e6  # the system can't be asked to wait for much longer

MOST_WORDS = 2000
"""Letters of a reason that a player gives; more is cut off."""

MOST_REPORTED = 2**26
"""Letters that a method may report in one turn; a line counts a hundred besides."""

_LARGEST = 2**63

_MODULES = ["unlearn_bench.benchmarks.isolation.play", "unlearn_bench.models.sources"]
"""What all players need, imported once by the process from which they are forked."""


class Hearing(Protocol):
    """Who answers for the referee while a method plays."""

    def report(self, step: int, **values: float | str) -> None: ...

    def synthesize(self) -> Synthetic: ...


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a method's turn.

    Attributes:
        changed: the tensors that it changed or added, on the CPU; None where it did not apply. skipped: why, then.
        lacks: names of the original's tensors that are gone; all others are as they were.
        seconds: of the method, synthesis left out. memory_bytes: its peak.
        held_mib: the most main memory that its process ever had; None where the system does not tell.
    """

    changed: Mapping[str, Tensor] | None
    lacks: frozenset[str] = frozenset()
    skipped: str = ""
    seconds: float = 0.0
    memory_bytes: int = 0
    held_mib: int | None = None

    def whole(self, original: State) -> dict[str, Tensor]:
        """All tensors of the model that came back, given the original's."""
        return {**{name: value for name, value in original.items() if name not in self.lacks}, **(self.changed or {})}


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
        folder = tempfile.TemporaryDirectory(prefix="unlearn-bench-room-")
        fence = Fence(
            folder=Path(folder.name).resolve(), hidden=hidden, writable=allowed_writes(), limit_memory=limit_memory
        )
        self.connection, theirs = multiprocessing.Pipe()
        context = _context()
        process = context.Process(target=while_heard, args=(life, theirs, fence, given), daemon=True)  # type: ignore[attr-defined]
        with _little_told(context):
            process.start()
        theirs.close()
        self._process: BaseProcess = process
        self._end = weakref.finalize(self, _end, process, self.connection, folder)

    @property
    def pid(self) -> int:
        """Of the process."""
        return int(self._process.pid or 0)

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
        ready = wait([self.connection, self._process.sentinel], seconds)
        try:
            if self.connection in ready:
                return receive(self.connection, most_bytes=most_bytes)
        except WireError as error:
            raise CellFailure(f"the method's process sent {error}") from error
        except (OSError, EOFError):
            ready = [self._process.sentinel]
        raise CellFailure(self._death() if ready else "the method took longer than it may; its process was ended")

    def _death(self) -> str:
        """How it ended."""
        self._process.join(5)
        code = self._process.exitcode
        if code is None:
            return "the method's process closed its connection"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            hints = {"SIGKILL": ": most often that means out of memory", "SIGSEGV": ": native code crashed"}
            return f"the method's process was ended by {name}{hints.get(name, '')}"
        return f"the method's process ended itself with exit code {code}, and gave no model back"


class Player:
    """A process in which a model is open and nothing of the referee's is at hand.

    Attributes:
        is_clean: whether it may play again: nothing failed in it, and nothing was left behind.
    """

    def __init__(self, opening: Opening, *, hidden: tuple[Path, ...]) -> None:
        """Begin the process and wait until its model is open.

        Raises:
            CellFailure: it does not come up.
        """
        self._device = torch.device(opening.device)
        self._room = Room(live, opening, hidden=hidden, limit_memory=self._device.type != "cuda")
        self.is_clean = True
        try:
            said = self._room.next(seconds=_START_S, most_bytes=0)
        except CellFailure as error:
            said = Message(kind="failed", words={"reason": str(error)})
        if said.kind != "ready":
            self.close()
            raise CellFailure(f"no process for the method could be begun ({said.words.get('reason', said.kind)})")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._room.pid

    def close(self) -> None:
        """End the process, with all that it began."""
        self.is_clean = False
        self._room.close()

    def play(self, task: Task, hearing: Hearing, load: Load, *, most_bytes: int, timeout_s: float = 0.0) -> Played:
        """A method's turn.

        Args:
            most_bytes: that the model's tensors may take.
            timeout_s: of the method, synthesis left out; 0: as long as it takes.

        Raises:
            CellFailure: the method raised something, its process ended, it took too long, or it sent what makes no
                sense; the process is ended then.
        """
        turn = _Turn(hearing, load, self._device, self.pid)
        connection = self._room.connection
        try:
            with contextlib.suppress(OSError):  # it has ended, and that will be told
                connection.send_bytes(pickle.dumps(task))
            while (message := self._room.next(seconds=turn.left(timeout_s), most_bytes=most_bytes)).kind != "over":
                turn.take(message, connection)
            self.is_clean = message.words.get("clean") is True
            return replace(turn.played(), held_mib=most_held_mib(self.pid))
        except BaseException:
            self.close()
            raise
        finally:
            turn.stop()


@dataclass
class _Seat:
    """Where the player sits who may play again."""

    player: Player | None = None


@lru_cache(maxsize=1)
def _seat(_opening: Opening, _hidden: tuple[Path, ...]) -> _Seat:
    return _Seat()


@contextlib.contextmanager
def player_for(opening: Opening, *, hidden: tuple[Path, ...], lasting: bool) -> Iterator[Player]:
    """A process for one method's turn: a new one, or one that stays for the next while it proves clean.

    Raises:
        CellFailure: it does not come up.
    """
    if not lasting:
        player = Player(opening, hidden=hidden)
        try:
            yield player
        finally:
            player.close()
        return
    seat = _seat(opening, hidden)
    if seat.player is None or not seat.player.is_clean:
        if seat.player is not None:
            seat.player.close()
        seat.player = Player(opening, hidden=hidden)
    yield seat.player


def end_players() -> None:
    """End the player who stays, if there is one."""
    _seat.cache_clear()


class _Turn:
    """One conversation: the watches, and what was said so far."""

    def __init__(self, hearing: Hearing, load: Load, device: torch.device, pid: int) -> None:
        self._hearing, self._load = hearing, load
        self._whole, self._pause = Stopwatch(torch.device("cpu")), Stopwatch(torch.device("cpu"))
        self._memory = PeakMemory(torch.device("cpu"), pid=pid) if device.type != "cuda" else None
        self._open = contextlib.ExitStack()
        self._began = time.monotonic()
        self._device_bytes = self._reported = 0
        self._skipped = ""
        self._state: Mapping[str, Tensor] | None = None
        self._lacks: frozenset[str] = frozenset()

    def left(self, timeout_s: float) -> float | None:
        """Seconds until the method's time is over."""
        end = self._began + self._pause.seconds + timeout_s
        return min(_LONGEST_S, max(0.0, end - time.monotonic())) if timeout_s else None

    def take(self, message: Message, connection: Connection) -> None:
        """Answer a message.

        Raises:
            CellFailure: it says that the method failed, or makes no sense.
        """
        actions: dict[str, Callable[[Message, Connection], None]] = {
            "begin": self._begin,
            "report": self._report,
            "synthesize": self._synthesize,
            "end": self._ended,
            "skipped": self._skip,
            "done": self._done,
            "failed": self._failed,
        }
        if message.kind not in actions:
            raise CellFailure(f"the method's process said {message.kind[:40]!r}, which means nothing")
        actions[message.kind](message, connection)

    def stop(self) -> None:
        """Stop the watches."""
        self._open.close()

    def played(self) -> Played:
        """What came of it."""
        if self._state is None and not self._skipped:
            raise CellFailure("the method's process gave no model back")
        self.stop()
        taken = self._memory.bytes if self._memory is not None else self._device_bytes
        seconds = max(0.0, self._whole.seconds - self._pause.seconds)
        return Played(
            changed=self._state, lacks=self._lacks, skipped=self._skipped, seconds=seconds, memory_bytes=taken
        )

    def _begin(self, _: Message, connection: Connection) -> None:
        for watch in (self._load, *(() if self._memory is None else (self._memory,)), self._whole):
            self._open.enter_context(watch)
        connection.send_bytes(b"go")

    def _report(self, message: Message, _: Connection) -> None:
        words = dict(message.words)
        step = words.pop("step", None)
        if not isinstance(step, int) or abs(step) >= _LARGEST:
            raise CellFailure(f"report was given {repr(step)[:40]} as a step; give a whole number")
        for name, value in words.items():
            if not isinstance(value, int | float | str) or (isinstance(value, int) and abs(value) >= _LARGEST):
                said = f"a {type(value).__name__}" if not isinstance(value, int) else "a number beyond 64 bits"
                raise CellFailure(f"report was given {said} as {_worded(name)[:40]!r}; give numbers and texts")
        self._reported += 100 + sum(len(str(item)) for pair in words.items() for item in pair)
        if self._reported > MOST_REPORTED:
            raise CellFailure(f"the method reported more than {MOST_REPORTED} letters; report numbers, and fewer")
        self._hearing.report(step, **words)

    def _synthesize(self, _: Message, connection: Connection) -> None:
        with self._pause:
            try:
                made = self._hearing.synthesize()
            except CellFailure as error:
                send(connection, Message(kind="refused", words={"reason": str(error)}))
            else:
                send(connection, Message(kind="synthetic", tensors=vars(made)))

    def _ended(self, message: Message, _: Connection) -> None:
        self.stop()
        taken = message.words.get("device_bytes")
        self._device_bytes = taken if isinstance(taken, int) else 0

    def _skip(self, message: Message, _: Connection) -> None:
        self._skipped = _worded(message.words.get("reason", "")) or "it gave no reason"

    def _done(self, message: Message, _: Connection) -> None:
        lacks = message.words.get("lacks")
        if not (isinstance(lacks, list) and all(isinstance(name, str) for name in lacks)):
            raise CellFailure("the method's process did not say which tensors its model lacks")
        self._state, self._lacks = message.tensors, frozenset(lacks)

    def _failed(self, message: Message, _: Connection) -> None:
        reason = _worded(message.words.get("reason", "no reason"))
        raise CellFailure(f"out of memory: {reason}" if message.words.get("kind") == "memory" else reason)


def _worded(said: object) -> str:
    """What a player gave as a text, in letters that any file takes, and not more of them than anybody reads."""
    return str(said).encode("utf-8", "backslashreplace").decode("utf-8")[:MOST_WORDS]


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


def _end(process: BaseProcess, connection: Connection, folder: "tempfile.TemporaryDirectory[str]") -> None:
    connection.close()
    if process.pid is not None and hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join(10)
    folder.cleanup()
