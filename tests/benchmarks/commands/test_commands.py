"""The other commands, help with examples, lists, and a quick start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.benchmarks.support import Call, bench_of, is_one_error, write_method
from tests.core.tiny import RESNET, clip_of
from unlearn_bench import __version__
from unlearn_bench.benchmarks.commands import forget as forget_command
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.storage import read_records
from unlearn_bench.models.sources import open_model, save_model

COMMANDS = ("run", "prepare", "list", "leaderboard", "drop", "check", "compare", "tune", "forget")


def test_leaderboard_and_check(sweep: Call, call: Call, tmp_path: Path) -> None:
    sweep()
    board = tmp_path / "board.md"
    said = call("leaderboard", tmp_path / "out", "--out", board, "--records", tmp_path / "records.csv")
    assert said.code == 0, said.err
    assert "mine" in board.read_text()
    same = call("check", tmp_path / "out", "--against", tmp_path / "records.csv")
    assert same.code == 0, same
    is_one_error(call("leaderboard", tmp_path / "out", "--format", "pdf"), "unknown format 'pdf'")
    is_one_error(call("leaderboard", tmp_path / "nowhere"), "no records at")
    is_one_error(call("leaderboard", tmp_path / "out", "--out", tmp_path / "no" / "x.md"), "no folder")
    is_one_error(call("check", tmp_path / "out", "--against", tmp_path / "none.csv"), "no records at")


def test_a_leaderboard_of_some_of_the_records(sweep: Call, call: Call, tmp_path: Path) -> None:
    out, csv = tmp_path / "out", tmp_path / "some.csv"
    both = f"{tmp_path / 'method_mine.py'}:Mine,{write_method(tmp_path, 'return clip', name='other')}"
    sweep("--methods", both, "--classes", "red,cyan")
    chosen = ("--methods", "other", "--classes", "folder:warm/red", "--datasets", "folder:warm")
    said = call("leaderboard", out, *chosen, "--model", "colours", "--records", csv)
    assert said.code == 2
    model = read_records([out]).records[0].run.model
    is_one_error(
        call("leaderboard", out, "--model", "colours"), f"unknown model in these records 'colours'; known: {model}"
    )
    said = call("leaderboard", out, *chosen, "--model", model, "--records", csv)
    assert said.code == 0, said.err
    assert [(r.run.method, r.run.forget) for r in read_records([csv]).records] == [("other", ("red",))]
    assert "other" in said.out
    assert "| mine" not in said.out
    is_one_error(
        call("leaderboard", out, "--methods", "lip"), "unknown method in these records 'lip'; known: mine, other"
    )
    one = ("--classes", "red", "--datasets", "folder:cold")
    is_one_error(call("leaderboard", out, *one), "no record fits all of these filters at once")


def test_records_of_other_settings_are_named_and_left_out(sweep: Call, call: Call, tmp_path: Path) -> None:
    """The older run has fewer cells and fewer metrics; its key may sort before or after."""
    out, picture = tmp_path / "out", tmp_path / "front.svg"
    sweep("--classes", "red", "--metrics", "accuracy")
    own = sweep("--classes", "red,green", "--metrics", "accuracy,predictions,seconds")
    heading = "measured in other settings"
    assert heading not in own.out
    assert heading not in (out / "leaderboard.md").read_text()
    page = call("leaderboard", out).out
    assert page.count("\n## ") == 3  # how to read, the report, and the short section
    assert page.index("2 cells for each method") < page.index(heading)
    assert "1 cell of mine with other metrics (accuracy only), the last on 20" in page
    assert call("leaderboard", out, "--all-settings").out.count("\n## ") == 3  # how to read, and two reports
    assert heading not in call("leaderboard", out, "--all-settings").out
    drawn = call("leaderboard", out, "--format", "svg", "--out", picture)
    assert "left out, unless --all-settings: " in drawn.err
    assert picture.read_text().count("forgetting: 1 - AF/BF") == 1
    assert "left out" not in call("leaderboard", out, "--format", "svg", "--out", picture, "--all-settings").err
    assert picture.read_text().count("forgetting: 1 - AF/BF") == 2


def test_the_plot_goes_into_a_file(sweep: Call, call: Call, tmp_path: Path) -> None:
    sweep()
    for fmt, begins in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        picture = tmp_path / f"front.{fmt}"
        said = call("leaderboard", tmp_path / "out", "--format", fmt, "--out", picture)
        assert said.code == 0, said.err
        assert picture.read_bytes().startswith(begins)
    is_one_error(call("leaderboard", tmp_path / "out", "--format", "png"), "a picture (png) goes into a file")
    is_one_error(
        call("leaderboard", tmp_path / "out", "--format", "svg", "--out", tmp_path / "no" / "x"), "no folder"
    )


def test_drift_is_exit_code_1(sweep: Call, call: Call, tmp_path: Path) -> None:
    sweep("--classes", "red")
    call("leaderboard", tmp_path / "out", "--records", tmp_path / "records.csv", "--out", tmp_path / "b.md")
    (path,) = (tmp_path / "out" / "cells").glob("*.json")
    data = json.loads(path.read_text())
    for item in data["measurements"]:
        if item["metric"] == "accuracy":
            item["before"] = 0.5
    path.write_text(json.dumps(data))
    said = call("check", tmp_path / "out", "--against", tmp_path / "records.csv")
    assert said.code == 1
    assert "mine" in said.out


@pytest.fixture
def open_clip_plugin(tmp_path: Path) -> str:
    """A random open_clip model, as a folder that open_clip loads."""
    clip = clip_of(RESNET, scale=20.0)
    save_model(clip, tmp_path / "original", {})
    return f"local-dir:{tmp_path / 'original'}"


def test_forget_writes_a_model_that_opens_and_pays_for_no_audit(
    call: Call, suite_file: Path, open_clip_plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "weight = dict(clip.module.named_parameters())['text_projection']\nweight.data.neg_()\nreturn clip"
    spec, out = write_method(tmp_path, body), tmp_path / "forgotten"
    text = suite_file.read_text()
    suite_file.write_text(text.replace('"accuracy"', '"accuracy", "linear-probe"'))
    assert suite_file.read_text() != text
    monkeypatch.delattr("unlearn_bench.benchmarks.referee.referee.further_evidence")
    given = ["forget", "--suite", suite_file, "--model", open_clip_plugin, "--method", spec, "--device", "cpu"]
    said = call(*given, "--classes", "red", "--out", out)
    assert said.code == 0, said.err
    before, after = open_model(open_clip_plugin).state(), open_model(f"local-dir:{out}").state()
    assert torch.equal(after["text_projection"], -before["text_projection"])
    assert all(torch.equal(after[name], before[name]) for name in before if name != "text_projection")
    card = json.loads((out / "card.json").read_text())
    assert card["what"] == {"dataset": "folder:warm", "forgotten": ["red"]}
    assert card["how"]["method"] == "mine"
    assert card["how"]["hyperparameters"] == {"strength": 0.5}
    assert {item["metric"] for item in card["measured"]} == {"accuracy", "average-score"}
    is_one_error(call(*given, "--classes", "red", "--out", out), "is no empty folder")
    (tmp_path / "file").write_text("x")
    is_one_error(call(*given, "--classes", "red", "--out", tmp_path / "file"), "is no empty folder")
    is_one_error(call(*given, "--classes", "red,cyan", "--out", tmp_path / "b"), "of 2 datasets")
    is_one_error(call(*given, "--classes", "rde", "--out", tmp_path / "c"), "did you mean 'red'?")


def test_forget_that_fails(call: Call, suite_file: Path, open_clip_plugin: str, tmp_path: Path) -> None:
    spec = write_method(tmp_path, "raise ValueError('no')")
    given = ["forget", "--suite", suite_file, "--method", spec, "--device", "cpu", "--classes", "red"]
    said = call(*given, "--model", open_clip_plugin, "--out", tmp_path / "a")
    assert said.code == 1
    assert said.err.startswith("failed: ValueError: no")
    own = f"{tmp_path / 'colours_model.py'}:build"
    is_one_error(call(*given, "--model", own, "--out", tmp_path / "b"), "was not built by open_clip")


def test_chosen_task_joins_classes_of_one_dataset(suite_file: Path) -> None:
    bench = bench_of(load_suite(str(suite_file)))
    assert forget_command.chosen_task(bench, ["red", "folder:warm/blue"]) == ("folder:warm", ("red", "blue"))
    with pytest.raises(InputError, match="the classes are of 2 datasets"):
        forget_command.chosen_task(bench, ["red", "cyan"])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, call: Call) -> None:
    said = call(command, "--help")
    assert said.code == 0
    assert f"Example: unlearn-bench {command}" in said.out


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        ("methods", ("lip", "identity", "reference", "not-ZS")),
        ("datasets", ("mini-digits", "folder:/path")),
        ("suites", ("mini", "mini-full")),
        ("models", ("mini-rn", "RN50:openai", "FILE.py:FUNCTION")),
        ("metrics", ("accuracy", "average-score", "lower")),
    ],
)
def test_lists(what: str, parts: tuple[str, ...], call: Call) -> None:
    said = call("list", what)
    assert said.code == 0
    for part in parts:
        assert part in said.out


def test_the_console_script_itself(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("unlearn-bench")
    done = subprocess.run([script, "list", "method"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown list 'method'; known: ")
    assert done.stderr.count("\n") == 1


def test_usage(call: Call) -> None:
    is_one_error(call("list", "method"), "unknown list 'method'", "did you mean 'methods'?")
    assert call("--version").out.strip() == __version__
    assert call("run", "--jobs", "many").code == 2
    assert call("run", "--colour").code == 2
    assert call("dance").code == 2


_LIGHT = """
import sys
from unlearn_bench.benchmarks.cli import main
for words in {calls!r}:
    sys.argv = ["unlearn-bench", *words]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, words
    heavy = {{"torch", "open_clip", "pandas", "sklearn", "matplotlib"}} & set(sys.modules)
    assert not heavy, (words, heavy)
"""


def test_help_and_list_import_nothing_heavy() -> None:
    words = [[command, "--help"] for command in COMMANDS] + [["--help"], ["--version"]]
    words += [["list", what] for what in ("methods", "datasets", "suites", "models", "metrics")]
    done = subprocess.run(
        [sys.executable, "-c", _LIGHT.format(calls=words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
