"""Publishing a run writes the CSV, the tables and the README's block, and nothing else."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.benchmarks.support import Call
from unlearn_bench.benchmarks import publish
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.paper_page import is_stale
from unlearn_bench.leaderboards.publish import Published, stale
from unlearn_bench.leaderboards.published import places as published
from unlearn_bench.leaderboards.records.storage import read_csv, read_folder, write_record


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Published:
    """A checkout with two published suites: that of `sweep`, which the README shows, and `mini-pairs`."""
    readme, results = tmp_path / "README.md", tmp_path / "results"
    readme.write_text("before\n<!-- leaderboard:begin -->\nformer words\n<!-- leaderboard:end -->\nafter\n")
    results.mkdir()
    first, second = (
        Published(
            suite=suite,
            records=results / f"{suite}.csv",
            table=tmp_path / f"{suite}.md",
            picture=tmp_path / f"{suite}.svg",
            readme=shown,
        )
        for suite, shown in (("colours", readme), ("mini-pairs", None))
    )
    for module in (publish, published):
        monkeypatch.setattr(module, "PUBLISHED", (first, second))
        monkeypatch.setattr(module, "PAPER_RECORDS", results / "paper.csv")
    monkeypatch.setattr(publish, "PAPER_PAGE", tmp_path / "paper.md")
    return first


def as_suite(folder: Path, suite: str) -> Path:
    """A copy of a run's folder, as if another suite had run it."""
    copy = folder.with_name(f"{folder.name}-{suite}")
    for record in read_folder(folder).records:
        write_record(copy, replace(record, run=replace(record.run, suite=suite)))
    return copy


def test_a_run_is_published_and_then_fresh(sweep: Call, place: Published, tmp_path: Path) -> None:
    assert sweep().code == 0
    publish.publish_runs([tmp_path / "out"])
    assert stale(place) == ()
    assert place.readme is not None
    text = place.readme.read_text()
    assert text.startswith("before\n<!-- leaderboard:begin -->")
    assert text.endswith("<!-- leaderboard:end -->\nafter\n")
    assert "mine" in text
    assert "former words" not in text
    measured = {record.run.key for record in read_folder(tmp_path / "out").records}
    assert {record.run.key for record in published.published_records()} == measured


