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


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of a zip or tar archive below `folder`.

    Only plain files and folders are written; links and devices are refused, and so is a name that leads out.

    Raises:
        InputError: not an archive, damaged, or with such a member.
    """
    try:
        for name, opened in _members(archive):
            path = _inside(name, folder, archive)
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened as read, path.open("wb") as written:
                shutil.copyfileobj(read, written, _CHUNK)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        reason = str(error).split("\n", 1)[0].rstrip(":")
        raise InputError(f"archive {str(archive)!r} can't be unpacked ({reason}); remove it and run again") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise _refused(archive, entry.filename)
                if not entry.is_dir():
                    yield entry.filename, opened.open(entry)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isdir():
                continue
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is None:
                raise _refused(archive, member.name)
            yield member.name, stream


def _inside(name: str, folder: Path, archive: Path) -> Path:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise _refused(archive, name)
    return folder.joinpath(*parts.parts)


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
