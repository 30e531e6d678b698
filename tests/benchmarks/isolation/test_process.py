"""A player: what comes back is what the method made, and whatever it does is told and stays in its room."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch

from tests.benchmarks.isolation.rooms import Room, new_player
from tests.benchmarks.support import NOISE, start, wait_for, write_method, write_model
from unlearn_bench.benchmarks.isolation import process
from unlearn_bench.benchmarks.isolation.fence import while_heard
from unlearn_bench.benchmarks.isolation.landlock import version
from unlearn_bench.benchmarks.isolation.play import Opening
from unlearn_bench.benchmarks.isolation.process import MOST_WORDS, Player
from unlearn_bench.errors import CellFailure
from unlearn_bench.methods.base import Examples
from unlearn_bench.models.sources import open_model
from unlearn_bench.seeding import generator


def test_what_comes_back_is_what_the_method_made(room: Room) -> None:
    played = room.play(NOISE)
    clip = open_model(f"{room.folder / 'colours_model.py'}:build")
    expected = {name: value.clone() for name, value in clip.state().items()}
    noise = torch.randn(3, 3, generator=generator(3, "colours", "red", "noise"))
    expected["text.2.weight"] += 0.5 * noise
    assert played.changed is not None
    assert played.changed.keys() == {"text.2.weight"}, "what the method left alone does not cross"
    assert played.whole(clip.state()).keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(played.whole(clip.state())[name], value, rtol=0, atol=0)
    assert room.heard.lines == [(1, {"sigma": 0.5})]
    assert room.player.is_clean
    again = room.play(NOISE)
    assert again.changed is not None
    assert torch.equal(again.changed["text.2.weight"], played.changed["text.2.weight"]), "each turn begins anew"


def test_what_the_model_lacks_is_told(room: Room) -> None:
    played = room.play("clip.module.text[2] = torch.nn.Linear(3, 3)\nreturn clip")
    original = open_model(f"{room.folder / 'colours_model.py'}:build").state()
    assert played.changed is not None
    assert set(played.changed) == {"text.2.weight", "text.2.bias"}
    assert not played.lacks
    gone = room.play("clip.module.text[2] = torch.nn.Identity()\nreturn clip", name="second")
    assert gone.lacks == {"text.2.weight"}
    assert gone.whole(original).keys() == original.keys() - {"text.2.weight"}


@pytest.mark.parametrize("lacks", ["{}", "{'lacks': 5}", "{'lacks': [5]}"])
def test_a_model_without_word_of_what_it_lacks_is_none(room: Room, lacks: str) -> None:
    body = (
        "from unlearn_bench.benchmarks.isolation.wire import Message, send\n"
        f"send(request.report.__self__.connection, Message(kind='done', words={lacks}))\n"
        "return clip"
    )
    with pytest.raises(CellFailure, match="did not say which tensors its model lacks"):
        room.play(body)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[float('nan')]", "a list as 'x'"),
        ("{'a': {'b': 1}}", "a dict as 'x'"),
        ("None", "a NoneType as 'x'"),
        ("10**400", "a number beyond 64 bits as 'x'"),
    ],
)
def test_a_report_of_more_than_numbers_and_texts_is_the_method_s_failure(room: Room, value: str, said: str) -> None:
    with pytest.raises(CellFailure, match=f"report was given {said}; give numbers and texts"):
        room.play(f"request.report(0, x={value})\nreturn clip")
    assert room.heard.lines == []


def test_a_method_may_not_fill_the_referee_s_memory(room: Room) -> None:
    with pytest.raises(CellFailure, match="reported more than 67108864 letters"):
        room.play("while True:\n    request.report(0, x='x' * 1000000)")
    assert len(room.heard.lines) <= 67


def test_lines_without_a_word_count_too(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST_REPORTED", 2000)
    with pytest.raises(CellFailure, match="reported more than 2000 letters"):
        room.play("while True:\n    request.report(0)")
    assert len(room.heard.lines) == 20


def test_words_that_no_file_takes_are_escaped_and_cut(room: Room) -> None:
    with pytest.raises(CellFailure) as failed:
        room.play(
            "raise CellFailure('\\ud800' + 'x' * 9000)".replace(
                "raise", "from unlearn_bench.errors import CellFailure\nraise"
            )
        )
    assert str(failed.value).startswith("\\ud800xxx")
    assert len(str(failed.value)) <= MOST_WORDS


@pytest.mark.parametrize("timeout_s", [1e10, float("inf")])
def test_a_very_patient_timeout_is_one(room: Room, timeout_s: float) -> None:
    assert room.play("return clip", timeout_s=timeout_s).changed == {}


def test_all_global_streams_are_the_run_s(room: Room) -> None:
    body = (
        "import numpy, random\n"
        "request.report(0, torch=float(torch.rand(1)), numpy=float(numpy.random.rand()), python=random.random())\n"
        "return clip"
    )
    room.play(body)
    room.play(body)
    assert room.heard.lines[0] == room.heard.lines[1]


def test_images_are_the_method_s_own(room: Room) -> None:
    examples = Examples(
        pixels=torch.zeros(2, 8, 8, 3, dtype=torch.uint8), labels=torch.tensor([0, 0]), texts=("a", "b")
    )
    room.play("request.forget_examples.pixels.fill_(9)\nreturn clip", examples=examples)
    assert int(examples.pixels.max()) == 0


def test_synthetic_images_are_asked_for_once_and_their_time_is_apart(room: Room) -> None:
    played = room.play(
        "a, b = request.synthesize(), request.synthesize()\na.unit.zero_()\n"
        "request.report(1, same=float(b.unit.max()))\nreturn clip"
    )
    assert room.heard.asked == 1
    assert room.heard.lines[0][1]["same"] != 0
    assert played.seconds < 0.25


def test_images_that_can_t_be_made_are_the_method_s_to_answer(room: Room) -> None:
    room.heard.refusal = "no image passed"
    played = room.play(
        "from unlearn_bench.errors import CellFailure\ntry:\n    request.synthesize()\n"
        "except CellFailure as error:\n    request.report(1, said=str(error))\nreturn clip"
    )
    assert played.changed is not None
    assert room.heard.lines[0][1]["said"] == "no image passed"
    with pytest.raises(CellFailure, match="no image passed"):
        room.play("request.synthesize()\nreturn clip", name="careless")


FAILURES = {
    "return None": "returned a NoneType; it must return the clip",
    "raise KeyboardInterrupt": "KeyboardInterrupt: no message",
    "raise GeneratorExit": "GeneratorExit",
    "sys.exit(3)": "SystemExit: 3",
    "class E(Exception):\n    def __str__(self): raise ValueError\nraise E": "E: no message, its text can't be made",
    "raise ValueError('a\\ud800b')": r"ValueError: a\\ud800b",
    "raise MemoryError": "out of memory: MemoryError",
    "os._exit(0)": "ended itself with exit code 0, and gave no model back",
    "os._exit(7)": "exit code 7",
    "os.kill(os.getpid(), signal.SIGKILL)": "ended by SIGKILL: most often that means out of memory",
    "import ctypes\nctypes.string_at(0)": "ended by SIGSEGV: native code crashed",
    "os.abort()": "ended by SIGABRT",
    "os.kill(os.getpid(), signal.SIGTERM)": "ended by SIGTERM",
    "request.report(1, loss=torch.zeros(1))\nreturn clip": "more than numbers and texts",
    "request.report('one')\nreturn clip": "give a whole number",
    "import gc\nfrom multiprocessing.connection import Connection\n"
    "[c.send_bytes(b'junk' * 9) for c in gc.get_objects() if isinstance(c, Connection)]\n"
    "import time\ntime.sleep(60)": "sent a message that",
    "clip.module.register_buffer('huge', torch.zeros(2**22))\nreturn clip": "too large",
}


@pytest.mark.parametrize("body", FAILURES)
def test_a_method_that_fails_is_told_truly_and_its_process_is_gone(body: str, room: Room) -> None:
    pid = room.player.pid
    with pytest.raises(CellFailure, match=FAILURES[body]):
        room.play(body)
    assert not room.player.is_clean
    assert not psutil.pid_exists(pid)


def test_a_method_that_does_not_end_is_ended_with_all_that_it_began(room: Room) -> None:
    body = (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "request.report(child.pid)\n"
        "time.sleep(600)"
    )
    began = time.monotonic()
    with pytest.raises(CellFailure, match="took longer than it may"):
        room.play(body, timeout_s=1.0)
    assert time.monotonic() - began < 20
    ((child, _),) = room.heard.lines
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


REACHING = """
import gc
from unlearn_bench.clip import Clip
with torch.no_grad():
    [p.add_(1) for c in gc.get_objects() if isinstance(c, Clip) for p in c.module.parameters()]
