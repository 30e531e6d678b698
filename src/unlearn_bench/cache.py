"""Where files that can be made again are kept, and how a file is written so that nobody sees half of it."""

import errno
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from unlearn_bench.errors import InputError

ENVIRONMENT_VARIABLE = "UNLEARN_BENCH_CACHE"
DATA_VARIABLE = "UNLEARN_BENCH_DATA"
ROOM_VARIABLE = "UNLEARN_BENCH_ROOM"
"""Set in the process of a method from outside, where nothing is cached or drawn."""
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}
"""The numbers of errors that say: nothing can be written here."""
_PART = re.compile(r"\.(?P<name>.+)\.[0-9a-z_]{8}\.part")
"""How a file is called that is being written, or was when its writer was killed."""
_LOCK = re.compile(r"\..+\.lock")
_SETTLED_S = 10.0
"""Seconds for which nobody takes a file from its writer, who may just be about to say that it is his."""


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


def cache_folder(*parts: str) -> Path:
    """The folder of that name in the cache, made if it is not there; one that can only be read is as good until
    something is to be written into it.

    Raises:
        InputError: it is not there and can't be made.
    """
    path = cache_root().joinpath(*parts)
    return path if path.is_dir() else make_folder(path, what="cache folder")


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

    A crash, a kill or a full disk leaves the old file, or none, but never half of a new one. A link stays, and
    what it points to is written. What is no regular file (a device, a pipe) is written into as the block ends.
    """
    if _is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "part"
            with (Path(folder) / "part").open("rb") as made, path.open("wb") as stream:
                shutil.copyfileobj(made, stream)
        return
    target = Path(os.path.realpath(path))
    part = beside(target)
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask
    try:
        try:
            _mark_as_ours(handle)
            yield part
            with part.open("rb") as written:
                os.fsync(written.fileno())
            mode = target.stat().st_mode if target.exists() else os.fstat(handle).st_mode
            part.chmod(mode & 0o777)  # its writer may have put another file there, for its owner alone
        finally:
            os.close(handle)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """The same for a folder of files: a sibling folder that takes the name `path`, at which there is nothing or an
    empty folder, when the block ends well. What an earlier writer of it left who was killed is removed.
    """
    target = Path(os.path.realpath(path))
    remove_litter(target.parent, of=target.name)
    part = beside(target)
    part.mkdir()
    handle = os.open(part, os.O_RDONLY) if os.name == "posix" else None
    if handle is not None:
        _mark_as_ours(handle)
    try:
        yield part
        for item in part.rglob("*"):
            if item.is_file() and not item.is_symlink():
                item.chmod(part.stat().st_mode & 0o666)
        if target.is_dir():
            target.rmdir()  # empty: one that is not stays, with what is in it
        part.rename(target)
    finally:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(part, ignore_errors=True)


def beside(path: Path) -> Path:
    """A free name for what shall be called `path` once it is whole."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def remove_litter(folder: Path, *, of: str | None = None) -> None:
    """Remove from a folder what processes left that were killed: half-written files, and locks that nobody holds.

    What a living process writes or holds stays; where the system doesn't tell who lives, files of the last day do.

    Args:
        of: only halves of what shall have this name.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(".")]
    except OSError:
        return
    for name in names:
        path, half = folder / name, _PART.fullmatch(name)
        with suppress(OSError, Timeout):
            if half and of in {None, half["name"]} and _is_left(path):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            elif of is None and _LOCK.fullmatch(name) and path.is_file():
                lock = FileLock(path, fallback_to_soft=False)
                lock.acquire(timeout=0)
                free(lock)


def _is_stream(path: Path) -> bool:
    """Whether `path` is there and neither file nor folder; /dev/stdout is none whatever it leads to at the moment."""
    system = path.is_symlink() and path.absolute().parts[1:2] in {("dev",), ("proc",)}
    return system or (path.exists() and not path.is_file() and not path.is_dir())


def _mark_as_ours(handle: int) -> None:
    """Hold a file's own lock for as long as it is open: so others see that its writer lives."""
    with suppress(ImportError, OSError):
        import fcntl  # noqa: PLC0415  (not everywhere)

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_left(path: Path) -> bool:
    """Whether nobody is writing there any more."""
    age = time.time() - path.lstat().st_mtime
    if age < _SETTLED_S:
        return False
    try:
        import fcntl  # noqa: PLC0415
    except ImportError:
        return age > 24 * 3600
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS and age > 24 * 3600
    finally:
        os.close(handle)
    return True


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


def free(lock: FileLock) -> None:
    """Let go of a lock, and take its file away: whoever waits for it makes a new one."""
    with suppress(OSError):  # where an open file can't be removed
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


@contextmanager
def locked(path: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold the lock for making `path`, which is made in parts: two processes at once would mix them.

    Where nothing can be written there is nothing to make, so nothing is held: what is whole can be read.

    Raises:
        InputError: the file system has no locks.
        Timeout: another process holds it and goes on holding it; below 0: it is waited for.
    """
    lock, read_only = None, False
    try:
        lock = take_lock(path, timeout=timeout)
    except OSError as error:
        read_only = error.errno in READ_ONLY and path.parent.is_dir()
        if not read_only:
            raise
    if lock is None and not read_only:
        raise InputError(
            f"{str(path.parent)!r} is on a file system without locks, and what is kept there is for one process at a "
            f"time to make; set {ENVIRONMENT_VARIABLE} to a folder on each machine's own disk"
        )
    try:
        yield
    finally:
        if lock is not None:
            free(lock)
