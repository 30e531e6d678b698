"""`run` on the command line: exit codes, and one clear line for every mistake."""

import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.benchmarks.support import Call, is_one_error, write_colours, write_method, write_skipper, write_suite
from tests.core.tiny import RESNET, clip_of
from tests.core.unprivileged import permissions_count
from unlearn_bench.leaderboards.records.storage import read_folder


def test_a_run_from_end_to_end(sweep: Call, tmp_path: Path) -> None:
    said = sweep()
    assert said.code == 0, said.err
    assert "6 ok, 0 skipped, 0 failed, 0 done before" in said.out
    assert "mine" in said.out
    assert "6/6 cells, 0 failed" in said.err
    assert (tmp_path / "out" / "leaderboard.md").read_text().count("mine") >= 1
    again = sweep()
    assert again.code == 0
    assert "0 ok, 0 skipped, 0 failed, 6 done before" in again.out
    assert "6 ok, 0 skipped, 0 failed, 0 done before" in sweep("--fresh").out


def test_a_model_of_ones_own_goes_by_its_name_and_no_folder_is_told(sweep: Call, tmp_path: Path) -> None:
    said = sweep("--classes", "red")
    assert "colours mine folder:warm/red seed 0" in sweep("--classes", "red", "--fresh", "--dry-run").out
    assert "colours, suite colours" in said.out
    for path in [*(tmp_path / "out").rglob("*.json*"), tmp_path / "out" / "leaderboard.md"]:
        text = path.read_text()
        assert "colours" in text or path.suffix == ".jsonl"
        assert str(tmp_path) not in text


def test_two_models_of_one_name_have_a_board_each(sweep: Call, suite_file: Path, tmp_path: Path) -> None:
    first = tmp_path / "colours_model.py"
    other = tmp_path / "further.py"
    other.write_text(first.read_text().replace("logit_scale=20.0", "logit_scale=30.0"))
    said = sweep("--model", f"{first}:build,{other}:build", "--classes", "red")
    assert said.code == 0, said.err
    records = read_folder(tmp_path / "out").records
    assert {record.run.model for record in records} == {"colours"}
    prints = {record.run.fingerprint for record in records}
    assert len(prints) == len(records) == 2
    titles = [line for line in (tmp_path / "out" / "leaderboard.md").read_text().splitlines() if line.startswith("#")]
    assert all(any(f"fingerprint={mark}" in title for title in titles) for mark in prints)


def test_failed_cells_are_exit_code_1(sweep: Call, tmp_path: Path) -> None:
    bad = write_method(tmp_path, "raise ValueError('no such layer')", name="bad")
    said = sweep("--methods", f"{tmp_path / 'method_mine.py'}:Mine,{bad}", "--classes", "red")
    assert said.code == 1
    assert "1 ok, 0 skipped, 1 failed" in said.out
    assert "failed: " in said.err
    assert "ValueError: no such layer" in said.err


def test_methods_that_end_their_process_end_no_sweep(sweep: Call, tmp_path: Path) -> None:
    """One job, and the first cells end their process in a friendly way: the others go on, here and in a resume."""
    ends = {"blue": "os._exit(0)", "green": "import ctypes; ctypes.string_at(0)", "red": "raise GeneratorExit"}
    body = "\n".join(f"if request.forget[0].name == {name!r}:\n    {end}" for name, end in ends.items())
    spec = write_method(tmp_path, f"{body}\nreturn clip", name="hasty")
    for done in ("0 done before", "3 done before"):
        said = sweep("--methods", spec)
        assert said.code == 1, said
        assert f"0 skipped, 3 failed, {done}" in said.out
    found = {record.run.forget[0]: record.reason for record in read_folder(tmp_path / "out").records}
    assert "exit code 0, and gave no model back" in found["blue"]
    assert "SIGSEGV" in found["green"]
    assert "GeneratorExit" in found["red"]
    assert "hasty" in (tmp_path / "out" / "leaderboard.md").read_text()


