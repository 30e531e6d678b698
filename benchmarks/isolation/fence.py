"""What a player's process may touch: its own folder to write, no caches or results to read, no network, no signals.

Where the system has nothing of the kind (another one than Linux, an old kernel), the player has its folder and its
limits, and that is all: a benchmark is no jail.
"""

import ctypes
import os
import select
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from unlearn_bench.benchmarks.isolation import landlock
from unlearn_bench.benchmarks.isolation.seccomp import refuse_sockets
from unlearn_bench.cache import DATA_VARIABLE, ENVIRONMENT_VARIABLE, ROOM_VARIABLE

ALLOW_VARIABLE = "UNLEARN_BENCH_ALLOW_WRITES"
"""Folders, parted as in PATH, that methods may write to beside their own."""

_DEATH_SIGNAL = 1  # of prctl
_MEMORY_SHARE = 0.9
"""Of the machine's memory: who wants more gets a MemoryError, before the system begins to kill."""

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "shm")
_DRIVERS = ("nvidia*", "dri", "kfd", "accel*")


@dataclass(frozen=True, kw_only=True)
class Fence:
    """Around one player.

    Attributes:
        folder: its own, the only one that it may write to. hidden: what it may not read: caches, data, results.
        writable: what the user lets methods write to besides.
        limit_memory: whether its memory is limited; not on a GPU, whose driver reserves what it never uses.
        most_bytes: that it may write, a file or all below its folder.
    """

    folder: Path
    hidden: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    limit_memory: bool = True
    most_bytes: int = 2**62


def allowed_writes() -> tuple[Path, ...]:
    """What the user lets methods write to, by the environment."""
    return tuple(Path(part).resolve() for part in os.environ.get(ALLOW_VARIABLE, "").split(os.pathsep) if part)


def die_with_parent() -> None:
    """Lead a group of one's own, and end when the parent does, however it ends; Ctrl-C is the parent's to answer."""
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(signal.SIGKILL)


def end_with_parent(by: signal.Signals) -> None:
    """Be sent this signal when the parent ends, where the system offers it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, by, 0, 0, 0)


def while_heard(life: Callable[..., None], connection: Connection, *given: object) -> None:
    """Do `life`, and end without a word once the other side of its connection is gone: nobody would read it."""
    with suppress(ConnectionError):
        life(connection, *given)


def end_when_alone(connection: Connection) -> None:
    """End this process once the other side of its connection is gone, whatever it is doing then."""
    if not hasattr(select, "poll"):
        return
    hearing = select.poll()
    hearing.register(connection.fileno(), 0)  # no event but that it was hung up

    def watch() -> None:
        hearing.poll()
        os._exit(1)

    threading.Thread(target=watch, name="end-when-alone", daemon=True).start()


def raise_fence(fence: Fence) -> None:
    """Go into the own folder and give up all that a player has no use for; there is no way back.

    Raises:
        OSError: the system refuses.
    """
    if fence.hidden:  # nobody shall look for what can't be read
        os.environ[ENVIRONMENT_VARIABLE] = os.environ[DATA_VARIABLE] = str(fence.folder / "cache")
        os.environ[ROOM_VARIABLE] = "1"
    os.environ["TMPDIR"] = tempfile.tempdir = str(fence.folder)
    os.chdir(fence.folder)
    _limit(memory=fence.limit_memory, most_bytes=fence.most_bytes)
    devices = Path("/dev")
    drivers = [path for pattern in _DRIVERS for path in devices.glob(pattern)]
    processes = Path("/proc")
    landlock.restrict(
        landlock.Grants(
            read=(*landlock.around((*fence.hidden, processes)), *_facts(processes)),
            write=(fence.folder, *fence.writable, *(devices / name for name in _DEVICES), *drivers),
        )
    )
    refuse_sockets()


def _facts(processes: Path) -> tuple[Path, ...]:
    """What the system says of itself and of this process, and nothing of other processes."""
    if not processes.is_dir():
        return ()
    return (processes / str(os.getpid()), *(path for path in processes.iterdir() if not path.name.isdigit()))


def _limit(*, memory: bool, most_bytes: int) -> None:
    """No core dumps, memory below what the machine has, and no file over so many bytes."""
    try:
        import resource  # noqa: PLC0415  (Windows has none)
    except ImportError:
        return
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: most_bytes}
    if memory and sys.platform.startswith("linux"):
        limits[resource.RLIMIT_DATA] = int(psutil.virtual_memory().total * _MEMORY_SHARE)
    for which, most in limits.items():
        _, hard = resource.getrlimit(which)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))
