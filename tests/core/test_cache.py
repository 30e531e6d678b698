"""Files appear whole or not at all, and two processes take turns."""

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import Timeout

from tests.core.unprivileged import permissions_count
from unlearn_bench.cache import (
    atomic_folder,
    atomic_path,
    cache_folder,
    cache_root,
    locked,
    make_folder,
    remove_litter,
    write_text,
)
from unlearn_bench.errors import InputError


def mask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "mine"
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", "")
    assert cache_root() == tmp_path / "xdg" / "unlearn-bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "unlearn-bench"
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", "~/here")
    assert cache_root() == tmp_path / "here"


def test_make_folder_makes_parents_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b", what="cache") == tmp_path / "a" / "b"
    assert make_folder(tmp_path / "a" / "b", what="cache").is_dir()
    assert names(tmp_path / "a" / "b") == []


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"output folder .* can't be written") as caught:
            make_folder(path, what="output folder")
        assert "\n" not in str(caught.value)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o500)
    try:
        with permissions_count():
            yield
    finally:
        folder.chmod(0o700)


def test_a_folder_without_permission(tmp_path: Path) -> None:
    with read_only(tmp_path), pytest.raises(InputError, match="Permission denied"):
        make_folder(tmp_path, what="cache")


def test_a_cache_that_can_only_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path))
    assert cache_folder("images") == tmp_path / "images"
    with read_only(tmp_path / "images"), locked(cache_folder("images") / "thing"):
        pass
    with read_only(tmp_path), pytest.raises(InputError, match="Permission denied"):
        cache_folder("others")
    assert names(tmp_path / "images") == []


def test_atomic_write(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "new.bin") as part:
        part.write_bytes(b"whole")
        assert not (tmp_path / "new.bin").exists()
    assert (tmp_path / "new.bin").read_bytes() == b"whole"
    assert names(tmp_path) == ["new.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "kept.txt").write_text("old")

    def write_half() -> None:
        with atomic_path(tmp_path / "kept.txt") as part:
            part.write_text("ha")
            raise error

    with pytest.raises(error):
        write_half()
    assert (tmp_path / "kept.txt").read_text() == "old"
    assert names(tmp_path) == ["kept.txt"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("old")
    program = (
        "import os, pathlib, signal, sys\n"
        "from unlearn_bench.cache import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_text('ha')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / "kept.txt")], check=False)
    assert ended.returncode == -9
    assert (tmp_path / "kept.txt").read_text() == "old"


def test_text_is_utf8_with_line_feeds(tmp_path: Path) -> None:
    write_text(tmp_path / "t.txt", "naïve\nline\n")
    assert (tmp_path / "t.txt").read_bytes() == "naïve\nline\n".encode()


def test_a_lock_is_between_processes_and_freed_at_death(tmp_path: Path) -> None:
    target = tmp_path / "made" / "thing.pt"
    program = (
        "import pathlib, sys\n"
        "from unlearn_bench.cache import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n"
        "    sys.stdout.write('held')\n"
        "    sys.stdout.flush()\n"
        "    sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdin is not None
    try:
        assert other.stdout.read(4) == b"held"
        with pytest.raises(Timeout), locked(target, timeout=0.1):
            pass
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
        other.stdin.close()
    with locked(target, timeout=5):
        assert target.parent.is_dir()


def test_locks_of_different_files_do_not_meet(tmp_path: Path) -> None:
    with locked(tmp_path / "a"), locked(tmp_path / "b", timeout=0.1):
        assert not (tmp_path / "a").exists()


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_text(path, "one")
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask(), "for those whom the umask lets"
    path.chmod(0o600)
    write_text(path, "two")
    assert path.stat().st_mode & 0o777 == 0o600, "what the owner chose stays"


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o002])
def test_the_umask_counts(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "record.json", "one")
    finally:
        os.umask(before)
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_the_umask_counts_whoever_wrote_the_file(tmp_path: Path, umask: int) -> None:
    """Some libraries write beside and rename, for the owner alone."""
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "weights") as part:
            replaced(part)
        with atomic_folder(tmp_path / "model") as part:
            (part / "deep").mkdir()
            replaced(part / "deep" / "weights")
    finally:
        os.umask(before)
    for path in (tmp_path / "weights", tmp_path / "model" / "deep" / "weights"):
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask
        assert path.read_text() == "mine"


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("mine")
    other.chmod(0o600)
    other.replace(path)


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("old")
    (tmp_path / "link").symlink_to("there/file")
    (tmp_path / "hanging").symlink_to("there/new")
    write_text(tmp_path / "link", "one")
    write_text(tmp_path / "hanging", "two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "hanging").is_symlink()
    assert (tmp_path / "there" / "file").read_text() == "one"
    assert (tmp_path / "there" / "new").read_text() == "two"
    assert names(tmp_path) == ["hanging", "link", "there"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()), daemon=True)
    reader.start()
    write_text(pipe, "one")
    reader.join(timeout=10)
    assert heard == ["one"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="no /dev/null here")
def test_a_device_is_written_into_and_stays(tmp_path: Path) -> None:
    null = Path("/dev/null")
    write_text(null, "one")
    assert null.is_char_device()
    (tmp_path / "link").symlink_to(null)
    write_text(tmp_path / "link", "two")
    assert null.is_char_device()
    if Path("/dev/full").is_char_device():
        with pytest.raises(OSError, match="No space"):
            write_text(Path("/dev/full"), "three")


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="no /dev/stdout here")
def test_the_standard_output_is_written_into_wherever_it_leads(tmp_path: Path) -> None:
    program = "import pathlib; from unlearn_bench.cache import write_text as w; w(pathlib.Path('/dev/stdout'), 'one')"
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "one"
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert piped.stdout == "one"


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def write_half() -> None:
        with atomic_folder(tmp_path / "made") as part:
            (part / "one").write_text("ha")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert names(tmp_path) == []
    (tmp_path / "made").mkdir()
    with atomic_folder(tmp_path / "made") as part:
        (part / "one").write_text("whole")
        assert names(tmp_path / "made") == []
    assert names(tmp_path) == ["made"]
    assert (tmp_path / "made" / "one").read_text() == "whole"

    def replace_it() -> None:
        with atomic_folder(tmp_path / "made"):
            pass

    with pytest.raises(OSError, match="not empty"):
        replace_it()
    assert (tmp_path / "made" / "one").read_text() == "whole"