"""
"""A method that finds the model of which it has a copy."""


@pytest.mark.parametrize(
    "trace",
    [
        "torch.set_default_dtype(torch.float64)",
        "torch.set_num_threads(2)",
        "sys.setrecursionlimit(5000)",
        "os.environ['MINE'] = '1'",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "torch.use_deterministic_algorithms(True)",
        REACHING,
    ],
)
def test_who_leaves_something_behind_does_not_play_again_there(trace: str, room: Room) -> None:
    played = room.play(f"{trace}\nreturn clip")
    assert played.changed is not None
    assert not room.player.is_clean


@pytest.mark.skipif(not version(), reason="this system has no Landlock")
@pytest.mark.usefixtures("strict")
def test_a_player_reads_no_caches_and_writes_only_at_home(tmp_path: Path) -> None:
    secret, other = tmp_path / "cache", tmp_path / "other"
    for folder in (secret, other):
        folder.mkdir()
        (folder / "images").write_text("test")
    tries = {
        "read": f"Path({str(secret / 'images')!r}).read_text()",
        "write": f"Path({str(other / 'images')!r}).write_text('x')",
        "cache": "list(cache_root().iterdir())",
        "environ": f"Path('/proc/{os.getpid()}/environ').read_bytes()",
    }
    body = "from unlearn_bench.cache import cache_root\nfound = []\n" + "".join(
        f"try:\n    {line}\n    found.append({name!r})\nexcept OSError:\n    pass\n" for name, line in tries.items()
    )
    body += "Path('mine').write_text('x')\nrequest.report(0, found=','.join(found))\nreturn clip"
    write_method(tmp_path, body)  # there before the door is shut
    room = Room(new_player(tmp_path, hidden=(secret,)), tmp_path)
    room.play(body)
    room.player.close()
    assert room.heard.lines == [(0, {"found": ""})]
    assert (other / "images").read_text() == "test"


def test_a_model_that_does_not_open_is_the_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def build():\n    raise ValueError('no weights')\n")
    opening = Opening(model=f"{tmp_path / 'broken.py'}:build", weights=None, device="cpu", threads=1)
    with pytest.raises(CellFailure, match=r"no process for the method could be begun \(.*no weights"):
        Player(opening, hidden=())


@pytest.mark.parametrize("method", ["loky", "spawn"])
def test_workers_of_clusters_and_of_joblib_have_players_too(tmp_path: Path, method: str) -> None:
    """The first are daemons, which may have no children, and the second begin processes in a way of their own."""
    spec = write_model(tmp_path)
    source = f"""