def test_a_number_changed_by_hand_is_stale(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    publish.publish_runs([tmp_path / "out"])
    place.table.write_text(place.table.read_text().replace("0.", "0.9", 1))
    assert stale(place) == (place.table,)
    publish.publish_runs([])
    assert stale(place) == ()


def test_each_record_goes_to_its_suite(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    publish.publish_runs([tmp_path / "out", as_suite(tmp_path / "out", "mini-pairs")])
    for suite, item in zip(("colours", "mini-pairs"), published.PUBLISHED, strict=True):
        assert {record.run.suite for record in read_csv(item.records)} == {suite}
        assert stale(item) == ()
    assert "suite mini-pairs" in (tmp_path / "mini-pairs.md").read_text()
    assert place.readme is not None
    assert "mini-pairs" not in place.readme.read_text()


def test_a_suite_that_is_not_published_is_one_line(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    with pytest.raises(InputError, match=r"suite 'other' is not published; give runs of colours, mini-pairs, paper"):
        publish.publish_runs([tmp_path / "out", as_suite(tmp_path / "out", "other")])
    assert not place.records.exists()


def test_the_paper_s_page_is_written_beside(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    publish.publish_runs([tmp_path / "out"])
    assert published.paper_records() == ()
    assert not is_stale(tmp_path / "paper.md", ())
    publish.publish_runs([as_suite(tmp_path / "out", "paper")])
    (record,) = {record.run.model for record in published.paper_records()}
    assert record in (tmp_path / "paper.md").read_text()
    assert is_stale(tmp_path / "paper.md", ())
    assert not is_stale(tmp_path / "paper.md", published.paper_records())
    assert place.records.exists()


def changed(folder: Path, name: str, **run: Any) -> Path:
    """A run's folder whose records are those of `folder`, with other fields."""
    copy = folder.with_name(name)
    for record in read_folder(folder).records:
        write_record(copy, replace(record, run=replace(record.run, **run)))
    return copy


def versions(place: Published) -> dict[tuple[str, int], int]:
    """How many records are published, by method and version."""
    return Counter((record.run.method, record.run.method_version) for record in read_csv(place.records))


def test_records_take_the_place_of_their_own_cells(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    publish.publish_runs([tmp_path / "out"])
    ((name, version),) = versions(place)
    (cells,) = versions(place).values()
    publish.publish_runs([changed(tmp_path / "out", "more", method="another")])
    assert versions(place) == {(name, version): cells, ("another", version): cells}
    publish.publish_runs([changed(tmp_path / "out", "later", method_version=7)])
    assert versions(place) == {(name, 7): cells, ("another", version): cells}
    publish.publish_runs([tmp_path / "more"])  # once more: nothing changes
    assert versions(place) == {(name, 7): cells, ("another", version): cells}
    publish.publish_runs([tmp_path / "later"], replace=True)
    assert versions(place) == {(name, 7): cells}
    assert stale(place) == ()


def test_a_run_that_could_not_be_measured_again_leaves_the_published_one(
    sweep: Call, place: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep()
    publish.publish_runs([tmp_path / "out"])
    before = place.records.read_text()
    idle = tmp_path / "idle"
    records = read_folder(tmp_path / "out").records
    for record in records:
        write_record(idle, replace(record, status="skipped", reason="no weights", measurements=()))
    capsys.readouterr()
    publish.publish_runs([idle])
    assert f"{len(records)} more were not measured; the published ones of these runs stay" in capsys.readouterr().out
    assert place.records.read_text() == before
    later = read_folder(changed(idle, "later", method_version=7)).records
    assert publish.outcomes(later, read_csv(place.records)) == list(later)  # other runs: what came of them counts


def test_what_can_not_be_published_changes_nothing(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    publish.publish_runs([tmp_path / "out"])
    before = {path: path.read_text() for path in (place.records, *place.pages)}
    other = changed(tmp_path / "out", "other", suite="mini-pairs")
    settings = {"name": "noise", "by_class": {"red": {"threshold": 0.5}}}
    twice = changed(tmp_path / "out", "twice", variant=settings, synthesis={"threshold": 0.1})
    for record in read_folder(changed(twice, "second", synthesis={"threshold": 0.2})).records:
        write_record(twice, record)  # one cell, two keys, and nothing that parts them in a table
    with pytest.raises(InputError, match="two records"):
        publish.publish_runs([other, twice])
    assert {path: path.read_text() for path in before} == before
    assert not published.PUBLISHED[1].records.exists()
    failed = tmp_path / "failed"
    for record in read_folder(tmp_path / "out").records:
        write_record(failed, replace(record, status="failed", reason="x", measurements=()))
    with pytest.raises(InputError, match="nothing to draw"):
        publish.publish_runs([failed], replace=True)
    assert {path: path.read_text() for path in before} == before


def test_the_command_says_what_is_wrong_in_one_line(place: Published, tmp_path: Path) -> None:
    found = CliRunner().invoke(publish.app, [str(tmp_path / "nowhere")])
    assert found.exit_code == 2
    assert (
        found.stderr
        == f"error: no records at {str(tmp_path / 'nowhere')!r}; give a run's folder, a CSV or a record's JSON file\n"
    )
    assert not place.records.exists()


def test_the_command_publishes(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    found = CliRunner().invoke(publish.app, ["--replace", str(tmp_path / "out")])
    assert (found.exit_code, found.stderr) == (0, "")
    assert f"from {place.records}" in found.stdout
    assert stale(place) == ()


def test_no_records_is_one_line(place: Published, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run's folder"):
        publish.publish_runs([tmp_path])
    assert not place.records.exists()
