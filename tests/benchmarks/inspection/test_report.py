"""The data report: what it says in the terminal, in the file, and before a sweep; and `unlearn-bench inspect`."""

from pathlib import Path

import pytest

from tests.benchmarks.support import NOISE, WARM, Call, is_one_error, write_colours, write_method, write_model
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.inspection.report import report_on


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three classes with splits, one of them without test images, and a file that is no picture."""
    write_colours(tmp_path / "own" / "train", WARM, count=5)
    write_colours(tmp_path / "own" / "val", WARM[:2], count=3)
    (tmp_path / "own" / "train" / "red" / "notes.txt").write_text("x")
    return tmp_path / "own"


def test_the_report(data: Path) -> None:
    report = report_on(open_dataset(f"folder:{data}"))
    assert list(report.lines()) == [
        (
            "data: folder:own: 2 classes, images: 8 train, 2 val, 6 test; one folder for each class; train from "
            "'train', test from 'val', val a fifth of train"
        ),
        "data: folder:own: left out: 'train/blue': class 'blue' has no image in test (5 files)",
        "data: folder:own: left out: 'train/red/notes.txt': the ending .txt is not one of pictures (1 file)",
    ]
    assert list(report.warnings()) == []
    assert report.counts == {"train": (4, 4), "val": (1, 1), "test": (3, 3)}
    whole = report.whole()
    assert "| red     | 4       | 1     | 3      | a photo of a red." in whole
    assert "| train/red/notes.txt | 1" in whole
    assert "no model was asked" in whole


def test_many_names_are_some(tmp_path: Path) -> None:
    root = write_colours(tmp_path / "own")
    for number in range(5):
        (root / "red" / f"{number}.txt").write_text("x")
    (line,) = list(report_on(open_dataset(f"folder:{root}")).lines())[1:]
    assert (
        "'red/0.txt', 'red/1.txt', 'red/2.txt' and 2 more: the ending .txt is not one of pictures (5 files)" in line
    )


def test_an_embedded_dataset_has_nothing_to_tell() -> None:
    report = report_on(open_dataset("mini-digits"))
    assert report.layout == ""
    assert report.left_out == ()
    assert report.lacking == {}


def test_inspect(call: Call, data: Path, tmp_path: Path) -> None:
    said = call("inspect", f"folder:{data}", "--out", "data.md")
    assert said.code == 0, said
    assert "2 classes, images: 8 train" in said.out
    assert "no model was asked" in said.out
    assert "notes.txt" in (tmp_path / "data.md").read_text()
    is_one_error(call("inspect", "folder:nowhere"), "no folder at 'nowhere'")
    is_one_error(call("inspect", f"folder:{data}?test=tset"), "unknown split of 'folder:own' 'tset'")


def test_inspect_finds_what_is_wrong(call: Call, data: Path, tmp_path: Path) -> None:
    for name in ("Red", "RED"):
        write_colours(tmp_path / "names" / name, ["red"], count=3)
        for path in (tmp_path / "names" / name / "red").iterdir():
            path.rename(tmp_path / "names" / name / path.name)
        (tmp_path / "names" / name / "red").rmdir()
    said = call("inspect", f"folder:{tmp_path / 'names'}", "--model", "mini-rn")
    assert said.code == 1
    assert "error: the classes 'RED' and 'Red' of 'folder:names' are one text to mini-rn" in said.err
    (data / "train" / "red" / "003.png").write_bytes(b"no picture")
    assert call("inspect", f"folder:{data}").code == 0
    broken = call("inspect", f"folder:{data}", "--read")
    assert broken.code == 1
    assert "train/red/003.png' can't be read" in broken.err


def test_a_sweep_says_it_first_and_scores_without_the_class(call: Call, data: Path, tmp_path: Path) -> None:
    """With a class that has no test image, today no method gets a score and nobody says why."""
    said = call(
        *("run", "--data", f"folder:{data}", "--model", write_model(tmp_path), "--metrics", "accuracy,average-score"),
        *("--methods", write_method(tmp_path, NOISE), "--classes", "red", "--jobs", 1, "--device", "cpu"),
    )
    assert said.code == 0, said
    assert "data: folder:own: left out: 'train/blue': class 'blue' has no image in test" in said.err
    assert said.err.index("left out: 'train/blue'") < said.err.index("before forgetting:")
    assert " mine " in said.out
    report = (tmp_path / "runs" / "mini-own-data" / "data.md").read_text()
    assert "train/red/notes.txt" in report
    assert "1 ok, 0 skipped, 0 failed" in said.out


def test_two_runs_on_other_data_keep_their_tables(call: Call, data: Path, tmp_path: Path) -> None:
    """The second one replaced the first one's table in the default folder; and two folders of one name are two."""
    other = write_colours(tmp_path / "other" / "own")
    usual = (
        *("--model", write_model(tmp_path), "--metrics", "accuracy", "--methods", write_method(tmp_path, NOISE)),
        *("--classes", "folder:own/red", "--jobs", 1, "--device", "cpu"),
    )
    for folder in (data, other, data):
        assert call("run", "--data", f"folder:{folder}", *usual).code == 0
    runs = tmp_path / "runs"
    assert sorted(path.name for path in runs.iterdir()) == ["mini-own-data", "mini-own-data-2"]
    assert "8 train" in (runs / "mini-own-data" / "data.md").read_text()
    assert "12 train" in (runs / "mini-own-data-2" / "data.md").read_text()
    both = call("run", "--data", f"folder:{data},folder:{other}", *usual[:-6], "--classes", "folder:other/own/red")
    assert both.code == 0, both
    assert f"folder:{tmp_path.name}/own" in both.err
