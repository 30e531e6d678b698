"""The index says what the files say, for as long as they are as it knows them, and is never needed."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.unprivileged import permissions_count
from tests.leaderboards.examples import ended, extras, measurements, record, run, sweep
from unlearn_bench.leaderboards.records import index, storage
from unlearn_bench.leaderboards.records.encoding import compact, to_json
from unlearn_bench.leaderboards.records.endings import endings
from unlearn_bench.leaderboards.records.index import INDEX
from unlearn_bench.leaderboards.records.layout import Measured
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import CELLS, read_file, read_folder, write_record

RECORDS = [
    *sweep(seconds=1.5, seeds=(0, 1)),
    *sweep("emb", seconds=2.0, variant={"name": "x", "method": "emb", "by_class": {"red cube": {"threshold": 0.5}}}),
    ended(record(run(seed=7)), "failed", "out of memory, \x1b[31m"),
    record(run(seed=8, precision="bf16"), measurements=(), preset={}, provenance={"commit": None, "cores": [1, 2]}),
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "FEWEST", 1)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the record files that are opened."""
    names: list[str] = []

    def noting(path: Path) -> object:
        names.append(path.name)
        return read_file(path)

    monkeypatch.setattr(storage, "read_file", noting)
    return names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for item in RECORDS:
        write_record(tmp_path, item)
    return tmp_path


def texts(folder: Path) -> list[str]:
    return [compact(to_json(found)) for found in read_folder(folder).records]


def expected(records: list[Record]) -> list[str]:
    return [compact(to_json(item)) for item in sorted(records, key=lambda item: item.run.key)]


def test_what_the_index_says_is_what_the_files_say(folder: Path, opened: list[str]) -> None:
    assert texts(folder) == expected(RECORDS)
    assert len(opened) == len(RECORDS)
    opened.clear()
    again = read_folder(folder).records
    assert opened == []
    assert [compact(to_json(found)) for found in again] == expected(RECORDS)
    for found in again:
        assert isinstance(found.measurements, Measured)
        assert replace(found.run).key == found.run.key, "the key is that of its parts"
        direct = read_file(folder / CELLS / f"{found.run.key}.json")
        assert isinstance(direct, Record)
        assert direct == found
        assert direct.run.unlearned_key == found.run.unlearned_key


def test_what_is_the_same_is_one_object(folder: Path) -> None:
    read_folder(folder)
    same = [found for found in read_folder(folder).records if found.run.method == "lip" and found.measurements]
    assert len({id(found.run.evaluation) for found in same}) == 1
    assert len({id(found.run.hyperparameters) for found in same}) == 1
    assert len({id(found.preset) for found in same if found.preset}) == 1


def test_what_changed_is_read_from_its_file(folder: Path, opened: list[str]) -> None:
    read_folder(folder)
    opened.clear()
    mended = replace(RECORDS[0], measurements=measurements(RECORDS[0].run.dataset, target=9))
    write_record(folder, mended)
    write_record(folder, new := record(run(seed=99)))
    (folder / CELLS / f"{RECORDS[1].run.key}.json").unlink()
    now = [mended, *RECORDS[2:], new]
    assert texts(folder) == expected(now)
    assert sorted(opened) == sorted(f"{item.run.key}.json" for item in (mended, new))
    opened.clear()
    assert texts(folder) == expected(now)
    assert opened == []


def test_a_broken_record_is_set_aside_once(folder: Path) -> None:
    read_folder(folder)
    path = folder / CELLS / f"{RECORDS[0].run.key}.json"
    path.write_text(path.read_text()[:50])
    assert [aside.path for aside in read_folder(folder).set_aside] == [path]
    assert read_folder(folder).set_aside == ()
    assert texts(folder) == expected(RECORDS[1:])


