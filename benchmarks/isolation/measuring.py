"""Measuring what a block of work takes: seconds, memory, and its share of the machine."""

from __future__ import annotations  # a plan asks for sizes without waiting for torch

import ctypes
import os
import re
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    import torch

WORKER_MEMORY = "worker_memory_mib"
"""In a record's provenance: the most main memory that its process and the method's had by the end of the cell."""


class Stopwatch:
    """Wall seconds of a block, with the device's queue emptied at both ends."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._synchronise()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._synchronise()
        self.seconds += time.perf_counter() - self._started

    def _synchronise(self) -> None:
        if self._device.type == "cuda":
            _cuda().synchronize(self._device)


class PeakMemory:
    """The most memory in use during a block, above what was in use when it began, in bytes.

    On a GPU: what torch had allocated at most. On a CPU: the process's resident memory without pages of files,
    sampled every 5 ms, which misses shorter peaks. What the allocator kept of earlier blocks is first given back to
    the system where it can be (glibc); elsewhere a block that reuses it seems to take less than it does. Pages of
    files don't count: who reads the images first would else pay for all who come after.
    """

    _INTERVAL_S = 0.005

    def __init__(self, device: torch.device, *, pid: int | None = None) -> None:
        """`pid`: of the process that is watched, where that is another one."""
        self._device, self._pid = device, pid
        self.bytes = 0

    def __enter__(self) -> Self:
        if self._device.type == "cuda":
            _cuda().reset_peak_memory_stats(self._device)
            self._base = _cuda().memory_allocated(self._device)
            return self
        self._process = psutil.Process(self._pid)
        if self._pid is None:
            give_memory_back()
        self._base = self._own()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _own(self) -> int:
        try:
            info = self._process.memory_info()
        except psutil.Error:  # it has ended
            return 0
        return int(info.rss - getattr(info, "shared", 0))  # only Linux tells

    def _watch(self) -> None:
        while not self._done.wait(self._INTERVAL_S):
            self.bytes = max(self.bytes, self._own() - self._base)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._device.type == "cuda":
            self.bytes = _cuda().max_memory_allocated(self._device) - self._base
            return
        self._done.set()
        self._watcher.join()
        self.bytes = max(self.bytes, self._own() - self._base, 0)


def _cuda() -> ModuleType:
    return import_module("torch").cuda  # type: ignore[no-any-return]  # loaded long ago where there is a GPU to ask


def give_memory_back() -> None:
    """Let the C library return to the system what this process holds and does not use, where it can."""
    if _TRIM is not None:
        _TRIM(0)


def most_held_mib(pid: int | None = None) -> int | None:
    """The most main memory that a process ever had (this one), in MiB; None where the system is not Linux."""
    try:
        status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) // 1024 if found else None


class Load:
    """Who kept the processor's cores busy during blocks of work: this process, and all others.

    What the system counts of all processes comes in ticks of its clock: what one tick a core may be wrong by is taken
    off the others, so that they are never more than said.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._players: dict[int, psutil.Process] = {}
        self._seconds = self._own = self._others = 0.0
        self._counts = True

    def count(self, pid: int) -> None:
        """Take another process for one's own too: the player's."""
        with suppress(psutil.Error):
            self._players[pid] = psutil.Process(pid)

    def __enter__(self) -> Self:
        self._began = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        seconds, own, everyone = (now - then for now, then in zip(self._now(), self._began, strict=True))
        unsure = _TICK_S * _cores()
        self._seconds += seconds
        self._own += own
        self._others += max(0.0, everyone - own - unsure)
        self._counts = self._counts and everyone + unsure >= own  # else it counts nothing, or another machine

    @property
    def own(self) -> float | None:
        """CPU seconds of this process, over wall seconds and its threads: 1 when all of them were always busy."""
        return self._own / (self._seconds * self._threads) if self._seconds else None

    @property
    def others(self) -> float | None:
        """CPU seconds of all other processes, over wall seconds and cores; None where the system doesn't tell."""
        return min(1.0, self._others / (self._seconds * _cores())) if self._seconds and self._counts else None

    def _now(self) -> tuple[float, float, float]:
        """The time, and CPU seconds of this process with its players, and of all."""
        own = time.process_time()
        for player in self._players.values():
            with suppress(psutil.Error):
                times = player.cpu_times()
                own += times.user + times.system
        counted = psutil.cpu_times()
        busy = sum(getattr(counted, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))
        return time.perf_counter(), own, busy


def _cores() -> int:
    return psutil.cpu_count() or 1


def counted_memory(device: str) -> str:
    """What `PeakMemory` counts there, for the record: numbers of different counting don't compare."""
    if device.startswith("cuda"):
        return "allocated by torch"
    return "pages of its own" if _TRIM is not None else "growth of the process"


def _tick() -> float:
    """Seconds of the clock by which the system counts CPU time."""
    return 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.016  # of Windows


_TICK_S = _tick()


def _find_trim() -> Callable[[int], int] | None:
    """What lets the C library return to the system what it holds and nobody uses; only glibc has it."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None


_TRIM = _find_trim()
