"""Sockets to other machines are refused in a process that said so, and in all that it begins; local ones are not."""

import pytest

from tests.benchmarks.support import start
from unlearn_bench.benchmarks.isolation.seccomp import is_known

SOURCE = """
import socket, subprocess, sys, multiprocessing
import torch
from unlearn_bench.benchmarks.isolation.seccomp import refuse_sockets
if {refuse}:
    refuse_sockets()
opened = []
for family, kind in [
    (socket.AF_INET, socket.SOCK_STREAM),
    (socket.AF_INET, socket.SOCK_DGRAM),
    (socket.AF_INET6, socket.SOCK_DGRAM),
    (socket.AF_UNIX, socket.SOCK_STREAM),
    (socket.AF_UNIX, socket.SOCK_DGRAM),
    (socket.AF_NETLINK, socket.SOCK_RAW),
]:
    try:
        socket.socket(family, kind).close()
        opened.append(family.name + " " + kind.name)
    except PermissionError:
        pass
code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
child = subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode
ours, theirs = multiprocessing.Pipe()
ours.send("heard")
torch.ones(8) @ torch.ones(8, 8)
import ctypes
ring = ctypes.CDLL(None, use_errno=True).syscall(425, 1, ctypes.create_string_buffer(120))
with open({out!r}, "w") as file:
    file.write(",".join([*opened, str(child), theirs.recv(), str(ring < 0)]))
"""

LOCAL = "AF_UNIX SOCK_STREAM,AF_UNIX SOCK_DGRAM,AF_NETLINK SOCK_RAW"


@pytest.mark.skipif(not is_known(), reason="no filter of system calls for this machine")
def test_sockets_to_other_machines_are_refused_and_nothing_else(tmp_path: object) -> None:
    out = f"{tmp_path}/found"
    process = start(SOURCE.format(refuse=True, out=out))
    process.join(60)
    assert process.exitcode == 0
    with open(out, encoding="utf-8") as file:
        assert file.read() == f"{LOCAL},1,heard,True"


@pytest.mark.skipif(not is_known(), reason="no filter of system calls for this machine")
def test_without_the_filter_they_open(tmp_path: object) -> None:
    out = f"{tmp_path}/found"
    process = start(SOURCE.format(refuse=False, out=out))
    process.join(60)
    with open(out, encoding="utf-8") as file:
        assert file.read().startswith("AF_INET SOCK_STREAM,AF_INET SOCK_DGRAM,")
