"""The CSV of a published table: small, ordered, and read back equal."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.leaderboards.examples import DIGITS, SHAPES, ended, extras, measurements, plain, record, run, sweep
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.encoding import compact, to_json
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.wide_csv import _HEADER, csv_text, read_csv, write_csv


def through(tmp_path: Path, records: list[Record]) -> tuple[Record, ...]:
    path = tmp_path / "records.csv"
    write_csv(path, records)
    return read_csv(path)


def without_time(found: Record) -> Record:
    return replace(found, provenance={k: v for k, v in found.provenance.items() if k != "time"})


def test_round_trip(tmp_path: Path) -> None:
    records = sweep(seconds=1.5, seeds=(0, 1))
    records[3] = ended(records[3], "failed", 'a "quoted", long\nreason')
    found = through(tmp_path, records)
    expected = {item.run.key: compact(to_json(without_time(item))) for item in records}
    assert {item.run.key: compact(to_json(item)) for item in found} == expected


def test_only_what_some_metrics_measured_is_read(tmp_path: Path) -> None:
    records = sweep(seconds=1.5)
    write_csv(tmp_path / "all.csv", records)
    whole = read_csv(tmp_path / "all.csv")
    found = read_csv(tmp_path / "all.csv", metrics=("accuracy",))
    assert [record.run for record in found] == [record.run for record in whole]
    assert [record.measurements for record in found] == [record.matching("accuracy") for record in whole]
    assert {item.metric for record in whole for item in record.measurements} > {"accuracy"}
    assert all(record.measurements == () for record in read_csv(tmp_path / "all.csv", metrics=()))


@pytest.mark.parametrize(
    "names", [("a|b",), ("a\\", "|"), ("x\\|y", "z"), (" a ", "b,c"), ("ä", '"'), ("a", ""), ("",)]
)
def test_any_class_name_comes_back(tmp_path: Path, names: tuple[str, ...]) -> None:
    (found,) = through(tmp_path, [record(run(forget=names))])
    assert found.run.forget == names


def test_numbers_have_six_digits_and_gaps_stay_gaps(tmp_path: Path) -> None:
    said = (
        plain("share-changed", "all", 1 / 3),
        plain("relative-change", "all", None),
        plain("x", "whole", 12345678.0, before=-1e-12),
        plain("y", "zero", 0.0, dataset="own"),
    )
    (found,) = through(tmp_path, [record(measurements=said)])
    assert [item.after for item in found.measurements] == [0.333333, None, 12345700.0, 0.0]
    assert [item.before for item in found.measurements] == [None, None, -1e-12, None]
    assert found.measurements[3].dataset == "own"


def test_columns_of_different_forget_sets_align(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    write_csv(path, sweep())
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["dataset"] for row in rows} == {SHAPES, DIGITS}
    assert all(row["accuracy|own|target|before"] == "0.8" for row in rows)
    assert [bool(row[f"accuracy|{DIGITS}|all|after"]) for row in rows] == [row["dataset"] == SHAPES for row in rows]


def test_the_order_of_rows_and_columns_does_not_depend_on_the_input() -> None:
    records = sweep(seeds=(1, 0), seconds=1.0) + sweep("emb")
    assert csv_text(records) == csv_text(records[::-1])
    lines = csv_text(records).splitlines()
    cells = [tuple(line.split(",")[5:9]) for line in lines[1:]]
    assert cells == sorted(cells)
    header = lines[0].split(",")
    assert header.index("retrieval|own|ift@1/target|after") < header.index("retrieval|own|ift@10/target|before")
    assert header[-1].endswith("outcomes")


def test_a_second_run_of_the_same_code_changes_no_line() -> None:
    later = record(provenance={**record().provenance, "time": "2030-01-01T00:00:00+00:00"})
    assert csv_text([record()]) == csv_text([later])


def test_what_rows_share_is_written_once() -> None:
    long = {"source": "tuned", "curve": [0.123456] * 500}
    text = csv_text(sweep(preset=long, seeds=tuple(range(20))))
    assert text.count('""curve""') == 1


def test_a_published_table_is_small() -> None:
    names = [f"class {number}" for number in range(12)]
    said = measurements(SHAPES) + extras(SHAPES, 1.0)
    said += tuple(plain("retrieval", f"q{number}/x", 0.123456, before=0.654321) for number in range(54))
    records = [
        record(run(method=f"m{m}", forget=(name,), seed=seed, model=f"model-{v}"), measurements=said)
        for m in range(9) for name in names for seed in range(3) for v in range(2)
    ]  # fmt: skip
    assert len(records) == 648
    assert len(csv_text(records).encode()) < 1_400_000  # the outcomes of 1,900 images would add 420,000


def test_two_measurements_of_one_name_are_refused() -> None:
    twice = (plain("x", "all", 1.0), plain("x", "all", 2.0))
    with pytest.raises(InputError, match="two measurements"):
        csv_text([record(measurements=twice)])


def test_a_table_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no table of records"):
        read_csv(path)
    path.write_bytes(b"\xff\x00")
    with pytest.raises(InputError, match="can't be read"):
        read_csv(path)
    with pytest.raises(InputError, match="can't be read"):
        read_csv(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (",lip,0,ok,", ",lip,zero,ok,"),
        (",lip,0,ok,", ",lip,0,fine,"),
        (",lip,0,ok,", ",lip,1,ok,"),  # another seed than the key's
        ("0.8,", "high,"),
        (",lip,0,ok,", ",lip"),
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "records.csv"
    text = csv_text([record()])
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match="line 2"):
        read_csv(path)


def test_what_a_deleted_row_had_said_for_others_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    lines = csv_text(sweep()).splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    with pytest.raises(InputError, match="used before the row that says it"):
        read_csv(path)


def test_a_file_cut_in_half(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    text = csv_text(sweep())
    path.write_text(text[: len(text) * 2 // 3])
    with pytest.raises(InputError, match=r"records\.csv"):
        read_csv(path)


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        write_csv(tmp_path / "file" / "records.csv", [])


def test_no_records_give_an_empty_table(tmp_path: Path) -> None:
    assert through(tmp_path, []) == ()


FORMULAS = ("=cmd|' /C calc'!A0", "@SUM(A1)", "+1", "-1", "\t=1", "\r=1", "'=1", "''=1", "'quoted'")


@pytest.mark.parametrize("name", [*FORMULAS, "a\rb", "a\r\nb", "\x1b[31mred"])
def test_no_name_is_a_formula_or_ends_a_line(tmp_path: Path, name: str) -> None:
    of = run(method=name, dataset=name, forget=(name, "x"), model=name, suite=name)
    said = plain(name, name, 0.5, dataset=name)
    written = record(of, measurements=(said,), reason=name)
    (found,) = through(tmp_path, [written])
    assert compact(to_json(found)) == compact(to_json(without_time(written)))
    with (tmp_path / "records.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file, strict=True) for cell in row]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r")]


def broken_csv(tmp_path: Path, change: Callable[[list[str]], list[str]]) -> str:
    path = tmp_path / "records.csv"
    write_csv(path, [record()])
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(change(row) for row in rows)
    with pytest.raises(InputError) as caught:
        read_csv(path)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 500
    return said


def test_a_csv_without_its_columns(tmp_path: Path) -> None:
    assert "no column format" in broken_csv(tmp_path, lambda row: row[1:])
    assert "no column of numbers" in broken_csv(tmp_path, lambda row: row[: len(_HEADER)])


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("0.1", "57", "accuracy mini-shapes target is 57.0 after forgetting, over 1"),
        ("0.1", "9" * 400, "is inf after forgetting, not finite"),
        ("0.1", "nan", "not finite"),
        ("0.1", "many", "could not convert"),
        ("0", "9" * 400, "seed is a whole number of 400 digits"),
        ("0", "9" * 5000, "no readable record"),
    ],
)
def test_a_number_that_can_not_be(tmp_path: Path, old: str, new: str, part: str) -> None:
    assert part in broken_csv(tmp_path, lambda row: [new if cell == old else cell for cell in row])
