"""Landlock, the Linux kernel's own fence for a process without privileges: files by folder, TCP, signals to others.

Source: the kernel's userspace API (Documentation/userspace-api/landlock.rst). What a kernel does not know is left
out; where there is no Landlock at all, nothing is restricted and `version` says 0.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS = 38  # of prctl

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST = (1 << 13) - 1  # all that the first version tells apart
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15  # of versions 2, 3 and 5
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
"""What may be granted for a single file; the rest is about folders."""

_TCP = 0b11  # to bind, to connect; version 4
_SCOPES = 0b11  # abstract sockets and signals, version 6


@dataclass(frozen=True, kw_only=True)
class Grants:
    """What stays allowed: everything else is refused.

    Attributes:
        read: files and folders, with all below them. write: the same, to read too.
    """

    read: tuple[Path, ...]
    write: tuple[Path, ...]


def version() -> int:
    """Which Landlock this kernel has; 0: none."""
    if not sys.platform.startswith("linux"):
        return 0
    found = _libc().syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return max(0, int(found))


def restrict(grants: Grants) -> None:
    """Restrict this thread, and all processes and threads that it begins from now on, for ever.

    Raises:
        OSError: the kernel refuses.
    """
    known = version()
    if not known:
        return
    handled = (
        _FIRST | (_REFER if known >= 2 else 0) | (_TRUNCATE if known >= 3 else 0) | (_IOCTL if known >= 5 else 0)
    )
    attributes = struct.pack("=QQQ", handled, _TCP if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 8 if known < 4 else 16 if known < 6 else 24
    ruleset = _call(_CREATE_RULESET, ctypes.create_string_buffer(attributes), size, 0)
    try:
        _grant(ruleset, grants.read, handled & _READ)
        _grant(ruleset, grants.write, handled)
        if _libc().prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs is refused")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _grant(ruleset: int, paths: Iterable[Path], access: int) -> None:
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # it is gone, or may not be seen: then it need not be granted
        try:
            allowed = access if os.path.isdir(path) else access & _OF_FILES
            rule = struct.pack("=Qi", allowed, place)
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.create_string_buffer(rule), 0)
        finally:
            os.close(place)


def around(hidden: Iterable[Path]) -> tuple[Path, ...]:
    """Everything but these paths and the folders on the way to them, in as few paths as there are neighbours.

    Grants only add up, so to hide a folder its neighbours are granted, those of its parent, and so on up to the root.
    Links are left out: who follows one needs the grant of where it leads.
    """
    away = {Path(os.path.realpath(path)) for path in hidden}
    if not away:
        return (Path("/"),)
    on_the_way = {parent for path in away for parent in path.parents}
    found: list[Path] = []
    waiting = [Path("/")]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = Path(entry.path)
            if path in away or entry.is_symlink():
                continue
            (waiting if path in on_the_way else found).append(path)
    return tuple(found)


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    """The C library, opened once: a fence takes hundreds of calls, and each opening makes a class."""
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    found = int(_libc().syscall(number, *arguments))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return found
