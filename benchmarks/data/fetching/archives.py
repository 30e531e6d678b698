"""Archives: unpacked without leaving their folder, and whole or not at all."""

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from unlearn_bench.cache import make_folder
from unlearn_bench.errors import InputError

_CHUNK = 1 << 20
_ENCRYPTED = 1
"""The flag of a zip's member."""

MOST_TIMES = 20
"""An archive's content by the archive: pictures hardly shrink, and tables of numbers by less than this."""

_ALWAYS = 1 << 30
"""Bytes that any archive may hold."""


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of a zip or tar archive below `folder`.

    Only plain files and folders are written; links and devices are refused, and so is a name that leads out. What
    comes out may be at most `MOST_TIMES` as large as the archive and `_ALWAYS` more, and must fit on the disk.

    Raises:
        InputError: not an archive, damaged, encrypted, packed in an unknown way, with such a member, or too large.
    """
    try:
        written = 0
        for name, size, opened in _members(archive):
            path = _inside(name, folder, archive)
            written += size
            _check_size(archive, written)
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_space(archive, path.parent, size)
            with opened as read, path.open("wb") as target:
                shutil.copyfileobj(read, target, _CHUNK)
    except InputError:
        raise
    except Exception as error:  # what a reader raises depends on where the damage is, and on how it is packed
        reason = (str(error).split("\n", 1)[0] or type(error).__name__).rstrip(":")
        raise InputError(f"archive {str(archive)!r} can't be unpacked ({reason}); remove it and run again") from error


def _check_size(archive: Path, written: int) -> None:
    most = MOST_TIMES * archive.stat().st_size + _ALWAYS
    if written > most:
        raise InputError(
            f"archive {str(archive)!r} holds over {most >> 20} MiB, which no archive of pictures of its size does; "
            "nothing of it is used"
        )


def _check_space(archive: Path, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(
            f"archive {str(archive)!r} needs {size >> 20} MiB more at {str(folder)!r}, where {free >> 20} MiB are "
            "free; free some, or set UNLEARN_BENCH_DATA to another folder"
        )


def _members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if stat.S_ISLNK(entry.external_attr >> 16) or "\0" in entry.orig_filename:
                    raise _refused(archive, entry.orig_filename)  # the library cuts names at a NUL
                if entry.flag_bits & _ENCRYPTED:
                    raise InputError(f"archive {str(archive)!r} is encrypted; unpack it by hand, and give the folder")
                if not entry.is_dir():
                    yield entry.filename, entry.file_size, opened.open(entry)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isdir():
                continue
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is None:
                raise _refused(archive, member.name)
            yield member.name, member.size, stream


def _inside(name: str, folder: Path, archive: Path) -> Path:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise _refused(archive, name)
    return folder.joinpath(*parts)


def _refused(archive: Path, name: str) -> InputError:
    return InputError(
        f"archive {str(archive)!r} has the member {name!r}, a link or a path out of its folder; nothing of it is used"
    )


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, removed at the end: what was unpacked in part never looks whole."""
    path = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(path, ignore_errors=True)
    make_folder(path, what="data folder")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def move_into(source: Path, folder: Path) -> None:
    """Move everything in `source` into `folder`; a folder of the same name there is replaced."""
    make_folder(folder, what="data folder")
    for path in sorted(source.iterdir()):
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