def test_dry_run_runs_nothing(sweep: Call, tmp_path: Path) -> None:
    said = sweep("--dry-run")
    assert said.code == 0
    lines = said.out.splitlines()
    assert len(lines) == 11
    assert "rehearse: python -m unlearn_bench.benchmarks.speed.rehearsal --suite " in lines[-2]
    assert lines[-1].startswith("6 cells to run, 0 left out or done in ")
    assert "no estimate: " in lines[-1]
    assert lines[-1].endswith(" never measured here")
    assert not (tmp_path / "out").exists()
    sweep("--limit", 2)
    planned = sweep("--dry-run").out.splitlines()
    assert planned[-1].startswith("4 cells to run, 2 left out or done in ")
    assert "about " in planned[-1]


def test_threads_that_were_asked_for_are_in_the_records(
    sweep: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert ", 1 threads each" in sweep("--dry-run").out
    assert sweep("--threads", 3, "--limit", 1).code == 0
    (record,) = read_folder(tmp_path / "out").records
    assert record.provenance["threads"] == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "few")
    is_one_error(sweep("--dry-run"), "OMP_NUM_THREADS is 'few'")


def test_other_metrics_than_the_suites(sweep: Call, tmp_path: Path) -> None:
    said = sweep("--metrics", "accuracy,predictions", "--classes", "red")
    assert said.code == 0, said.err
    (record,) = read_folder(tmp_path / "out").records
    assert {item.metric for item in record.measurements} == {"accuracy", "predictions"}
    assert set(record.run.metrics) == {"accuracy", "predictions"}
    wrong = sweep("--metrics", "acuracy")
    assert wrong.code == 2
    assert "unknown metric 'acuracy'" in wrong.err
    assert "did you mean 'accuracy'" in wrong.err


def test_limit_and_shard(sweep: Call, tmp_path: Path) -> None:
    assert "2 ok" in sweep("--limit", 2).out
    assert "2 ok, 0 skipped, 0 failed, 2 done before" in sweep("--limit", 2).out
    out = tmp_path / "shards"
    shown = [sweep("--out", out, "--shard", f"{index}/4").out for index in range(1, 5)]
    counted = [line.split(",")[0] for text in shown for line in text.splitlines() if "done before" in line]
    assert counted == ["2 ok", "2 ok", "1 ok", "1 ok"]
    assert len(read_folder(out).records) == 6


def test_skipped_cells_are_asked_again_after_the_others(sweep: Call, tmp_path: Path) -> None:
    flag = tmp_path / "weights"
    mine = write_method(tmp_path, "return clip")
    both = ("--methods", f"{write_skipper(tmp_path, flag)},{mine}", "--classes", "red")
    assert "0 ok, 1 skipped, 0 failed, 0 done before" in sweep(*both, "--limit", 1).out
    assert "1 ok, 0 skipped, 0 failed, 0 done before" in sweep(*both, "--limit", 1).out  # the one that can run
    planned = sweep(*both, "--dry-run").out.splitlines()[-1]
    assert planned.startswith("1 cells to run, 1 left out or done in ")
    assert "about 0 s" in planned
    assert "0 ok, 1 skipped, 0 failed, 1 done before" in sweep(*both).out
    flag.touch()
    assert "1 ok, 0 skipped, 0 failed, 1 done before" in sweep(*both).out
    assert "0 ok, 0 skipped, 0 failed, 2 done before" in sweep(*both).out


def test_own_data_on_another_suite(sweep: Call, tmp_path: Path) -> None:
    one = write_colours(tmp_path / "more" / "one", ["red", "cyan"])
    said = sweep("--data", f"folder:{one}", "--classes", "red")
    assert said.code == 0, said.err
    (record,) = read_folder(tmp_path / "out").records
    assert record.run.suite == "colours-own-data"
    assert [item.name for item in record.run.evaluation] == ["folder:one"]


