"""The other commands, help with examples, lists, and a quick start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.benchmarks.support import Call, bench_of, is_one_error, write_method
from tests.core.tiny import RESNET, clip_of
from tests.leaderboards.curve_examples import front, nothing
from unlearn_bench import __version__
from unlearn_bench.benchmarks.commands import forget as forget_command
from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.storage import read_records, write_record
from unlearn_bench.models.sources import open_model, save_model, with_weights

COMMANDS = ("run", "prepare", "list", "leaderboard", "site", "drop", "check", "compare", "tune", "forget", "inspect")


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
    is_one_error(
        call("leaderboard", out, "--model", "colour"), "unknown model in these records 'colour'; known: colours"
    )
    said = call("leaderboard", out, *chosen, "--model", "colours", "--records", csv)
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
    assert page.count("\n## ") == 1
    assert page.count("<summary>How to read the tables") == 1
    assert page.index("2 cells for each method") < page.index(heading)
    assert "1 cell of mine with other metrics (accuracy only), the last on 20" in page
    assert call("leaderboard", out, "--all-settings").out.count("\n## ") == 2
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


def test_records_of_curves_are_drawn_and_tabled_as_curves(call: Call, tmp_path: Path) -> None:
    for record in front("lip", (12, 30, 45), (2, 27, 40), (8, 25, 36)) + nothing():
        write_record(tmp_path / "out", record)
    for fmt, says in (("svg", "beaten by another point"), ("csv", "dominated-area"), ("md", "### Curves: mini-rn")):
        found = call("leaderboard", tmp_path / "out", "--format", fmt, "--out", tmp_path / "made")
        assert found.code == 0, found.err
        assert says in (tmp_path / "made").read_text()


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
    assert not (tmp_path / "a").exists(), "nothing is left of what was not made"


def test_forget_takes_any_model_and_goes_on_from_what_it_wrote(call: Call, suite_file: Path, tmp_path: Path) -> None:
    """The weights of a model that open_clip does not know come as its own state, and a second call starts there."""
    model = f"{tmp_path / 'colours_model.py'}:build"
    turn = write_method(
        tmp_path,
        "ids = clip.tokenize([c.text for c in request.forget])\n"
        "clip.module.text[0].weight.data[ids] *= -1\nreturn clip",
    )
    given = ["forget", "--suite", suite_file, "--model", model, "--method", turn, "--device", "cpu"]
    said = call(*given, "--classes", "red", "--out", tmp_path / "one")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == "target red: accuracy 1.000 before, 0.000 after (4 images)"
    assert "other classes of folder:warm: accuracy 1.000 before, 1.000 after (8 images)" in lines
    assert "folder:cold: accuracy 1.000 before, 1.000 after (12 images)" in lines
    assert "Avg. Score 0.000 (doing nothing 0.333; lower is better)" in lines
    original = open_model(model)
    forgotten = load_file(tmp_path / "one" / "model.safetensors")
    assert forgotten.keys() == original.state().keys()
    assert [n for n, v in original.state().items() if not torch.equal(v, forgotten[n])] == ["text.0.weight"]
    again = call(*given, "--classes", "blue", "--from", tmp_path / "one", "--out", tmp_path / "two")
    assert again.code == 0, again.err
    both = with_weights(original, tmp_path / "two")
    ids = [int(original.tokenize([f"a photo of a {name}."])) for name in ("red", "blue")]
    before, after = (clip.state()["text.0.weight"][ids] for clip in (original, both))
    assert torch.equal(after, -before), "both are forgotten"
    card = json.loads((tmp_path / "two" / "card.json").read_text())
    assert card["from"]["what"]["forgotten"] == ["red"]
    assert card["what"]["forgotten"] == ["blue"]
    is_one_error(
        call(*given, "--classes", "red", "--from", tmp_path / "nowhere", "--out", tmp_path / "c"), "no weights at"
    )
    (tmp_path / "none").mkdir()
    is_one_error(
        call(*given, "--classes", "red", "--from", tmp_path / "none", "--out", tmp_path / "d"),
        "no weights in",
    )


def test_the_best_method_with_settings_is_taken(tmp_path: Path) -> None:
    presets = tmp_path / "p.toml"
    presets.write_text(
        '[slug]\nsource = "tuned"\nscore = 0.2\n[lip]\nsource = "paper"\n'
        '[emb]\nsource = "tuned"\nscore = 0.1\n[finetune-retain]\nsource = "tuned"\nscore = 0.01\n'
        '[ssd]\nsource = "tuned"\nscore = 0.05\nfound = false\n'
    )
    found = forget_command.ranked(presets_for("ViT-L-14", given=presets))
    assert [item.method for item in found] == ["emb", "slug", "ssd", "lip"], "references forget nothing, nor did ssd"
    assert str(found[0]).startswith("emb: best of 4 with settings for this model")
    assert str(found[3]) == "lip: published settings for this model"
    assert forget_command.ranked(presets_for("ViT-L-14")) == ()


def test_the_default_of_forget_is_the_best_of_the_models_presets(call: Call, tmp_path: Path) -> None:
    given = ["forget", "--model", "mini-rn", "--classes", "digit zero", "--data", "mini-digits", "--device", "cpu"]
    said = call(*given, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "method text-null-space: best of 18 with settings for this model that applies" in said.err
    own = ["forget", "--model", "ViT-B-32:random", "--classes", "digit zero", "--data", "mini-digits"]
    is_one_error(call(*own, "--out", tmp_path / "b"), "no method has settings for 'ViT-B-32:random'", "tune --model")


def test_forget_names_the_failed_method(call: Call, suite_file: Path, tmp_path: Path) -> None:
    model = f"{tmp_path / 'colours_model.py'}:build"
    given = ["forget", "--suite", suite_file, "--model", model, "--classes", "red", "--out", tmp_path / "o"]
    is_one_error(call(*given, "--method", "lop"), "unknown method 'lop'", "did you mean 'lip'?")


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
        ("metrics", ("accuracy", "average-score", "lower", "standard-attack")),
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
