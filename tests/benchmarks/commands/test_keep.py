"""`run --keep`, and what a run says that it repeats."""

from pathlib import Path

import pytest

from tests.benchmarks.support import NOISE, Call, calls, counting, write_method
from unlearn_bench.benchmarks.sweep.repeats import Repeats
from unlearn_bench.leaderboards.records.storage import read_folder

ONE_MORE = ("--metrics", "accuracy,seconds,predictions")


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """Where the calls of the method that `sweep` runs are noted."""
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


@pytest.fixture
def counted(sweep: Call, noted: Path, tmp_path: Path) -> Call:
    """`sweep`, whose method notes that it ran."""
    write_method(tmp_path, counting(NOISE, noted))
    return sweep


def test_one_more_metric_on_kept_weights(counted: Call, noted: Path, tmp_path: Path) -> None:
    first = counted("--keep", "--datasets", "folder:warm")
    assert first.code == 0, first.err
    assert "measured from kept weights" not in first.err
    kept = sum(path.stat().st_size for path in (tmp_path / "out" / "weights").iterdir())
    place = str(tmp_path / "out" / "weights")
    assert f"kept weights of 3 unlearned models in {place!r}: {kept / 1e6:.1f} MB" in first.out.splitlines()
    asked = (*ONE_MORE, "--datasets", "folder:warm")
    assert "3 cells are measured from kept weights; their methods do not run" in counted(*asked, "--dry-run").err
    second = counted(*asked)
    assert "3 cells are measured from kept weights; their methods do not run" in second.err
    assert "3 ok, 0 skipped, 0 failed, 0 done before" in second.out
    assert "unlearned models" not in second.out
    assert calls(noted) == ["blue", "green", "red"]
    assert len(read_folder(tmp_path / "out").records) == 6
    assert "run again" not in counted(*asked).err  # all is done
    fresh = counted(*asked, "--fresh")
    assert "kept weights" not in fresh.err
    assert calls(noted) == ["blue", "blue", "green", "green", "red", "red"]


def test_without_kept_weights_a_run_says_what_it_repeats_and_why(counted: Call, noted: Path, tmp_path: Path) -> None:
    assert "run again" not in counted("--classes", "red,green").err
    said = counted(*ONE_MORE, "--datasets", "folder:warm", "--keep")
    (line,) = [line for line in said.err.splitlines() if "again" in line]
    assert line == (
        "2 cells are run again that ran before with other metrics, since their weights were not kept; --keep keeps "
        "them"
    )
    assert calls(noted) == ["blue", "green", "green", "red", "red"]
    assert "have none" not in said.out
    half = counted("--classes", "red", "--precision", "bf16", "--metrics", "accuracy")
    assert "1 cell is measured from kept weights" in half.err  # methods know nothing of precision either


def test_cells_that_were_done_without_keep_are_named(counted: Call) -> None:
    counted("--classes", "red")
    lines = counted("--classes", "red,green", "--keep").out.splitlines()
    (said,) = [line for line in lines if line.startswith("kept weights of 1 unlearned model in ")]
    assert said.endswith("; 1 of the cells that were done before have none, and --keep --fresh runs them again")


def test_broken_weights_are_said_by_the_run(counted: Call, tmp_path: Path) -> None:
    counted("--classes", "red", "--keep")
    (path,) = (tmp_path / "out" / "weights").iterdir()
    path.write_bytes(b"no weights")
    said = counted("--classes", "red", *ONE_MORE)
    assert said.code == 0
    assert said.err.count("holds no weights for its cell (it is cut, or was written by something else)") == 1


def test_what_is_said() -> None:
    assert Repeats().say() == ()
    both = Repeats(measured=frozenset({"0123"}), again=3, other=("metrics", "precision")).say()
    assert both[0].startswith("1 cell is measured from kept weights")
    assert both[1].startswith("3 cells are run again that ran before with other metrics and precision, since")
    assert "before under another name, since" in Repeats(again=1).say()[0]
