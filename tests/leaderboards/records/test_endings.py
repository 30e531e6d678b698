"""The index says what the records say, and is believed no further than their files are as it knows them."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.leaderboards.examples import record, run
from unlearn_bench.leaderboards.records import endings as module
from unlearn_bench.leaderboards.records.endings import INDEX, Ending, endings, write_and_note
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import CELLS, read_file, write_record

STATUSES = ("ok", "failed", "skipped")


@pytest.fixture
def written(tmp_path: Path) -> list[Record]:
    records = [
        record(run(seed=seed), status=status, measurements=(), reason="" if status == "ok" else "so it is")
        for seed, status in enumerate(STATUSES)
    ]
    for item in records:
        write_record(tmp_path, item)
    return records


def expected(records: list[Record]) -> dict[str, Ending]:
    return {
        item.run.key: Ending(key=item.run.key, status=item.status, unlearned_key=item.run.unlearned_key)
        for item in records
    }


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the record files that are opened."""
    names: list[str] = []

    def noting(path: Path) -> object:
        names.append(path.name)
        return read_file(path)

    monkeypatch.setattr(module, "read_file", noting)
    return names


def test_records_are_opened_once(written: list[Record], tmp_path: Path, opened: list[str]) -> None:
    assert endings(tmp_path).by_key == expected(written)
    assert sorted(opened) == sorted(f"{item.run.key}.json" for item in written)
    opened.clear()
    assert endings(tmp_path).by_key == expected(written)
    assert opened == []


def test_what_changed_is_read_again(written: list[Record], tmp_path: Path, opened: list[str]) -> None:
    endings(tmp_path)
    opened.clear()
    mended = record(run(seed=1))
    write_record(tmp_path, mended)
    write_record(tmp_path, new := record(run(seed=7)))
    (tmp_path / CELLS / f"{written[0].run.key}.json").unlink()
    assert endings(tmp_path).by_key == expected([mended, written[2], new])
    assert sorted(opened) == sorted(f"{item.run.key}.json" for item in (mended, new))


def test_what_is_noted_as_it_is_written_is_never_opened(tmp_path: Path, opened: list[str]) -> None:
    records = [record(run(seed=seed)) for seed in range(3)]
    for item in (*records, records[0]):
        assert write_and_note(tmp_path, item) == tmp_path / CELLS / f"{item.run.key}.json"
    assert endings(tmp_path).by_key == expected(records)
    assert opened == []


def test_a_broken_record_is_set_aside_and_its_cell_has_not_ended(written: list[Record], tmp_path: Path) -> None:
    endings(tmp_path)
    path = tmp_path / CELLS / f"{written[0].run.key}.json"
    path.write_text(path.read_text()[:50])
    found = endings(tmp_path)
    assert found.by_key == expected(written[1:])
    (aside,) = found.set_aside
    assert aside.path == path
    assert endings(tmp_path).set_aside == ()


def test_a_copied_record_counts_as_its_run(written: list[Record], tmp_path: Path) -> None:
    path = tmp_path / CELLS / f"{written[0].run.key}.json"
    path.rename(path.with_name("copy.json"))
    assert endings(tmp_path).by_key == expected(written)


@pytest.mark.parametrize("harm", ["cut", "nonsense", "of another kind", "gone", "no text"])
def test_a_harmed_index_costs_time_only(harm: str, written: list[Record], tmp_path: Path, opened: list[str]) -> None:
    endings(tmp_path)
    index = tmp_path / CELLS / INDEX
    content = index.read_bytes()
    harmed = {
        "cut": content[: len(content) - 20],
        "nonsense": b"{}\n[1, 2]\nnull\n" + content,
        "of another kind": content.replace(b'"ok"', b'"fine"'),
        "no text": b"\xff\xfe" + content,
        "gone": b"",
    }[harm]
    index.write_bytes(harmed)
    if harm == "gone":
        index.unlink()
    assert endings(tmp_path).by_key == expected(written)
    opened.clear()
    assert endings(tmp_path).by_key == expected(written)
    assert opened == []


def test_a_folder_that_can_only_be_read(
    written: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.open

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("read only")

    def readable(path: Path, mode: str = "r", **more: Any) -> Any:
        return refused() if "a" in mode else plain(path, mode, **more)

    monkeypatch.setattr(Path, "open", readable)
    monkeypatch.setattr(module, "write_text", refused)
    assert endings(tmp_path).by_key == expected(written)
    assert not (tmp_path / CELLS / INDEX).exists()


def test_the_index_does_not_grow_without_end(written: list[Record], tmp_path: Path) -> None:
    path = tmp_path / CELLS / f"{written[0].run.key}.json"
    for turn in range(30):
        os.utime(path, ns=(turn, turn))
        endings(tmp_path)
    assert sum(map(bool, (tmp_path / CELLS / INDEX).read_text().split("\n"))) <= 10
    assert endings(tmp_path).by_key == expected(written)


def test_nothing_has_run_yet(tmp_path: Path) -> None:
    assert endings(tmp_path / "new").by_key == {}
    assert not (tmp_path / "new").exists()
