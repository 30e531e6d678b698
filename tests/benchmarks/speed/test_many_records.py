"""The scan's benchmark writes what it says, and both scans see it all."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from unlearn_bench.benchmarks.speed.many_records import main, scans
from unlearn_bench.leaderboards.records.endings import INDEX
from unlearn_bench.leaderboards.records.storage import CELLS, read_folder


def test_records_are_written_and_scanned_twice(tmp_path: Path) -> None:
    first, again = scans(5, tmp_path)
    assert first > 0
    assert again > 0
    assert {record.run.seed for record in read_folder(tmp_path).records} == set(range(5))
    assert (tmp_path / CELLS / INDEX).is_file()


def test_the_table_has_half_and_all() -> None:
    app = typer.Typer()
    app.command()(main)
    lines = CliRunner().invoke(app, ["--records", "4"]).output.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["2", "4"]