def edited(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE records SET status = 'ok', reason = ''")
    database.close()


def reworded(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE shared SET text = replace(text, 'lip', 'emb')")
    database.close()


def older(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 3")
    database.close()


def emptied(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM shared")
    database.close()


def at(place: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        where = place % len(content)
        content[where : where + 64] = bytes(64)
        path.write_bytes(content)

    return change


HARMS: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "nonsense": lambda path: path.write_bytes(b"nonsense" * 1000),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "edited": edited,
    "reworded": reworded,
    "of another version": older,
    "without what is shared": emptied,
    **{f"zeros at {place}": at(place) for place in (0, 20, 4100, 9001, 13_007, 20_011, -100, -3000)},
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_index_costs_time_only(harm: str, folder: Path) -> None:
    read_folder(folder)
    HARMS[harm](folder / CELLS / INDEX)
    for _ in range(3):
        assert texts(folder) == expected(RECORDS)


def test_it_is_made_again_where_it_was_harmed(folder: Path, opened: list[str]) -> None:
    read_folder(folder)
    (folder / CELLS / INDEX).write_bytes(b"nonsense" * 1000)
    read_folder(folder)
    read_folder(folder)
    opened.clear()
    assert texts(folder) == expected(RECORDS)
    assert opened == []


def test_a_folder_that_can_only_be_read(folder: Path) -> None:
    cells = folder / CELLS
    cells.chmod(0o500)
    try:
        with permissions_count():
            assert texts(folder) == expected(RECORDS)
            assert not (cells / INDEX).exists()
    finally:
        cells.chmod(0o700)
    read_folder(folder)
    cells.chmod(0o500)
    try:
        with permissions_count():
            assert texts(folder) == expected(RECORDS)
    finally:
        cells.chmod(0o700)


def test_few_records_need_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "FEWEST", len(RECORDS) + 1)
    assert texts(folder) == expected(RECORDS)
    assert not (folder / CELLS / INDEX).exists()


def test_other_bounds_read_the_files_again(folder: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    read_folder(folder)
    opened.clear()
    monkeypatch.setattr(index, "declared", dict)
    assert len(read_folder(folder).records) == len(RECORDS)
    assert len(opened) == len(RECORDS)


def test_a_name_that_sqlite_takes_for_something_else(tmp_path: Path, opened: list[str]) -> None:
    strange = tmp_path / "50%?mode=rwc#x"
    for item in RECORDS[:3]:
        write_record(strange, item)
    read_folder(strange)
    opened.clear()
    assert texts(strange) == expected(RECORDS[:3])
    assert opened == []
    assert sorted(os.listdir(tmp_path)) == [strange.name]


def test_measurements_are_made_when_they_are_asked_for() -> None:
    items = (*measurements("mini-shapes"), *extras("mini-shapes", 1.5))
    row = Measured.of(items)
    assert row == items
    assert (len(row), row[0], row[-1], row[2:4]) == (len(items), items[0], items[-1], items[2:4])
    assert Measured.of(items).layout is row.layout
    assert row.layout.find("accuracy", group="target") == (0,)
    assert row.layout.find("nothing") == ()
    with pytest.raises(IndexError):
        row[len(items)]
    with pytest.raises(ValueError, match="other lengths"):
        Measured.of([replace(items[0], n=400)])


def test_a_scan_teaches_the_index_too(folder: Path, opened: list[str]) -> None:
    assert len(endings(folder).by_key) == len(RECORDS)
    assert texts(folder) == expected(RECORDS)
    assert opened == []


def test_many_are_noted_in_parts(folder: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    noted = []

    def noting(cells: Path, fresh: list[object], names: object = None) -> None:
        noted.append(len(fresh))
        learn(cells, fresh, names)  # type: ignore[arg-type]

    learn = index.learn
    monkeypatch.setattr(index, "learn", noting)
    monkeypatch.setattr(index, "_AT_ONCE", 4)
    assert texts(folder) == expected(RECORDS)
    assert max(noted) == 4
    assert sum(noted) == len(RECORDS)
    opened.clear()
    assert texts(folder) == expected(RECORDS)
    assert opened == []
