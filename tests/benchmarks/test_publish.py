"""Publishing a run writes the CSV, the tables and the README's block, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.support import Call
from unlearn_bench.benchmarks import publish, published
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.paper import is_stale
from unlearn_bench.leaderboards.publish import Published, stale
from unlearn_bench.leaderboards.storage import read_folder


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Published:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- leaderboard:begin -->\nformer words\n<!-- leaderboard:end -->\nafter\n")
    (tmp_path / "results").mkdir()
    paths = replace(
        published.PUBLISHED,
        records=tmp_path / "results" / "mini-full.csv",
        table=tmp_path / "mini-full.md",
        readme=readme,
    )
    monkeypatch.setattr(publish, "PUBLISHED", paths)
    monkeypatch.setattr(published, "PUBLISHED", paths)
    monkeypatch.setattr(publish, "PAPER_PAGE", tmp_path / "paper.md")
    for module in (publish, published):
        monkeypatch.setattr(module, "PAPER_RECORDS", tmp_path / "results" / "paper.csv")
    return paths


def test_a_run_is_published_and_then_fresh(sweep: Call, place: Published, tmp_path: Path) -> None:
    assert sweep().code == 0
    publish.main([tmp_path / "out"])
    assert stale(place) == ()
    text = place.readme.read_text()
    assert text.startswith("before\n<!-- leaderboard:begin -->")
    assert text.endswith("<!-- leaderboard:end -->\nafter\n")
    assert "mine" in text
    assert "former words" not in text
    measured = {record.run.key for record in read_folder(tmp_path / "out").records}
    assert {record.run.key for record in published.published_records()} == measured


def test_a_number_changed_by_hand_is_stale(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    publish.main([tmp_path / "out"])
    place.table.write_text(place.table.read_text().replace("0.", "0.9", 1))
    assert stale(place) == (place.table,)
    publish.main(None)
    assert stale(place) == ()


def test_the_paper_s_page_is_written_beside(sweep: Call, place: Published, tmp_path: Path) -> None:
    sweep()
    publish.main([tmp_path / "out"])
    assert published.paper_records() == ()
    assert not is_stale(tmp_path / "paper.md", ())
    publish.main(paper=[tmp_path / "out"])
    (record,) = {record.run.model for record in published.paper_records()}
    assert record in (tmp_path / "paper.md").read_text()
    assert is_stale(tmp_path / "paper.md", ())
    assert not is_stale(tmp_path / "paper.md", published.paper_records())


def test_no_records_is_one_line(place: Published, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run's folder"):
        publish.main([tmp_path])
    assert not place.records.exists()
