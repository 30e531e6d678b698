"""Making an image cache: pictures decoded side by side, progress told, and what was done kept through a kill."""

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Dataset, Split
from unlearn_bench.cache import write_text
from unlearn_bench.errors import InputError

Prepare = Callable[[Image.Image], np.ndarray]
Told = Callable[[int, int], None]
"""Takes how many pictures are done, and how many there are."""

_JOURNAL_EVERY = 512  # pictures between two notes of how far it is
_AHEAD = 4  # pictures in the queue of each thread


@dataclass(kw_only=True)
class Journal:
    """How far a cache is.

    Attributes:
        done: pictures looked at. bytes: size of the growing file. kept: rows that are in the array, in its order.
        skipped: names of unreadable ones.
    """

    done: int = 0
    bytes: int = 0
    kept: list[int] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def build_array(
    path: Path,
    dataset: Dataset,
    split: Split,
    prepare: Prepare,
    *,
    skip_bad: bool,
    threads: int = 1,
    told: Told | None = None,
) -> Journal:
    """Write the prepared pictures of a split to `path` as one array (N, ..), and say which of them are in it.

    The array grows in a file beside `path`, with a journal; a build that was killed goes on from there. The caller
    holds the lock of `path`. Rows past `kept` are room left by pictures that were skipped.

    Raises:
        BadImageError: a picture can't be read and `skip_bad` is off; nothing is left behind.
        InputError: no picture can be read, or there is no space (the message says how much it takes).
        OSError: the disk is full; what is there is kept for the next run.
    """
    part, note = path.with_suffix(".npy.building"), path.with_suffix(".building.json")
    total = len(dataset.index(split))
    journal, array = _resume(part, note, total)
    try:
        for row, pixels in _decoded(dataset, split, prepare, range(journal.done, total), threads):
            if isinstance(pixels, BadImageError):
                if not skip_bad:
                    raise pixels
                journal.skipped.append(pixels.name)
            else:
                if array is None:
                    _check_space(path.parent, total * pixels.nbytes)
                    shape = (total, *pixels.shape)
                    array = np.lib.format.open_memmap(part, mode="w+", dtype=pixels.dtype, shape=shape)
                array[len(journal.kept)] = pixels
                journal.kept.append(row)
            journal.done = row + 1
            if journal.done % _JOURNAL_EVERY == 0 and array is not None:
                array.flush()
                journal.bytes = part.stat().st_size
                write_text(note, json.dumps(vars(journal)))
            if told is not None:
                told(journal.done, total)
    except InputError:
        _remove(part, note)
        raise
    if array is None:
        _remove(part, note)
        raise InputError(f"no image of {dataset.name!r} in the split {split!r} can be read")
    array.flush()
    del array
    part.replace(path)
    note.unlink(missing_ok=True)
    return journal


def content_hash(path: Path, labels: list[int]) -> str:
    """A hash of the first `len(labels)` prepared pictures and of their labels: 16 hex digits."""
    digest = hashlib.sha256()
    array = np.load(path, mmap_mode="r")
    for row in range(len(labels)):
        digest.update(np.ascontiguousarray(array[row]).tobytes())
    digest.update(json.dumps(labels).encode())
    return digest.hexdigest()[:16]


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _resume(part: Path, note: Path, total: int) -> tuple[Journal, np.memmap | None]:
    """Where an earlier build stopped; a new start where there is nothing, or nothing that fits."""
    try:
        journal = Journal(**json.loads(note.read_text(encoding="utf-8")))
        if part.stat().st_size != journal.bytes:  # mapping it would fill it up with zeros
            return Journal(), None
        array = np.lib.format.open_memmap(part, mode="r+")
        if len(array) == total and len(journal.kept) + len(journal.skipped) == journal.done <= total:
            return journal, array
    except (OSError, ValueError, TypeError, EOFError):
        pass
    return Journal(), None


def _decoded(
    dataset: Dataset, split: Split, prepare: Prepare, rows: range, threads: int
) -> Iterator[tuple[int, np.ndarray | BadImageError]]:
    """Each row with its pixels or with what is wrong with it, in order; Pillow decodes without Python's lock."""

    def one(row: int) -> np.ndarray | BadImageError:
        try:
            return prepare(dataset.picture(split, row))
        except BadImageError as error:
            return error

    if threads == 1:
        yield from ((row, one(row)) for row in rows)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[int, Future[np.ndarray | BadImageError]]] = deque()
        try:
            for row in rows:
                waiting.append((row, pool.submit(one, row)))
                if len(waiting) > threads * _AHEAD:
                    first, found = waiting.popleft()
                    yield first, found.result()
            while waiting:
                first, found = waiting.popleft()
                yield first, found.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"the image cache needs {needed / 2**20:.0f} MiB in {str(folder)!r}, where {free / 2**20:.0f} MiB are "
            "free; free some, or set UNLEARN_BENCH_CACHE to another folder"
        )
