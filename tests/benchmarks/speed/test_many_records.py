"""The benchmark of many records writes what it says, finds it all again, and says what it took."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from unlearn_bench.benchmarks.speed.many_records import main, measure, write
from unlearn_bench.leaderboards.records.endings import INDEX
from unlearn_bench.leaderboards.records.storage import CELLS, read_folder


def test_records_are_written_scanned_and_read(tmp_path: Path) -> None:
    write(5, tmp_path, ["accuracy"])
    records = read_folder(tmp_path).records
    assert len({record.run.key for record in records}) == 5
    assert {item.metric for record in records for item in record.measurements} == {"accuracy"}
    count, first, again, reading, tables, comparing, memory = measure(5, tmp_path)
    assert count == 5
    assert min(first, again, reading, tables, comparing) > 0
    assert memory is None or memory > 10
    assert (tmp_path / CELLS / INDEX).is_file()


def test_more_records_than_are_published_have_further_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(1, tmp_path / "one", [])
    (one,) = read_folder(tmp_path / "one").records
    monkeypatch.setattr("unlearn_bench.benchmarks.speed.many_records.published_records", lambda: (one,))
    write(3, tmp_path / "three", [])
    seeds = sorted(record.run.seed for record in read_folder(tmp_path / "three").records)
    assert seeds == [one.run.seed + turn * (one.run.seed + 1) for turn in range(3)]


def test_records_that_are_not_found_are_no_measurement(tmp_path: Path) -> None:
    write(2, tmp_path, ["accuracy"])
    with pytest.raises(RuntimeError, match="not all of the 3 records"):
        measure(3, tmp_path)


@pytest.mark.slow
def test_the_table_has_half_and_all() -> None:
    app = typer.Typer()
    app.command()(main)
    lines = CliRunner().invoke(app, ["--records", "4", "--metrics", "accuracy"]).output.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["2", "4"]
