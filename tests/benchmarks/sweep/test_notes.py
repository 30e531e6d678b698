"""What a running cell says: written beside the records, shown while it goes on, gone when it ends."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.benchmarks.support import CONDITIONS, Call, bench_of, plan, write_method
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep import notes, progress
from unlearn_bench.benchmarks.sweep.notes import Note, read_notes, remove_old_notes, watching


def test_a_note_lives_as_long_as_its_cell(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    with Note(tmp_path, "ab", "mini-rn lip") as note:
        note("step 1")
        note("step 2")  # within the same second: not worth a write
        assert read_notes(tmp_path) == {"ab": "mini-rn lip: step 1"}
    assert read_notes(tmp_path) == {}
    assert list((tmp_path / "cells").iterdir()) == []


def test_a_note_never_ends_a_cell(tmp_path: Path) -> None:
    with Note(tmp_path / "nowhere", "ab", "x") as note:
        note("there is no such folder")
    assert read_notes(tmp_path / "nowhere") == {}


def test_what_a_killed_process_left_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    old = tmp_path / "cells" / ".ab.note"
    old.write_text("x: step 1")
    os.utime(old, (time.time() - 3600,) * 2)
    assert read_notes(tmp_path) == {}
    young = tmp_path / "cells" / ".cd.note"
    young.write_text("x: step 2")
    remove_old_notes(tmp_path)
    assert list((tmp_path / "cells").iterdir()) == [young]
    remove_old_notes(tmp_path / "nowhere")


def test_watching_shows_them_and_ends(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    seen: list[Mapping[str, str]] = []
    with Note(tmp_path, "ab", "x") as note, watching(tmp_path, seen.append, every_s=0.01):
        note("synthetic images 3 of 32")
        until = time.monotonic() + 30
        while not any(seen) and time.monotonic() < until:
            time.sleep(0.01)
    assert {"ab": "x: synthetic images 3 of 32"} in seen
    count = len(seen)
    time.sleep(0.05)
    assert len(seen) == count


def test_a_cell_says_what_it_does(suite_file: Path, tmp_path: Path) -> None:
    """Synthetic images, the method's own steps, measuring: in this order."""
    spec = write_method(tmp_path, "request.synthesize()\nrequest.report(7, loss=1.0)\nreturn clip")
    (cell,) = plan(suite_file, [spec], classes=["red"])
    said: list[str] = []
    outcome = run_cell(cell, bench_of(load_suite(str(suite_file))), CONDITIONS, note=said.append)
    assert outcome.record.status == "ok", outcome.record.reason
    assert said[0].startswith("synthetic images ")
    assert said.index("step 7") < said.index("measuring") < said.index("measuring accuracy")


def test_a_run_shows_what_takes_long(
    call: Call, suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a second for the ten after which a line is worth it, and as much less for a note."""
    monkeypatch.setattr(progress, "_NOTES_EVERY_S", 1.0)
    monkeypatch.setattr(notes, "_WRITE_EVERY_S", 0.1)
    body = "import time\nfor step in range(30):\n    request.report(step)\n    time.sleep(0.09)\nreturn clip"
    spec = write_method(tmp_path, body)
    said = call(
        "run", "--suite", suite_file, "--methods", spec, "--classes", "red", "--jobs", "1", "--device", "cpu",
        "--metrics", "accuracy,average-score", "--out", tmp_path / "out",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert " mine folder:warm/red seed 0: step " in said.err
