"""A room is empty when it is closed, whatever was begun in it and however its people or its referee ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.benchmarks.isolation.rooms import Room, new_player
from tests.benchmarks.support import start, wait_for, write_method, write_model
from unlearn_bench.benchmarks.isolation.warden import children_of, clear_away, written_below
from unlearn_bench.errors import CellFailure

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux hands orphans to a warden")

STRAYS = """
import subprocess, time
own = subprocess.Popen(['sleep', '600'], start_new_session=True)
if not os.fork():  # and one whose parent is gone at once
    os.setsid()
    orphan = subprocess.Popen(['sleep', '601'], start_new_session=True)
    Path('orphan').write_text(str(orphan.pid))
    os._exit(0)
while not Path('orphan').exists() or not Path('orphan').read_text():
    time.sleep(0.01)
request.report(own.pid, orphan=int(Path('orphan').read_text()), room=str(Path.cwd()))
"""
"""A method that begins two processes which no group or session holds."""


def is_running(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def strays(room: Room) -> list[int]:
    ((own, said),) = room.heard.lines
    return [own, int(said["orphan"])]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("time.sleep(600)", "took longer than it may"),
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
        ("raise RuntimeError('mine')", "RuntimeError: mine"),
    ],
)
def test_what_a_method_began_ends_with_it_whatever_session_it_chose(room: Room, end: str, told: str) -> None:
    with pytest.raises(CellFailure, match=told):
        room.play(f"{STRAYS}\nimport signal\n{end}", timeout_s=5.0)
    assert not any(map(is_running, strays(room)))
    assert not Path(str(room.heard.lines[0][1]["room"])).exists()


def test_what_a_method_that_succeeded_began_ends_when_its_room_is_closed(room: Room) -> None:
    room.play(f"{STRAYS}\nreturn clip")
    assert all(map(is_running, strays(room)))
    room.player.close()
    assert not any(map(is_running, strays(room)))


def test_nothing_is_left_of_a_room_whose_referee_was_killed(tmp_path: Path) -> None:
    spec = write_model(tmp_path)
    target = write_method(tmp_path, f"{STRAYS}\nreturn clip")
    source = f"""
import time
from pathlib import Path
from types import SimpleNamespace
from unlearn_bench.benchmarks.isolation.measuring import Load
from unlearn_bench.benchmarks.isolation.play import Opening, Task
from unlearn_bench.benchmarks.isolation.process import Player
player = Player(Opening(model={spec!r}, weights=None, device="cpu", threads=1), hidden=())
task = Task(method_target={target!r}, hyperparameters={{}}, seed=(0,), forget=(), retain=())
lines = []
heard = SimpleNamespace(report=lambda step, **values: lines.append((step, values)))
player.play(task, heard, Load(1), most_bytes=2**20)
((own, said),) = lines
part = Path({str(tmp_path)!r}) / "part"
part.write_text(f"{{own}} {{said['orphan']}} {{player.pid}} {{said['room']}}")
part.rename(part.with_name("begun"))
time.sleep(600)
"""
    process = start(source)
    wait_for((tmp_path / "begun").exists)
    *numbers, folder = (tmp_path / "begun").read_text().split()
    pids = [int(number) for number in numbers]
    assert all(map(is_running, pids))
    os.kill(int(process.pid or 0), signal.SIGKILL)
    wait_for(lambda: not any(map(is_running, pids)) and not Path(folder).exists())


_SENDING = "import struct\nconnection = request.report.__self__.connection\n"

UNHEARD = {
    "half a message": _SENDING + "os.write(connection.fileno(), struct.pack('!i', 4000) + b'half')\nimport time\n"
    "time.sleep(600)",
    "half a header": _SENDING + "os.write(connection.fileno(), bytes(2))\nimport time\ntime.sleep(600)",
    "an answer that nobody takes": "from unlearn_bench.benchmarks.isolation.wire import Message, send\n"
    + _SENDING
    + "import time\nfor _ in range(4000):\n    send(connection, Message(kind='synthesize'))\ntime.sleep(600)",
}


@pytest.mark.parametrize("body", UNHEARD.values(), ids=UNHEARD)
def test_the_time_is_over_in_the_middle_of_a_message_too(room: Room, body: str) -> None:
    room.heard.pause_s = 0.0
    began = time.monotonic()
    with pytest.raises(CellFailure, match="took longer than it may"):
        room.play(body, timeout_s=1.0)
    assert time.monotonic() - began < 15


def test_a_room_is_cleared_however_deep_its_folders_are(room: Room) -> None:
    body = (
        "request.report(0, room=os.getcwd())\n"
        "for _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
        "raise RuntimeError('deep')"
    )
    with pytest.raises(CellFailure, match="RuntimeError: deep"):
        room.play(body)
    ((_, said),) = room.heard.lines
    assert Path(str(said["room"])).name.startswith("unlearn-bench-room-")
    assert not Path(str(said["room"])).exists()


def test_who_ignores_the_end_of_children_hears_of_it_all_the_same(tmp_path: Path) -> None:
    """As some services do, and all that they begin does after them."""
    spec = write_model(tmp_path)
    source = f"""
