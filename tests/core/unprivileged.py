"""What a folder's permissions mean, also where the tests run as the superuser, to whom none of them apply."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_VERSION = 0x20080522  # of the structures below
_OVERRIDE = 1 << 1  # CAP_DAC_OVERRIDE: writing where permissions forbid it


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def permissions_count() -> Iterator[None]:
    """In this block this thread may write only where permissions allow it; skips where that can't be had."""
    if os.name != "posix":
        pytest.skip("permissions of another kind")
    if os.geteuid() != 0:
        yield
        return
    if not sys.platform.startswith("linux"):
        pytest.skip("the superuser may write anywhere")
    library = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION, 0), (_Set * 2)()
    if library.capget(ctypes.byref(header), sets):
        pytest.skip("this system does not tell what the superuser may do")
    before = sets[0].effective
    sets[0].effective = before & ~_OVERRIDE
    if library.capset(ctypes.byref(header), sets):
        pytest.skip("this system does not let the superuser give up anything")
    try:
        yield
    finally:
        sets[0].effective = before
        assert library.capset(ctypes.byref(header), sets) == 0
