"""Names of files that are no UTF-8, or would do something on a screen: one clear line, or shown as codes."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.support import COLD, WARM, Call, Said, is_one_error, write_colours, write_method, write_suite
from unlearn_bench.leaderboards.records.storage import read_folder

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such names")

FORMATS = ("md", "csv", "html", "latex")
NAMES = {"no UTF-8": b"caf\xff", "half of a character": b"a\xed\xa0\x80", "orders to a terminal": b"x\x1b[2Jy\rz"}
SHOWN = {"no UTF-8": r"caf\xff", "half of a character": r"a\xed\xa0\x80", "orders to a terminal": r"x\x1b[2Jy\rz"}


def odd(folder: Path, name: bytes) -> Path:
    """A path whose last part is these bytes."""
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


def is_plain(said: Said) -> None:
    """Nothing that a terminal would obey, and nothing that can't be written."""
    for text in (said.out, said.err):
        assert not set(text) & {"\x1b", "\x07", "\r", "\x00"}, text
        text.encode("utf-8")


def leaderboards_are_sound(call: Call, out: Path, folder: Path, count: int) -> None:
    """Every record can be read again, and every format is text."""
    found = read_folder(out)
    assert len(found.records) == count
    assert not found.set_aside
    for fmt in FORMATS:
        said = call("leaderboard", out, "--format", fmt, "--out", folder / f"board.{fmt}")
        assert said.code == 0, said
        text = (folder / f"board.{fmt}").read_text(encoding="utf-8")
        assert not set(text) & {"\x1b", "\x00"}
    again = call("leaderboard", out, "--records", folder / "records.csv")
    assert again.code == 0, again
    assert call("leaderboard", folder / "records.csv").code == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_data(name: str, call: Call, tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    data = odd(tmp_path, NAMES[name])
    write_colours(data, WARM, count=5)
    os.rename(data / "red" / "000.png", odd(data / "red", NAMES[name] + b".png"))
    told = call("inspect", f"folder:{data}", "--out", tmp_path / "data.md")
    assert told.code == 0, told
    is_plain(told)
    assert f"folder:{SHOWN[name]}" in told.out
    assert f"# folder:{SHOWN[name]}" in (tmp_path / "data.md").read_text(encoding="utf-8")
    given = ["--data", f"folder:{data}", "--methods", write_method(tmp_path, "return clip"), "--classes", "red"]
    said = call("run", "--suite", suite, *given, "--jobs", 1, "--device", "cpu", "--out", tmp_path / "out")
    assert said.code == 0, said
    is_plain(said)
    leaderboards_are_sound(call, tmp_path / "out", tmp_path, count=1)
    (record,) = read_folder(tmp_path / "out").records
    assert record.run.dataset == f"folder:{SHOWN[name]}"


@pytest.mark.parametrize("name", ["no UTF-8", "half of a character"])
def test_a_class_folder_is_one_line(name: str, call: Call, tmp_path: Path) -> None:
    """It would be a text that a model reads: so it is refused, with what to do."""
    suite = write_suite(tmp_path)
    data = write_colours(tmp_path / "own", (*WARM, *COLD), count=3)
    os.rename(data / "red", odd(data, NAMES[name]))
    line = f"class folder {SHOWN[name]!r} of 'folder:own' has a name that is no UTF-8; rename it, or name it in"
    is_one_error(call("inspect", f"folder:{data}"), line)
    method = write_method(tmp_path, "return clip")
    given = ["--suite", suite, "--data", f"folder:{data}", "--device", "cpu"]
    is_one_error(call("run", *given, "--methods", method, "--jobs", 1, "--out", tmp_path / "out"), line)
    is_one_error(call("tune", *given, "--methods", "lip", "--trials", 1), line)
    model = f"{tmp_path / 'colours_model.py'}:build"
    out = ("--method", method, "--out", tmp_path / "gone")
    is_one_error(call("forget", *given, "--model", model, "--classes", "blue", *out), line)
    (data / "classnames.json").write_text(json.dumps({SHOWN[name]: "red"}))
    named = call("inspect", f"folder:{data}", "--out", tmp_path / "data.md")
    assert named.code == 0, named
    assert "6 classes" in named.out


def test_folders_above_classes_and_domains(call: Call, tmp_path: Path) -> None:
    """A group is no part of a name and is shown; a domain is one, and refused where `domains:` asks for it."""
    groups = tmp_path / "groups"
    write_colours(odd(groups, b"w\xff"), WARM, count=5)
    write_colours(groups / "cold", COLD, count=5)
    said = call("inspect", f"folder:{groups}")
    assert said.code == 0, said
    assert r"classes in folders below 2 groups (cold, w\xff)" in said.out
    domains = tmp_path / "domains"
    write_colours(odd(domains, b"w\xff"), WARM, count=5)
    write_colours(domains / "cold", WARM, count=5)
    told = call("inspect", f"folder:{domains}", "--out", tmp_path / "data.md")
    assert told.code == 0, told
    assert "2 domains that share their classes" in told.out
    is_one_error(call("inspect", f"domains:{domains}"), "no UTF-8", r"w\\xff")


def test_all_other_files_of_a_run(call: Call, tmp_path: Path) -> None:
    """The suite's file, the model's, the method's, presets, the folder of the results."""
    write_suite(tmp_path)
    places = {"colours.toml": b"s\xff.toml", "colours_model.py": b"m\xff.py"}
    for plain, strange in places.items():
        os.rename(tmp_path / plain, odd(tmp_path, strange))
    method = write_method(tmp_path, "return clip").rpartition(":")[0]
    os.rename(method, odd(tmp_path, b"n\xff.py"))
    odd(tmp_path, b"p\xff.toml").write_text('[mine]\nsource = "given"\nhyperparameters = {strength = 0.25}\n')
    given: list[object] = ["--model", f"{odd(tmp_path, places['colours_model.py'])}:build"]
    given += [
        "--suite",
        odd(tmp_path, places["colours.toml"]),
        "--methods",
        f"{odd(tmp_path, b'n' + bytes([255]))}.py:Mine",
    ]
    given += ["--presets", odd(tmp_path, b"p\xff.toml"), "--jobs", 1, "--device", "cpu", "--classes", "red"]
    out = odd(tmp_path, b"out\xff")
    dry = call("run", *given, "--out", out, "--dry-run")
    assert dry.code == 0, dry
    said = call("run", *given, "--out", out)
    assert said.code == 0, said
    is_plain(said)
    leaderboards_are_sound(call, out, tmp_path, count=1)
    resumed = call("run", *given, "--out", out)
    assert (resumed.code, "1 done before" in resumed.out) == (0, True)
    for command in (("drop", out, "--status", "failed"), ("compare", out), ("leaderboard", odd(tmp_path, b"no\xff"))):
        is_plain(call(*command))


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_kept_and_measured_again(name: str, call: Call, tmp_path: Path) -> None:
    """Below a results folder of any name: one more metric needs no run of the method."""
    suite, method = write_suite(tmp_path), write_method(tmp_path, "return clip")
    given = ("run", "--suite", suite, "--methods", method, "--classes", "red", "--jobs", 1, "--device", "cpu")
    out = odd(tmp_path, NAMES[name])
    first = call(*given, "--keep", "--out", out)
    assert first.code == 0, first
    is_plain(first)
    assert "kept weights of 1 unlearned model" in first.out
    assert len(list((out / "weights").iterdir())) == 1
    again = call(*given, "--metrics", "accuracy,seconds,predictions", "--out", out)
    assert again.code == 0, again
    is_plain(again)
    assert "1 cell is measured from kept weights" in again.err
    leaderboards_are_sound(call, out, tmp_path, count=2)
    for told in (call("site", out, "--out", out / "site"), call("inspect", suite, "--out", out / "data.md")):
        is_plain(told)
    is_plain(call("leaderboard", out, "--format", "html", "--out", out / "board.html"))


REFUSED: dict[str, Callable[[Path], list[object]]] = {
    "a model": lambda folder: ["check-model", f"local-dir:{odd(folder, NAMES['no UTF-8'])}"],
    "a model's name": lambda folder: ["check-model", os.fsdecode(b"RN\xff\x1b[2J")],
    "a suite": lambda folder: ["run", "--suite", odd(folder, b"none\xff\x1b.toml")],
    "data": lambda folder: ["inspect", f"folder:{odd(folder, NAMES['no UTF-8'])}"],
    "data by an unknown name": lambda folder: ["inspect", os.fsdecode(b"none\xff\x1b[2J")],
    "records": lambda folder: ["leaderboard", odd(folder, b"none\xff")],
    "a method": lambda folder: ["run", "--methods", f"{odd(folder, NAMES['no UTF-8'])}.py:Mine"],
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_there_is_one_line(what: str, call: Call, tmp_path: Path) -> None:
    said = call(*REFUSED[what](tmp_path))
    is_one_error(said)
    is_plain(said)


def test_an_unlearned_model_s_folder(call: Call, tmp_path: Path) -> None:
    suite, method = write_suite(tmp_path), write_method(tmp_path, "return clip")
    given = ["--suite", suite, "--method", method, "--device", "cpu", "--classes", "red"]
    model, out = f"{tmp_path / 'colours_model.py'}:build", odd(tmp_path, b"gone\xff")
    said = call("forget", *given, "--model", model, "--out", out)
    assert said.code == 0, said
    is_plain(said)
    assert json.loads((out / "card.json").read_text(encoding="utf-8"))["how"]["method"] == "mine"
    again = call("forget", *given, "--model", model, "--from", out, "--out", tmp_path / "more")
    assert again.code == 0, again
    is_plain(again)
    (tmp_path / "more" / "README.md").read_text(encoding="utf-8").encode("utf-8")