MISTAKES: dict[str, tuple[tuple[object, ...], tuple[str, ...]]] = {
    "method": (("--methods", "lipp"), ("unknown method 'lipp'; known: ", "did you mean 'lip'?")),
    "dataset": (("--datasets", "folder:wram"), ("unknown dataset", "did you mean 'folder:warm'?")),
    "data": (("--data", "mini-digitz"), ("unknown dataset 'mini-digitz'", "did you mean 'mini-digits'?")),
    "class": (("--classes", "rde"), ("unknown class 'rde'", "did you mean 'red'?")),
    "suite": (("--suite", "minni"), ("unknown suite 'minni'", "did you mean 'mini'?")),
    "suite-file": (("--suite", "nowhere.toml"), ("no suite file at 'nowhere.toml'",)),
    "model": (("--model", "RN5"), ("unknown model 'RN5'", "did you mean 'RN50'?")),
    "model-file": (("--model", "no.py:build"), ("no plug-in file at 'no.py'",)),
    "seeds": (("--seeds", "0,one"), ("seed 'one' is not a whole number; give for example --seeds 0,1,2",)),
    "half-a-seed": (("--seeds", "1.5"), ("seed '1.5' is not a whole number",)),
    "no-seeds": (("--seeds", ","), ("nothing to run",)),
    "shard": (("--shard", "3/2"), ("shard '3/2' is not of the form i/n",)),
    "shard-text": (("--shard", "first"), ("shard 'first' is not of the form i/n",)),
    "device": (("--device", "gpu"), ("device 'gpu' can't be used",)),
    "plugin": (("--methods", "nowhere.py:Mine"), ("no plug-in file at 'nowhere.py'",)),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_one_line_and_exit_code_2(case: str, sweep: Call, tmp_path: Path) -> None:
    arguments, parts = MISTAKES[case]
    sweep("--limit", 1)
    kept = {path: path.read_bytes() for path in (tmp_path / "out" / "cells").glob("*.json")}
    is_one_error(sweep(*arguments), *parts)
    assert len(kept) == 1
    assert {path: path.read_bytes() for path in (tmp_path / "out" / "cells").glob("*.json")} == kept


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"metrics": ["acuracy"]}, "unknown metric 'acuracy'"),
        ({"metods": ["lip"]}, "unknown key in suite file"),
        ({"test_split": "tset"}, "unknown split 'tset'"),
        ({"seeds": ["x"]}, "'seeds' must be a list of whole numbers"),
    ],
)
def test_mistakes_in_the_suite(more: dict[str, list[str]], part: str, sweep: Call, tmp_path: Path) -> None:
    path = write_suite(tmp_path, **more)
    is_one_error(sweep("--suite", path), part)


def test_a_class_that_two_datasets_share(sweep: Call, tmp_path: Path) -> None:
    write_colours(tmp_path / "data" / "cold", ["red"])
    is_one_error(sweep("--classes", "red"), "class 'red' is in 2 datasets", "'folder:warm/red', 'folder:cold/red'")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("import os", "import nothing_of_that_name", "does not import (ModuleNotFoundError"),
        ("name: ClassVar", "label: ClassVar", "lacks a name"),
        ("class Mine", "class Yours", "unknown attribute of"),
        ("def unlearn", "def remember", "can't be made"),
    ],
)
def test_plugins_that_do_not_load(old: str, new: str, part: str, sweep: Call, tmp_path: Path) -> None:
    path = tmp_path / "method_mine.py"
    path.write_text(path.read_text().replace(old, new, 1))
    is_one_error(sweep(), part)


class Runs:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("raise SystemExit('code was run')",)


