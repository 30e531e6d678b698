"""A player as the referee sees it: a process that is asked, watched, and ended, and of which nothing is believed."""

import contextlib
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from unlearn_bench.benchmarks.isolation.measuring import Load, PeakMemory, Stopwatch, most_held_mib
from unlearn_bench.benchmarks.isolation.play import Opening, Task, live
from unlearn_bench.benchmarks.isolation.room import Room
from unlearn_bench.benchmarks.isolation.wire import Message, send
from unlearn_bench.clip import State
from unlearn_bench.errors import CellFailure
from unlearn_bench.synthesis.images import Synthetic

_START_S = 300.0
"""A player opens its model within so long."""

MOST_WORDS = 2000
"""Letters of a reason that a player gives; more is cut off."""

MOST_REPORTED = 2**26
"""Letters that a method may report in one turn; a line counts a hundred besides."""

_LARGEST = 2**63


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


class Player:
    """A process in which a model is open and nothing of the referee's is at hand.

    Attributes:
        is_clean: whether it may play again: nothing failed in it, and nothing was left behind.
        pid: of its process.
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
        self.pid = self._room.inhabitant()
        if said.kind != "ready":
            self.close()
            raise CellFailure(f"no process for the method could be begun ({said.words.get('reason', said.kind)})")

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
        memory = PeakMemory(torch.device("cpu"), pid=self.pid) if self._device.type != "cuda" else None
        turn = _Turn(hearing, load, memory, self._room, timeout_s)
        try:
            with contextlib.suppress(OSError), turn.in_time():  # where it has ended, that will be told
                self._room.connection.send_bytes(pickle.dumps(task))
            while (message := self._room.next(seconds=turn.left(), most_bytes=most_bytes)).kind != "over":
                turn.take(message)
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

    def __init__(self, hearing: Hearing, load: Load, memory: PeakMemory | None, room: Room, timeout_s: float) -> None:
        self._hearing, self._load = hearing, load
        self._room, self._timeout_s = room, timeout_s
        self._whole, self._pause = Stopwatch(torch.device("cpu")), Stopwatch(torch.device("cpu"))
        self._memory = memory
        self._open = contextlib.ExitStack()
        self._began = time.monotonic()
        self._device_bytes = self._reported = 0
        self._skipped = ""
        self._state: Mapping[str, Tensor] | None = None
        self._lacks: frozenset[str] = frozenset()

    def left(self) -> float | None:
        """Seconds until the method's time is over."""
        end = self._began + self._pause.seconds + self._timeout_s
        return max(0.0, end - time.monotonic()) if self._timeout_s else None

    def in_time(self) -> contextlib.AbstractContextManager[None]:
        """A block that hands the process something, which is the method's time too."""
        return self._room.within(self.left())

    def take(self, message: Message) -> None:
        """Answer a message.

        Raises:
            CellFailure: it says that the method failed, or makes no sense.
        """
        actions: dict[str, Callable[[Message], None]] = {
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
        actions[message.kind](message)

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

    def _begin(self, _: Message) -> None:
        for watch in (self._load, *(() if self._memory is None else (self._memory,)), self._whole):
            self._open.enter_context(watch)
        with self.in_time():
            self._room.connection.send_bytes(b"go")

    def _report(self, message: Message) -> None:
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

    def _synthesize(self, _: Message) -> None:
        with self._pause:
            try:
                answer = Message(kind="synthetic", tensors=vars(self._hearing.synthesize()))
            except CellFailure as error:
                answer = Message(kind="refused", words={"reason": str(error)})
        with self.in_time():
            send(self._room.connection, answer)

    def _ended(self, message: Message) -> None:
        self.stop()
        taken = message.words.get("device_bytes")
        self._device_bytes = taken if isinstance(taken, int) else 0

    def _skip(self, message: Message) -> None:
        self._skipped = _worded(message.words.get("reason", "")) or "it gave no reason"

    def _done(self, message: Message) -> None:
        lacks = message.words.get("lacks")
        if not (isinstance(lacks, list) and all(isinstance(name, str) for name in lacks)):
            raise CellFailure("the method's process did not say which tensors its model lacks")
        self._state, self._lacks = message.tensors, frozenset(lacks)

    def _failed(self, message: Message) -> None:
        reason = _worded(message.words.get("reason", "no reason"))
        raise CellFailure(f"out of memory: {reason}" if message.words.get("kind") == "memory" else reason)


def _worded(said: object) -> str:
    """What a player gave as a text, in letters that any file takes, and not more of them than anybody reads."""
    return str(said).encode("utf-8", "backslashreplace").decode("utf-8")[:MOST_WORDS]
