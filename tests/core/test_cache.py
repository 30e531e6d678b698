"""Files appear whole or not at all, and two processes take turns."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import Timeout

from unlearn_bench.cache import atomic_path, cache_root, locked, make_folder, write_text
from unlearn_bench.errors import InputError


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


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            make_folder(tmp_path, what="cache")
    finally:
        tmp_path.chmod(0o700)


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
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    write_text(path, "two")
    assert path.stat().st_mode & 0o777 == 0o600, "what the owner chose stays"
