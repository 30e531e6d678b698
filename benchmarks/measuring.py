"""Measuring what a block of work takes: seconds and memory."""

import threading
import time
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

    On a GPU: what torch had allocated at most. On a CPU: the process's resident memory, sampled every 5 ms, which
    misses shorter peaks.
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
        self._base = self._process.memory_info().rss
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(self._INTERVAL_S):
            self.bytes = max(self.bytes, self._process.memory_info().rss - self._base)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self._device) - self._base
            return
        self._done.set()
        self._watcher.join()
        self.bytes = max(self.bytes, self._process.memory_info().rss - self._base, 0)