import multiprocessing
import joblib.externals.loky
from unlearn_bench.benchmarks.isolation.play import Opening
from unlearn_bench.benchmarks.isolation.process import Player
multiprocessing.set_start_method({method!r}, force=True)
this = multiprocessing.current_process()
this.daemon = True
Player(Opening(model={spec!r}, weights=None, device="cpu", threads=1), hidden=()).close()
assert this.daemon
assert multiprocessing.get_start_method() == {method!r}
"""
    process = start(source)
    process.join(60)
    assert process.exitcode == 0


def test_who_is_alone_ends_without_a_traceback() -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    while_heard(lambda connection, *given: connection.send_bytes(bytes(given)), ours, 1, 2)
    with pytest.raises(ValueError, match="mine"):
        while_heard(_wrong, ours)


def _wrong(_: object) -> None:
    raise ValueError("mine")


@pytest.mark.skipif(os.name != "posix", reason="processes are ended by signals")
def test_players_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    spec = write_model(tmp_path)
    source = f"""
import time
from pathlib import Path
from unlearn_bench.benchmarks.isolation.play import Opening
from unlearn_bench.benchmarks.isolation.process import Player
player = Player(Opening(model={spec!r}, weights=None, device="cpu", threads=1), hidden=())
part = Path({str(tmp_path)!r}) / "part"
part.write_text(str(player.pid))
part.rename(part.with_name("pid"))
time.sleep(600)
"""
    process = start(source)
    wait_for((tmp_path / "pid").exists)
    pid = int((tmp_path / "pid").read_text())
    assert psutil.pid_exists(pid)
    os.kill(int(process.pid or 0), signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(pid))