LEAVES = """
import os, pathlib, signal, sys
from unlearn_bench.cache import atomic_folder, atomic_path, take_lock
folder = pathlib.Path(sys.argv[1])
lock = take_lock(folder / "thing")
with atomic_path(folder / "file") as part, atomic_folder(folder / "made") as inner:
    part.write_text("ha")
    (inner / "one").write_text("ha")
    print("writing", flush=True)
    sys.stdin.read() if sys.argv[2] == "wait" else os.kill(os.getpid(), signal.SIGKILL)
"""


def age(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (time.time() - 1000,) * 2)


@pytest.mark.skipif(os.name != "posix", reason="who lives can't be told here")
def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    def begin(how: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", LEAVES, str(tmp_path), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with begin("die") as dead:
        assert dead.wait() == -9
    left = names(tmp_path)
    assert len(left) == 3
    others = {".other.json", "file.part", ".note.part", ".thing.lock.d"}
    for name in others:
        (tmp_path / name).write_text("")
    remove_litter(tmp_path)
    assert set(names(tmp_path)) == {*others, *left} - {".thing.lock"}, "what is new may have a writer yet"
    with begin("wait") as alive:
        assert alive.stdout is not None
        assert alive.stdout.readline() == "writing\n"
        age(tmp_path)
        remove_litter(tmp_path)
        living = set(names(tmp_path)) - others
        assert len(living) == 3
        assert not living & set(left) - {".thing.lock"}
        alive.kill()
    age(tmp_path)
    remove_litter(tmp_path, of="made")
    assert len(set(names(tmp_path)) - others) == 2
    remove_litter(tmp_path)
    assert set(names(tmp_path)) == others
    remove_litter(tmp_path / "nowhere")


def test_a_lock_leaves_no_file(tmp_path: Path) -> None:
    with locked(tmp_path / "thing"):
        assert names(tmp_path) == [".thing.lock"]
    assert names(tmp_path) == []
