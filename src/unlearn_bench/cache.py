"""Where files that can be made again are kept, and how a file is written so that nobody sees half of it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from unlearn_bench.errors import InputError

ENVIRONMENT_VARIABLE = "UNLEARN_BENCH_CACHE"
DATA_VARIABLE = "UNLEARN_BENCH_DATA"
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
_READABLE = 0o644  # temporary files are for their owner alone; results are for the group that shares a folder


def cache_root() -> Path:
    """The cache folder: `$UNLEARN_BENCH_CACHE`, else `unlearn-bench` in `$XDG_CACHE_HOME` or `~/.cache`."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "unlearn-bench"


def data_root() -> Path:
    """Where images are that did not come with the package: `$UNLEARN_BENCH_DATA`, else `data` in the cache folder."""
    chosen = os.environ.get(DATA_VARIABLE)
    return Path(chosen).expanduser() if chosen else cache_root() / "data"


def make_folder(path: Path, *, what: str) -> Path:
    """Make `path` and its parents, or say in one line why `what` can't live there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"{what} {str(path)!r} can't be written ({error.strerror}); give a folder that you may write to"
        ) from error
    return path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary sibling to write to; it takes the name `path` only when the block ends well.

    A crash, a kill or a full disk leaves the old file, or none, but never half of a new one.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(path.stat().st_mode & 0o777 if path.exists() else _READABLE)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8 with line feeds on every system."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def take_lock(path: Path, *, timeout: float = -1) -> FileLock | None:
    """A lock between processes for making `path`, taken; None where the file system has none.

    The system frees it when its holder dies. Some network folders have no locks; filelock's own way out, a file that
    says "locked", would stay for ever where its holder dies on another machine.

    Raises:
        Timeout: another process holds it and goes on holding it; below 0: it is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return lock


@contextmanager
def locked(path: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold the lock for making `path`, which is made in parts: two processes at once would mix them.

    Raises:
        InputError: the file system has no locks.
        Timeout: another process holds it and goes on holding it; below 0: it is waited for.
    """
    lock = take_lock(path, timeout=timeout)
    if lock is None:
        raise InputError(
            f"{str(path.parent)!r} is on a file system without locks, and what is kept there is for one process at a "
            f"time to make; set {ENVIRONMENT_VARIABLE} to a folder on each machine's own disk"
        )
    try:
        yield
    finally:
        lock.release()
