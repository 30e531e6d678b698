"""Records on disk: written whole, read back equal, and set aside when broken."""

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.leaderboards.examples import plain, record, run
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.encoding import FORMAT, MalformedRecordError, compact, from_json, to_json
from unlearn_bench.leaderboards.records.storage import read_folder, read_records, write_csv, write_record


def test_a_record_is_read_back_equal(tmp_path: Path) -> None:
    written = record(preset={"source": "tuned", "classes": {"a": ["b"]}}, provenance={"commit": None})
    path = write_record(tmp_path, written)
    assert path == tmp_path / "cells" / f"{written.run.key}.json"
    loaded = read_folder(tmp_path)
    assert loaded.set_aside == ()
    (found,) = loaded.records
    assert compact(to_json(found)) == compact(to_json(written))
    assert found.run.key == written.run.key
    assert found.measurements == written.measurements
    assert found.run.evaluation == written.run.evaluation


def test_the_file_states_its_format_and_has_a_stable_order(tmp_path: Path) -> None:
    first = write_record(tmp_path / "a", record()).read_bytes()
    second = write_record(tmp_path / "b", record()).read_bytes()
    assert first == second
    assert list(json.loads(first))[:2] == ["format", "key"]
    assert json.loads(first)["format"] == FORMAT


def test_a_later_record_of_the_same_run_takes_the_place(tmp_path: Path) -> None:
    write_record(tmp_path, record(status="failed", reason="out of memory", measurements=()))
    write_record(tmp_path, record())
    (found,) = read_folder(tmp_path).records
    assert found.status == "ok"


def test_nothing_has_run_yet(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "new").records == ()


