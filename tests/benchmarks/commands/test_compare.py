"""`compare`: from record files to the page on the screen."""

from pathlib import Path

import pytest

from tests.benchmarks.support import Call, is_one_error
from tests.leaderboards.paper_examples import paper_sweep, small_tables
from unlearn_bench.leaderboards import paper_page as paper
from unlearn_bench.leaderboards.records.storage import write_csv, write_record


def test_a_folder_of_records_stands_beside_the_paper_s(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "reported_tables", small_tables)
    for record in paper_sweep():
        write_record(tmp_path / "out", record)
    said = call("compare", tmp_path / "out")
    assert said.code == 0, said.err
    assert "Table 1, cell by cell" in said.out
    assert "lip (suite paper; ranked)" in said.out
    assert said.err == ""
    write_csv(tmp_path / "records.csv", paper_sweep())
    again = call("compare", tmp_path / "records.csv")
    assert again.code == 0
    assert again.out == said.out


def test_a_run_of_another_suite_still_shows_the_reported_tables(sweep: Call, call: Call, tmp_path: Path) -> None:
    sweep("--classes", "red")
    said = call("compare", tmp_path / "out")
    assert said.code == 0, said.err
    assert "No measured number can stand beside a reported one" in said.out
    assert "Forgetting from StanfordCars: after" in said.out
    assert "another model" in said.out


def test_wrong_input_is_one_line(call: Call, tmp_path: Path) -> None:
    is_one_error(call("compare", tmp_path / "nowhere"), "no records at")
    is_one_error(call("compare", tmp_path), "is no run's folder")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    is_one_error(call("compare", tmp_path / "table.csv"), "is no table of records")
    (tmp_path / "run" / "cells").mkdir(parents=True)
    is_one_error(call("compare", tmp_path / "run"), "no records in")
    assert call("compare").code == 2
