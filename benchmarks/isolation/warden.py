"""Who stands before a room: a process that runs nothing of a method's, and ends with it all that the method began.

What a method's process begins may leave its group and its session; on Linux it can't leave its ancestors, of which
the warden is the nearest that adopts orphans.
"""

import ctypes
import os
import secrets
import signal
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import psutil

from unlearn_bench.benchmarks.isolation.fence import Fence, die_with_parent, end_with_parent, while_heard

_ADOPT = 36  # of prctl: PR_SET_CHILD_SUBREAPER
FULL = 119
"""The exit code that says: too much was written."""

_CHECKED_S = 2.0
_MOST_ENTRIES = 10_000  # that are looked at to know how much was written
_PATIENCE_S = 5.0
"""So long who was killed may take to be gone: the system frees its memory first."""


def guarded(life: Callable[..., None], connection: Connection, fence: Fence, given: object) -> None:
    """Do `life` in a child, and end as it did once nothing is left of it: no process, and not its folder.

    SIGTERM ends it early. Where the system is not Linux, `life` is done here.
    """
    if not sys.platform.startswith("linux"):
        die_with_parent()
        while_heard(life, connection, fence, given)
        return
    os.setsid()
    ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who ignores it, as some services do, never hears of an end
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    end_with_parent(signal.SIGTERM)
    child = os.fork()
    if child:
        connection.close()
        _stand(child, fence)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    die_with_parent()
    while_heard(life, connection, fence, given)


def clear_away(folder: Path) -> None:
    """Remove a folder with all in it, however deep, as far as the system allows; links are not followed."""
    waiting, seen = [folder], []
    while waiting:
        place = waiting.pop()
        seen.append(place)
        with suppress(OSError):
            place.chmod(stat.S_IRWXU)
        for path in _entries(place):
            with suppress(OSError):
                if path.is_symlink() or not path.is_dir():
                    path.unlink()
                else:  # out of the depth, so that no name becomes longer than the system takes
                    waiting.append(path.rename(folder / secrets.token_hex(8)))
    for place in reversed(seen):
        with suppress(OSError):
            place.rmdir()


def written_below(folder: Path) -> int:
    """Bytes on the disk of what lies below a folder, or of its first thousands of files."""
    found, waiting, seen = 0, [str(folder)], 0
    while waiting and seen < _MOST_ENTRIES:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                seen += 1
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        found += entry.stat(follow_symlinks=False).st_blocks * 512
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder)]
    except OSError:
        return []


def _stand(child: int, fence: Fence) -> NoReturn:
    """Wait for the child's end, a SIGTERM or a full folder, end all that is left, and end as the child did."""
    status, code = None, None
    while status is None and code is None:
        woken = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM}, _CHECKED_S)
        if woken is None:
            code = FULL if written_below(fence.folder) > fence.most_bytes else None
        elif woken.si_signo == signal.SIGTERM:
            code = 1
        else:
            status = _reaped(child)
    _end_all()
    clear_away(fence.folder)
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError, ValueError):  # SIGKILL has no handler to be set
            signal.signal(number, signal.SIG_DFL)
        _no_core()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(code or 0 if status is None else os.waitstatus_to_exitcode(status) % 256)


def _reaped(child: int) -> int | None:
    """Let go of all that ended; how the child did, where it is among them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found = ended[1] if ended[0] == child else found
    return found


def children_of(pid: int) -> list[int]:
    """Numbers of the processes that a process began and that live, without a look at all others where that can be."""
    try:
        said = [(task / "children").read_text("ascii") for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # it has ended, or the kernel was built without
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    return [int(number) for text in said for number in text.split()]


def _end_all() -> None:
    """Kill all that is left: who has lost its parent becomes this one's, and comes next."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        for pid in children_of(os.getpid()):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _no_core() -> None:
    import resource  # noqa: PLC0415  (Windows has none)

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
