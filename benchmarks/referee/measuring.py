"""Measuring what a block of work takes: seconds and memory."""

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import psutil
import torch


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
            torch.cuda.synchronize(self._device)


class PeakMemory:
    """The most memory in use during a block, above what was in use when it began, in bytes.

    On a GPU: what torch had allocated at most. On a CPU: the process's resident memory without pages of files,
    sampled every 5 ms, which misses shorter peaks. What the allocator kept of earlier blocks is first given back to
    the system where it can be (glibc); elsewhere a block that reuses it seems to take less than it does. Pages of
    files don't count: who reads the images first would else pay for all who come after.
    """

    _INTERVAL_S = 0.005

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.bytes = 0

    def __enter__(self) -> Self:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._base = torch.cuda.memory_allocated(self._device)
            return self
        self._process = psutil.Process()
        if _TRIM is not None:
            _TRIM(0)
        self._base = self._own()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _own(self) -> int:
        info = self._process.memory_info()
        return int(info.rss - getattr(info, "shared", 0))  # only Linux tells

    def _watch(self) -> None:
        while not self._done.wait(self._INTERVAL_S):
            self.bytes = max(self.bytes, self._own() - self._base)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self._device) - self._base
            return
        self._done.set()
        self._watcher.join()
        self.bytes = max(self.bytes, self._own() - self._base, 0)


def counted_memory(device: str) -> str:
    """What `PeakMemory` counts there, for the record: numbers of different counting don't compare."""
    if device.startswith("cuda"):
        return "allocated by torch"
    return "pages of its own" if _TRIM is not None else "growth of the process"


def _find_trim() -> Callable[[int], int] | None:
    """What lets the C library return to the system what it holds and nobody uses; only glibc has it."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None


_TRIM = _find_trim()