BROKEN: dict[str, Callable[[str], str]] = {
    "cut in half": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "no object": lambda text: "[1, 2]",
    "another format": lambda text: text.replace(f'"format": {FORMAT}', '"format": 99', 1),
    "no format": lambda text: text.replace('"format"', '"former"', 1),
    "a field gone": lambda text: text.replace('"seed"', '"sead"', 1),
    "another type": lambda text: text.replace('"seed": 0', '"seed": "0"', 1),
    "true for a number": lambda text: text.replace('"seed": 0', '"seed": false', 1),
    "edited": lambda text: text.replace('"sigma": 0.1', '"sigma": 0.2', 1),
    "another status": lambda text: text.replace('"status": "ok"', '"status": "fine"', 1),
    "no measurements": lambda text: text.replace('"measurements"', '"measured"', 1),
    "text for an accuracy": lambda text: text.replace('"before": 0.8', '"before": "0.8"', 1),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_is_named_and_set_aside(tmp_path: Path, how: str) -> None:
    good = write_record(tmp_path, record(run(seed=1)))
    path = write_record(tmp_path, record())
    content = BROKEN[how](path.read_text())
    assert content != path.read_text()
    path.write_text(content)
    loaded = read_folder(tmp_path)
    assert [found.run.seed for found in loaded.records] == [1]
    (broken,) = loaded.set_aside
    assert broken.path == path
    assert broken.moved_to == path.with_name(f"{path.name}.broken")
    assert broken.moved_to.read_text() == content
    assert path.name in str(broken)
    assert "set aside" in str(broken)
    assert not path.exists()
    assert good.exists()
    assert read_folder(tmp_path).set_aside == ()


def test_an_older_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    for content in ("one", "two", "three"):
        path = write_record(tmp_path, record())
        path.write_text(content)
        read_folder(tmp_path)
    kept = {found.name.removeprefix(path.name): found.read_text() for found in path.parent.iterdir()}
    assert kept == {".broken": "one", ".broken.2": "two", ".broken.3": "three"}


def test_bytes_that_are_no_text_are_set_aside(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    path.write_bytes(b"\xff\xfe\x00")
    assert len(read_folder(tmp_path).set_aside) == 1


def test_a_file_that_may_not_be_renamed_is_still_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_record(tmp_path, record())
    path.write_text("{")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    (broken,) = read_folder(tmp_path).set_aside
    assert broken.moved_to is None
    assert "left where it is" in str(broken)


def test_half_written_files_of_others_are_not_read(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    (path.parent / f".{path.name}.x1.part").write_text('{"form')
    loaded = read_folder(tmp_path)
    assert (len(loaded.records), loaded.set_aside) == (1, ())


def test_reading_several_paths_counts_a_run_once(tmp_path: Path) -> None:
    write_record(tmp_path / "a", record(status="failed", reason="x", measurements=()))
    write_record(tmp_path / "b", record())
    write_record(tmp_path / "b", record(run(seed=1)))
    single = write_record(tmp_path / "c", record(run(seed=2)))
    write_csv(tmp_path / "d.csv", [record(run(seed=3)), record()])
    for paths in (["a", "b"], ["b", "a"]):
        loaded = read_records([tmp_path / name for name in paths])
        assert {found.run.seed: found.status for found in loaded.records} == {0: "ok", 1: "ok"}
    loaded = read_records([tmp_path / "b", single, tmp_path / "d.csv"])
    assert sorted(found.run.seed for found in loaded.records) == [0, 1, 2, 3]


def test_runs_of_two_suites_are_both_kept(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [record(), record(run(suite="mini-full"))])
    assert len(read_records([tmp_path / "a.csv"]).records) == 2


def test_a_single_broken_file_is_set_aside(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    path.write_text("{}")
    assert len(read_records([path]).set_aside) == 1


@pytest.mark.parametrize(
    ("name", "says"), [("absent", "no records at"), ("a.txt", "'.txt'"), ("dir", "no run's folder")]
)
def test_paths_that_hold_no_records(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "dir").mkdir()
    with pytest.raises(InputError, match=says):
        read_records([tmp_path / name])


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_record(tmp_path / "file", record())


def test_a_full_disk_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_record(tmp_path, record())
    old = path.read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_record(tmp_path, record(status="failed", reason="x", measurements=()))
    assert path.read_bytes() == old
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_from_json_says_what_is_wrong() -> None:
    data = json.loads(json.dumps(to_json(record()), default=list))
    data["run"]["sead"] = data["run"].pop("seed")
    with pytest.raises(MalformedRecordError, match="sead, seed"):
        from_json(data)


def test_records_are_readable_by_their_owner(tmp_path: Path) -> None:
    assert write_record(tmp_path, record()).stat().st_mode & stat.S_IRUSR


OUT_OF_BOUNDS: dict[str, tuple[str, str]] = {
    "57": ("57", "over 1"),
    "-3": ("-3", "under 0"),
    "1e308": ("1e+308", "beyond 1e+100"),
    "Infinity": ("inf", "not finite"),
    "NaN": ("nan", "not finite"),
    "1" * 400: ("a number of 400 digits", "beyond 1e+100"),
    "1" * 5000: ("", "a number of thousands of digits"),
}


@pytest.mark.parametrize("number", OUT_OF_BOUNDS)
def test_a_number_that_the_metric_can_not_give_is_named_and_set_aside(tmp_path: Path, number: str) -> None:
    path = write_record(tmp_path, record())
    path.write_text(path.read_text().replace('"after": 0.1', f'"after": {number}', 1))
    (broken,) = read_folder(tmp_path).set_aside
    said, wrong = OUT_OF_BOUNDS[number]
    assert said in str(broken)
    assert wrong in str(broken)
    assert "accuracy mini-shapes target" in str(broken) or not said
    assert len(str(broken)) < 400
    assert broken.moved_to is not None


def test_bounds_are_those_of_the_metric_and_its_version(tmp_path: Path) -> None:
    within = (plain("target-cosine", "target", -1.00003), plain("seconds", "method", 5e6))
    write_record(tmp_path, record(run(seed=1), measurements=within))
    write_record(tmp_path, record(run(seed=2), measurements=(plain("of somebody", "all", -7.0),)))
    older = replace(plain("target-cosine", "target", -7.0), version=99)
    write_record(tmp_path, record(run(seed=3), measurements=(older,)))
    write_record(tmp_path, record(run(seed=4), measurements=(plain("target-cosine", "target", -7.0),)))
    loaded = read_folder(tmp_path)
    assert sorted(found.run.seed for found in loaded.records) == [1, 2, 3]
    (broken,) = loaded.set_aside
    assert "target-cosine target is -7.0 after forgetting, under -1" in str(broken)


HARMED: dict[str, tuple[str, str, str]] = {
    "a seed of 400 digits": ('"seed": 0', f'"seed": {"7" * 400}', "seed is a whole number of 400 digits"),
    "fewer images than none": ('"n": 20', '"n": -20', "over -20 images"),
    "other images than said": ('"n": 20', '"n": 400', "does not say what each of its 400 images came to"),
    "no base64": ('"outcomes": "', '"outcomes": "?', "does not say what each of its 20 images came to"),
    "one side only": ('"after": 0.1', '"after": null', "has no number on one side"),
    "half a character": ('"reason": ""', '"reason": "\\ud800"', "surrogates not allowed"),
    "too deep": ('"reason": ""', '"reason": ' + "[" * 100_000 + "]" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("how", HARMED)
def test_what_can_not_be_computed_with_is_set_aside(tmp_path: Path, how: str) -> None:
    path = write_record(tmp_path, record())
    old, new, part = HARMED[how]
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    (broken,) = read_folder(tmp_path).set_aside
    assert part in str(broken)
    assert len(str(broken)) < 400


def test_a_copy_of_a_record_is_no_second_record(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    copied = path.read_text().replace('"reason": ""', '"reason": "a copy"')
    for name in ("0.json", "copy.json"):
        path.with_name(name).write_text(copied)
    (found,) = read_folder(tmp_path).records
    assert found.reason == "", "the file that is called by its key"
    path.unlink()
    (found,) = read_folder(tmp_path).records
    assert found.reason == "a copy"
