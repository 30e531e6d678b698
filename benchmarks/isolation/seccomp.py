"""Seccomp, the Linux kernel's filter of system calls: sockets to other machines, of every kind, are refused.

Landlock knows TCP alone, and that only in newer kernels. The filter is a classic BPF program over `struct
seccomp_data` (Linux userspace API, Documentation/userspace-api/seccomp_filter.rst): the call's number at byte 0, the
architecture at byte 4, the low half of the first argument at byte 16.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from dataclasses import dataclass

_NO_NEW_PRIVS = 38  # of prctl
_SET_FILTER, _SPECULATE = 1, 4  # of seccomp; without the second, kernels before 5.16 slow the process down
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: ld abs word, jeq, jge, ret
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_IO_URING_SETUP = 425  # opens sockets past the filter; the same number on every architecture
_OTHER_TABLE = 0x40000000  # x32's numbers begin here


@dataclass(frozen=True, kw_only=True)
class _Machine:
    """A kind of processor: its name in the filter's words, and its numbers of two calls."""

    architecture: int
    socket: int
    seccomp: int


_MACHINES = {
    "x86_64": _Machine(architecture=0xC000003E, socket=41, seccomp=317),
    "aarch64": _Machine(architecture=0xC00000B7, socket=198, seccomp=277),
}

_LOCAL = (socket.AF_UNIX if hasattr(socket, "AF_UNIX") else 1,)
"""Families of sockets that don't leave the machine; netlink neither, with which it is asked about itself."""
_NETLINK = 16


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def is_known() -> bool:
    """Whether this machine can be told to refuse sockets."""
    return sys.platform.startswith("linux") and platform.machine() in _MACHINES


def refuse_sockets() -> None:
    """Refuse this thread, and all that it begins from now on, sockets of any family but local ones, for ever.

    Nothing happens where the system is another one, or its kernel was built without filters.

    Raises:
        OSError: the kernel refuses.
    """
    if not is_known():
        return
    machine = _MACHINES[platform.machine()]
    libc = ctypes.CDLL(None, use_errno=True)
    steps = b"".join(struct.pack("=HBBI", *step) for step in _steps(machine))
    program = _Program(length=len(steps) // 8, steps=steps)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.syscall(machine.seccomp, _SET_FILTER, _SPECULATE, ctypes.byref(program)):
        code = ctypes.get_errno()
        if code not in {errno.EINVAL, errno.ENOSYS}:
            raise OSError(code, os.strerror(code))


def _steps(machine: _Machine) -> list[tuple[int, int, int, int]]:
    """The program: (code, steps to skip if so, steps to skip if not, value)."""
    families = (*_LOCAL, _NETLINK)
    refused, allowed = _ERRNO | errno.EACCES, _ALLOW
    body = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, refused),  # another table of calls, of 32 bits
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _OTHER_TABLE),
        (_RETURN, 0, 0, refused),
        (_EQUAL, 0, 1, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_EQUAL, 1, 0, machine.socket),
        (_RETURN, 0, 0, allowed),
        (_LOAD, 0, 0, 16),
    ]
    local = [(_EQUAL, len(families) - index, 0, family) for index, family in enumerate(families)]
    return [*body, *local, (_RETURN, 0, 0, refused), (_RETURN, 0, 0, allowed)]