def test_weights_that_are_not_safe_or_do_not_fit(sweep: Call, tmp_path: Path) -> None:
    torch.save(clip_of(RESNET).state(), tmp_path / "other.pt")
    whole = (tmp_path / "other.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "code.pt").write_bytes(pickle.dumps(Runs(), protocol=2))  # torch.load's own
    for file, part in {
        "other.pt": "are of another architecture",
        "cut.pt": "can't be read, perhaps truncated",
        "code.pt": "hold more than tensors and are not loaded",
        "missing.pt": "no weights at",
    }.items():
        is_one_error(sweep("--model", f"RN50-quickgelu:{tmp_path / file}"), part)


def test_an_output_folder_that_can_not_be_written(sweep: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    is_one_error(sweep("--out", tmp_path / "file" / "out"), "output folder", "can't be written (Not a directory)")
    is_one_error(sweep("--out", tmp_path / "file"), "output folder", "can't be written (File exists)")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_and_a_cache_in_which_all_is_there_need_only_be_read(sweep: Call, tmp_path: Path) -> None:
    sweep()
    folders = [path for top in ("out", "cache") for path in (tmp_path / top, *(tmp_path / top).rglob("*"))]
    folders = [path for path in folders if path.is_dir()]
    before = {path: sorted(path.iterdir()) for path in folders}
    for path in folders:
        path.chmod(0o500)
    try:
        with permissions_count():
            said = sweep()
            more = sweep("--seeds", "0,1")
    finally:
        for path in folders:
            path.chmod(0o700)
    assert said.code == 0, said.err
    assert "0 ok, 0 skipped, 0 failed, 6 done before" in said.out
    assert {path: sorted(path.iterdir()) for path in folders} == before
    assert more.code == 2
    assert more.err.splitlines()[-1].startswith("error: output folder ")


def test_nothing_is_left_of_what_a_killed_sweep_was_writing(sweep: Call, tmp_path: Path) -> None:
    sweep("--limit", 1)
    cells = tmp_path / "out" / "cells"
    litter = [cells / ".0.json.abcdefgh.part", cells / ".0.lock", cells / ".ab.note"]
    litter += [
        tmp_path / "cache" / "images" / ".x.npy.01234567.part",
        tmp_path / "cache" / "audits" / "f" / ".x.npy.01234567.part",
        tmp_path / "cache" / "rates" / ".x.json.01234567.part",
        tmp_path / "cache" / "tuning" / "f" / "cells" / ".0.lock",
        tmp_path / "out" / ".leaderboard.md.0a1b2c3d.part",
    ]
    for path in litter:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("ha")
        os.utime(path, (time.time() - 1000,) * 2)
    sweep()
    assert [path for path in litter if path.exists()] == []
    hidden = {path.name for path in tmp_path.rglob(".*") if path.is_file()}
    assert hidden <= {".endings.jsonl"}, "nor does what ends well leave any"


def test_nothing_is_left_of_a_killed_leaderboard_either(call: Call, sweep: Call, tmp_path: Path) -> None:
    """Of the files that are written now; what others left halves of is theirs."""
    sweep("--limit", 1)
    litter = [tmp_path / f".{name}.0a1b2c3d.part" for name in ("board.md", "board.svg", "all.csv", "another.md")]
    for path in litter:
        path.write_text("ha")
        os.utime(path, (time.time() - 1000,) * 2)
    for name in ("board.md", "board.svg"):
        fmt = name.rpartition(".")[2]
        given = ("--format", fmt, "--out", tmp_path / name, "--records", tmp_path / "all.csv")
        assert call("leaderboard", tmp_path / "out", *given).code == 0
    assert [path for path in litter if path.exists()] == litter[3:]


def test_a_full_disk(sweep: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep("--limit", 2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("unlearn_bench.benchmarks.sweep.work.write_and_note", full)
        said = sweep()
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("error: records can't be written to ")
    with monkeypatch.context() as patched:
        patched.setattr("unlearn_bench.benchmarks.commands.run.write_text", full)
        said = sweep()
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("error: a file can't be read or written (No space left on device)")
    assert "0 ok, 0 skipped, 0 failed, 6 done before" in sweep().out


def test_a_bad_image_stops_a_run_unless_it_may_be_left_out(sweep: Call, tmp_path: Path) -> None:
    bad = tmp_path / "data" / "cold" / "cyan" / "000.png"
    for path in bad.parent.iterdir():
        path.write_bytes(b"x") if path.name < "003.png" else None
    said = sweep("--classes", "red")
    assert said.code == 2
    (error,) = [line for line in said.err.splitlines() if not line.startswith(("before forgetting: ", "data: "))]
    assert error.startswith("error: ")
    assert "cyan/00" in error
    assert "--skip-bad-images" in error
    said = sweep("--classes", "red", "--skip-bad-images")
    assert said.code == 0
    (record,) = read_folder(tmp_path / "out").records
    assert record.provenance["skipped_images"]["folder:cold"] >= 1


def test_a_broken_record_is_named_and_run_again(sweep: Call, tmp_path: Path) -> None:
    sweep("--classes", "red")
    (path,) = (tmp_path / "out" / "cells").glob("*.json")
    path.write_text(path.read_text()[:200])
    said = sweep("--classes", "red")
    assert said.code == 0
    assert said.err.count("is no readable record") == 1
    assert path.name in said.err
    assert "1 ok, 0 skipped, 0 failed, 0 done before" in said.out
