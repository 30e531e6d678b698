"""Where files that can be made again are kept, and how a file is written so that nobody sees half of it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from unlearn_bench.errors import InputError

ENVIRONMENT_VARIABLE = "UNLEARN_BENCH_CACHE"
DATA_VARIABLE = "UNLEARN_BENCH_DATA"
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


def locked(path: Path) -> FileLock:
    """A lock between processes for making `path`; the system frees it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"))