import multiprocessing, os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from unlearn_bench.benchmarks.isolation.play import Opening
from unlearn_bench.benchmarks.isolation.process import Player
player = Player(Opening(model={spec!r}, weights=None, device="cpu", threads=1), hidden=())
os.kill(player.pid, signal.SIGKILL)
player._room._process.join(20)
assert player._room._process.exitcode == -signal.SIGKILL, player._room._process.exitcode
"""
    process = start(source)
    process.join(60)
    assert process.exitcode == 0


def test_clearing_away_follows_no_link_and_needs_no_permission(tmp_path: Path) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "room"
    (folder / "a" / "b").mkdir(parents=True)
    kept.mkdir()
    (kept / "file").write_text("mine")
    (folder / "a" / "link").symlink_to(kept, target_is_directory=True)
    (folder / "a" / "b" / "file").write_text("yours")
    os.mkfifo(folder / "pipe")
    (folder / "a" / "b").chmod(0)
    clear_away(folder)
    assert not folder.exists()
    assert (kept / "file").read_text() == "mine"
    clear_away(folder)  # nothing there is nothing to do


def test_children_are_found_with_and_without_the_kernel_s_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in children_of(os.getpid())
        with monkeypatch.context() as patched:
            patched.setattr(Path, "iterdir", refuse)
            assert child.pid in children_of(os.getpid())
            assert children_of(2**22 + 1) == []
        assert children_of(child.pid) == []
        child.kill()
    assert child.pid not in children_of(os.getpid())


def refuse(_: Path) -> None:
    raise FileNotFoundError


def test_a_warden_passes_on_nothing_of_its_own_to_the_terminal(room: Room) -> None:
    """It has a session of its own, so that Ctrl-C is the referee's to answer."""
    warden = psutil.Process(room.player.pid).parent()
    assert warden is not None
    assert os.getsid(warden.pid) == warden.pid
    assert os.getsid(0) != warden.pid


def test_no_file_of_a_method_fills_the_disk_and_no_limit_is_raised_again(room: Room) -> None:
    body = """
    import errno, resource, shutil
    free = shutil.disk_usage('.').free
    with open('huge', 'wb') as file:
        try:
            os.ftruncate(file.fileno(), free)
        except OSError as error:
            request.report(0, told=errno.errorcode[error.errno])
    soft, hard = zip(*(resource.getrlimit(which) for which in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE)))
    request.report(1, same=int(soft == hard), bounded=int(max(soft) < 2**62))
    return clip
    """
    room.play(body)
    assert room.heard.lines == [(0, {"told": "EFBIG"}), (1, {"same": 1, "bounded": 1})]


def test_many_files_do_not_fill_the_disk_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**24))
        room = Room(new_player(tmp_path), tmp_path)
    body = """
    import time
    for number in range(3):
        Path(f'part{number}').write_bytes(os.urandom(2**22))
    time.sleep(60)
    """
    with pytest.raises(CellFailure, match="wrote more than half of what was free on the disk"):
        room.play(body)


def test_what_was_written_is_counted_through_folders_and_not_through_links(tmp_path: Path) -> None:
    (tmp_path / "room" / "deep").mkdir(parents=True)
    (tmp_path / "other").write_bytes(os.urandom(2**20))
    (tmp_path / "room" / "deep" / "own").write_bytes(os.urandom(2**16))
    (tmp_path / "room" / "link").symlink_to(tmp_path / "other")
    assert 2**16 <= written_below(tmp_path / "room") < 2**18
    assert written_below(tmp_path / "nothing") == 0


def test_a_method_sends_nothing_to_other_machines(room: Room) -> None:
    body = """
    import socket
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            socket.socket(socket.AF_INET, kind).connect(('127.0.0.1', 9))
            request.report(0, told='sent')
        except PermissionError:
            request.report(0, told='refused')
    return clip
    """
    room.play(body)
    assert room.heard.lines == [(0, {"told": "refused"})] * 2
