"""`drop` takes away what was asked for and nothing else, and never what another process holds."""

import json
import sys
from pathlib import Path

import pytest
import typer
from filelock import FileLock

from tests.benchmarks.support import NOISE, Call, calls, counting, is_one_error, write_method
from unlearn_bench.benchmarks.sweep.removal import Removed, remove
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder, read_records


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


@pytest.fixture
def out(sweep: Call, noted: Path, tmp_path: Path) -> Path:
    """A run of two methods, of which one fails on red, with kept weights and sheets of synthetic images."""
    mine = write_method(tmp_path, counting("request.synthesize()\n" + NOISE, noted))
    body = "if request.forget[0].name == 'red':\n    raise ValueError('no')\nrequest.synthesize()\nreturn clip"
    other = write_method(tmp_path, body, name="other")
    assert sweep("--methods", f"{mine},{other}", "--datasets", "folder:warm", "--keep").code == 1
    return tmp_path / "out"


def left(out: Path) -> list[str]:
    return sorted(f"{record.run.method} {record.run.forget[0]}" for record in read_folder(out).records)


def files(out: Path, folder: str) -> int:
    return len([path for path in (out / folder).iterdir() if not path.name.startswith(".")])


def of(out: Path, method: str, name: str) -> Record:
    (found,) = (r for r in read_folder(out).records if (r.run.method, r.run.forget) == (method, (name,)))
    return found


ALL = ["mine blue", "mine green", "mine red", "other blue", "other green", "other red"]


def test_what_failed_goes(call: Call, out: Path) -> None:
    said = call("drop", out, "--status", "failed")
    assert said.code == 0
    assert said.out.splitlines()[0] == f"1 of 6 records in {str(out)!r}:"
    assert "  other: 1 failed" in said.out
    assert "nothing is removed; --yes removes them" in said.out
    assert left(out) == ALL
    said = call("drop", out, "--status", "failed", "--yes")
    assert "records removed: 1" in said.out
    assert f"the next run writes them: {out / 'leaderboard.md'}, {out / 'leaderboard.html'}" in said.out
    assert left(out) == ALL[:-1]
    assert files(out, "cells") == 2 * 5  # a record and a history each
    assert files(out, "weights") == 5
    assert files(out, "sheets") == 3


def test_weights_go_with_their_record_and_sheets_with_the_last_that_has_them(call: Call, out: Path) -> None:
    said = call("drop", out, "--methods", "mine", "--classes", "blue,folder:warm/green", "--yes")
    assert said.code == 0
    assert "records removed: 2, with 2 files of weights and images (0.0 MB)" in said.out
    assert left(out) == ALL[2:]
    assert (files(out, "weights"), files(out, "sheets")) == (3, 3)  # the other method was given the same images
    said = call("drop", out, "--methods", "other", "--yes")
    assert left(out) == ["mine red"]
    assert (files(out, "weights"), files(out, "sheets")) == (1, 1)


def test_weights_that_another_record_was_measured_from_stay(call: Call, sweep: Call, noted: Path, out: Path) -> None:
    sweep("--metrics", "accuracy,predictions", "--classes", "red")
    assert len(left(out)) == 7
    (old,) = (r for r in read_folder(out).records if r.run.method == "mine" and "seconds" in r.run.metrics
              and r.run.forget == ("red",))  # fmt: skip
    assert remove(out, [old]).files == 0
    assert files(out, "weights") == 5
    assert "1 ok, 0 skipped, 0 failed, 0 done before" in sweep("--classes", "red").out
    assert calls(noted).count("red") == 1  # measured from them again


def test_what_retrieval_found_goes_with_its_record(call: Call, out: Path) -> None:
    gone, stays = (out / "cells" / f"{of(out, name, 'red').run.key}.found.jsonl" for name in ("mine", "other"))
    for path in (gone, stays):
        path.write_text("")
    call("drop", out, "--methods", "mine", "--yes")
    assert (gone.exists(), stays.exists()) == (False, True)


def test_a_dropped_cell_runs_again(call: Call, sweep: Call, noted: Path, out: Path) -> None:
    call("drop", out, "--methods", "mine", "--classes", "red", "--yes")
    assert "1 ok, 0 skipped, 0 failed, 2 done before" in sweep("--datasets", "folder:warm").out
    assert calls(noted) == ["blue", "green", "red", "red"]


def test_copies_go_with_their_record_or_it_would_count_again(call: Call, out: Path) -> None:
    for name in ("red", "blue"):
        path = out / "cells" / f"{of(out, 'mine', name).run.key}.json"
        path.with_name(f"copy of {name}.json").write_text(path.read_text())
    path.unlink()  # of blue there is only the copy
    said = call("drop", out, "--methods", "mine", "--classes", "red,blue", "--yes")
    assert "records removed: 2" in said.out
    assert not list((out / "cells").glob("copy*"))
    assert call("drop", out, "--methods", "mine", "--classes", "red,blue").code in {0, 2}
    assert {record.run.forget for record in read_records([out]).records if record.run.method == "mine"} == {
        ("green",)
    }


def test_a_cell_in_other_hands_stays(call: Call, out: Path) -> None:
    held = of(out, "mine", "red").run.key
    with FileLock(out / "cells" / f".{held}.lock"):
        said = call("drop", out, "--methods", "mine", "--yes")
    assert said.code == 1
    assert "records removed: 2" in said.out
    assert "left, since a running sweep has them in hand: 1" in said.out
    assert left(out) == ALL[2:]
    assert (out / "cells" / f"{held}.history.jsonl").is_file()
    assert files(out, "weights") == 3


def test_a_record_that_was_written_anew_stays(out: Path) -> None:
    """Another sweep mended it between the question and the answer."""
    failed = of(out, "other", "red")
    path = out / "cells" / f"{failed.run.key}.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "status": "ok", "reason": ""}))
    assert remove(out, [failed]) == Removed(changed=1)
    assert read_records([path]).records[0].status == "ok"
    path.unlink()
    assert remove(out, [failed]) == Removed(changed=1)  # gone by another hand


def test_on_a_terminal_one_is_asked(call: Call, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    for answer, count in ((False, 6), (True, 5)):
        monkeypatch.setattr(typer, "confirm", lambda _, answer=answer: answer)
        assert call("drop", out, "--status", "failed").code == 0
        assert len(left(out)) == count


def test_mistakes(call: Call, out: Path, tmp_path: Path) -> None:
    is_one_error(call("drop", out), "nothing says which records are to go; give --methods")
    is_one_error(call("drop", out, "--yes"), "nothing says which records are to go")
    is_one_error(call("drop", out, "--methods", "minee"), "unknown method in these records", "did you mean 'mine'?")
    is_one_error(call("drop", out, "--status", "bad"), "unknown status 'bad'; known: failed, ok, skipped")
    is_one_error(call("drop", out, "--seeds", "one"), "unknown seed in these records 'one'; known: 0")
    is_one_error(call("drop", tmp_path / "nowhere", "--methods", "mine"), "no records at")
    is_one_error(call("drop", tmp_path / "data", "--methods", "mine"), "is no run's folder")
    is_one_error(call("drop", out / "leaderboard.md", "--methods", "mine"), "is a file, not a run's folder")
    said = call("drop", out, "--status", "skipped", "--yes")
    assert (said.code, said.out.startswith("none of the 6 records in ")) == (0, True)
    assert left(out) == ALL
