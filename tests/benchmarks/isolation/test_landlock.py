"""The kernel's fence: what is granted stays, everything else is refused, for ever and for what begins later."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import start
from unlearn_bench.benchmarks.isolation.landlock import around, version


@contextmanager
def _listening() -> Iterator[int]:
    """The port of a server that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


needs = pytest.mark.skipif(not version(), reason="this system has no Landlock")


def test_what_is_hidden_is_left_out_and_its_neighbours_are_not(tmp_path: Path) -> None:
    for name in ("secret/inner", "open/inner", "secret.too"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    found = around([tmp_path / "secret"])
    base = Path(os.path.realpath(tmp_path))
    assert {path.name for path in found if path.parent == base} == {"open", "secret.too", "file"}
    assert not any((base / "secret").is_relative_to(path) for path in found)
    assert Path("/usr") in found


def test_with_nothing_to_hide_the_root_is_granted() -> None:
    assert around([]) == (Path("/"),)


def test_what_is_hidden_may_be_a_link_or_missing(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    base = Path(os.path.realpath(tmp_path))
    assert base / "real" not in around([tmp_path / "link"])
    assert base / "real" in around([tmp_path / "nowhere"])


_TRIES = """
import json, os, socket, subprocess, sys, threading
from pathlib import Path
from unlearn_bench.benchmarks.isolation.landlock import Grants, around, restrict
folder = Path({folder!r})
restrict(Grants(read=around([folder / "secret"]), write=(folder / "own", Path("/dev/null"))))
tries = {{
    "write own": lambda: (folder / "own" / "a").write_text("1"),
    "read own": lambda: (folder / "own" / "a").read_text(),
    "read neighbour": lambda: (folder / "open" / "a").read_text(),
    "import": lambda: __import__("colorsys"),
    "null": lambda: Path("/dev/null").write_text("x"),
    "read secret": lambda: (folder / "secret" / "a").read_text(),
    "list secret": lambda: os.listdir(folder / "secret"),
    "read secret by a link": lambda: (folder / "link" / "a").read_text(),
    "write neighbour": lambda: (folder / "open" / "a").write_text("2"),
    "remove": lambda: (folder / "open" / "a").unlink(),
    "rename": lambda: (folder / "own" / "a").rename(folder / "open" / "b"),
    "new folder": lambda: (folder / "more").mkdir(),
    "signal": lambda: os.kill(os.getppid(), 0),
    "connect": lambda: socket.create_connection(("127.0.0.1", {port}), 5).close(),
    "by a child": lambda: subprocess.run(["cat", str(folder / "secret" / "a")], check=True, stderr=-3),
}}
said = {{}}
for name, attempt in tries.items():
    try:
        attempt()
        said[name] = True
    except (OSError, subprocess.CalledProcessError):
        said[name] = False
(folder / "own" / "said").write_text(json.dumps(said))
"""


@needs
def test_what_is_not_granted_is_refused(tmp_path: Path) -> None:
    for name in ("secret", "open", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with _listening() as port:
        process = start(_TRIES.format(folder=str(tmp_path), port=port))
        process.join(60)
    said: dict[str, Any] = json.loads((tmp_path / "own" / "said").read_text())
    allowed = {name for name, done in said.items() if done}
    expected = {"write own", "read own", "read neighbour", "import", "null"}
    expected |= {"connect"} if version() < 4 else set()
    expected |= {"signal"} if version() < 6 else set()
    assert allowed == expected
    assert (tmp_path / "open" / "a").read_text() == "secret"
