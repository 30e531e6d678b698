"""A sweep may be killed at any moment, interrupted, or run twice at once on the same folder."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.benchmarks.support import calls, counting, start_cli, wait_for, write_method
from unlearn_bench.leaderboards.records.storage import read_folder

CONSOLE = Path(sys.executable).with_name("unlearn-bench")


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


def waiting(condition: str, noted: Path) -> str:
    """The body of a method that waits while `condition` holds of the number of calls so far."""
    return f"""
import time
while (lambda calls: {condition})(len(list(Path({str(noted)!r}).iterdir()))):
    time.sleep(0.02)
return clip
"""


def arguments(suite_file: Path, spec: str, out: Path, *more: str) -> list[str]:
    return ["run", "--suite", str(suite_file), "--methods", spec, "--out", str(out), "--device", "cpu", *more]


def finished(out: Path) -> int:
    return len(list((out / "cells").glob("*.json")))


def test_kill_9_loses_only_the_cell_in_flight(suite_file: Path, noted: Path, tmp_path: Path) -> None:
    """The third cell waits until the sweep has been killed; run again, it and the rest are done."""
    gate = tmp_path / "gate"
    wait = waiting(f"calls == 3 and not Path({str(gate)!r}).exists()", noted)
    spec, out = write_method(tmp_path, counting(wait, noted)), tmp_path / "out"
    given = arguments(suite_file, spec, out, "--jobs", "1")
    killed = start_cli(*given, cwd=tmp_path, log=tmp_path / "killed")
    wait_for(lambda: len(calls(noted)) == 3)
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join(30)
    assert killed.exitcode == -signal.SIGKILL
    assert finished(out) == 2
    assert read_folder(out).set_aside == ()
    gate.touch()
    again = start_cli(*given, cwd=tmp_path, log=tmp_path / "again")
    again.join(120)
    assert again.exitcode == 0, (tmp_path / "again.err").read_text()
    assert finished(out) == 6
    assert {record.status for record in read_folder(out).records} == {"ok"}
    assert len(calls(noted)) == 7  # six cells, one of them twice
    assert "4 ok, 0 skipped, 0 failed, 2 done before" in (tmp_path / "again.out").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_are_130_and_keep_what_is_done(
    number: int, suite_file: Path, noted: Path, tmp_path: Path
) -> None:
    wait = waiting("calls == 2", noted)
    spec, out = write_method(tmp_path, counting(wait, noted)), tmp_path / "out"
    process = start_cli(*arguments(suite_file, spec, out, "--jobs", "1"), cwd=tmp_path, log=tmp_path / "log")
    wait_for(lambda: len(calls(noted)) == 2)
    time.sleep(0.1)
    assert process.pid is not None
    os.kill(process.pid, number)
    for _ in range(5 if number == signal.SIGTERM else 0):  # those who wait for a process to end are impatient
        time.sleep(0.02)
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
    process.join(30)
    assert process.exitcode == 130
    assert finished(out) == 1
    said = (tmp_path / "log.err").read_text()
    assert said.splitlines()[-1].startswith("interrupted; finished cells are kept")
    assert "Traceback" not in said


def test_two_sweeps_on_one_folder(suite_file: Path, noted: Path, tmp_path: Path) -> None:
    spec, out = write_method(tmp_path, counting("import time; time.sleep(0.3)\nreturn clip", noted)), tmp_path / "out"
    given = arguments(suite_file, spec, out, "--jobs", "1")
    both = [start_cli(*given, cwd=tmp_path, log=tmp_path / f"log{number}") for number in range(2)]
    for number, process in enumerate(both):
        process.join(180)
        assert process.exitcode == 0, (tmp_path / f"log{number}.err").read_text()
    loaded = read_folder(out)
    assert loaded.set_aside == ()
    assert len(loaded.records) == 6
    assert not list((out / "cells").glob(".*.holder"))
    assert {record.status for record in loaded.records} == {"ok"}
    assert len(calls(noted)) == len(set(calls(noted))) == 6


def console(given: list[str], tmp_path: Path) -> "subprocess.Popen[str]":
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(CONSOLE), *given],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (no threads in the child)
    )


@pytest.mark.slow
@pytest.mark.large
def test_the_console_script_in_two_jobs_interrupted_and_resumed(
    suite_file: Path, noted: Path, tmp_path: Path
) -> None:
    """The real thing: a console script with real workers; Ctrl-C reaches them all."""
    gate = tmp_path / "gate"
    wait = waiting(f"calls > 2 and not Path({str(gate)!r}).exists()", noted)
    spec, out = write_method(tmp_path, counting(wait, noted)), tmp_path / "out"
    given = arguments(suite_file, spec, out, "--jobs", "2")
    with console(given, tmp_path) as process:
        wait_for(lambda: len(calls(noted)) >= 4, seconds=200)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "interrupted; finished cells are kept" in said
    assert finished(out) >= 2
    gate.touch()
    again = start_cli(*arguments(suite_file, spec, out, "--jobs", "1"), cwd=tmp_path, log=tmp_path / "again")
    again.join(120)
    assert again.exitcode == 0, (tmp_path / "again.err").read_text()
    assert finished(out) == 6
