"""What cells are doing at the moment: each worker writes a line beside the records, the command shows it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from unlearn_bench.leaderboards.records.storage import CELLS

_SUFFIX = ".note"
_WRITE_EVERY_S = 1.0
_OLD_S = 600.0
"""A note that nobody wrote for so long was left by a process that was killed."""


class Note:
    """One cell's line in a run folder, from when it begins until it ends.

    A note is for the eye: a full disk, or a folder that is gone, must not end a cell.
    """

    def __init__(self, out: Path, key: str, label: str) -> None:
        self._path, self._label = out / CELLS / f".{key}{_SUFFIX}", label
        self._written = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def __call__(self, text: str) -> None:
        """Say what is being done, at most once a second."""
        now = time.monotonic()
        if now - self._written >= _WRITE_EVERY_S:
            self._written = now
            with suppress(OSError):
                self._path.write_text(f"{self._label}: {text}", encoding="utf-8")


def read_notes(out: Path) -> Mapping[str, str]:
    """The lines of the cells that are running in a folder, by key."""
    found = {}
    for path in sorted((out / CELLS).glob(f".*{_SUFFIX}")):
        with suppress(OSError, UnicodeDecodeError):
            text = path.read_text(encoding="utf-8")
            if text and time.time() - path.stat().st_mtime < _OLD_S:
                found[path.name.removeprefix(".").removesuffix(_SUFFIX)] = text
    return found


def remove_old_notes(out: Path) -> None:
    """Remove the notes of processes that were killed long ago."""
    for path in (out / CELLS).glob(f".*{_SUFFIX}"):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime >= _OLD_S:
                path.unlink()


@contextmanager
def watching(out: Path, show: Callable[[Mapping[str, str]], None], *, every_s: float) -> Iterator[None]:
    """Show the notes of a folder every few seconds, beside whatever runs in this block."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            show(read_notes(out))

    watcher = threading.Thread(target=watch, name="notes", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
