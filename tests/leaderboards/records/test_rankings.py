"""Rankings beside records: what is written is read, and what can't be read is passed over."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.leaderboards.examples import record
from unlearn_bench.leaderboards.records.rankings import read_rankings, write_rankings
from unlearn_bench.leaderboards.records.storage import read_folder, write_record
from unlearn_bench.metrics.shared.rankings import Found, Ranking

RED = Found(dataset="mini-shapes", row=3, shows="red cube")
BLUE = Found(dataset="mini-shapes", row=7, shows="blue cone")
RANKING = Ranking(dataset="mini-shapes", query="red cube", before=(RED, RED), after=(BLUE, RED))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    here, other = record(), record(replace(record().run, seed=1))
    write_record(tmp_path, here)
    odd = replace(RANKING, query='"\n</script> شبكة')
    write_rankings(tmp_path, here.run, [RANKING, odd])
    assert read_rankings([tmp_path / "gone", tmp_path], [here, other]) == {here.run.key: (RANKING, odd)}
    loaded = read_folder(tmp_path)
    assert ([item.run.key for item in loaded.records], loaded.set_aside) == ([here.run.key], ()), "it is no record"
    write_rankings(tmp_path, here.run, [])
    assert read_rankings([tmp_path], [here]) == {}
    assert sorted(path.suffix for path in (tmp_path / "cells").iterdir()) == [".json"]
    write_rankings(tmp_path, here.run, [])  # there is nothing to take away


@pytest.mark.parametrize(
    "text",
    [
        '{"dataset": "a", "query": "b", "before": [], "aft',
        "[]",
        '{"dataset": "a"}',
        '{"dataset": "a", "query": "b", "before": [["a", -1, "b"]], "after": []}',
        '{"dataset": "a", "query": "b", "before": [["a", "1", "b"]], "after": []}',
        '{"dataset": "a", "query": "b", "before": [["a", 1]], "after": []}',
        '{"dataset": "a", "query": "b", "before": 5, "after": []}',
        "[" * 100_000,
        "x" * 1_000_001,
    ],
)
def test_a_broken_file_is_passed_over(text: str, tmp_path: Path) -> None:
    here = record()
    path = write_record(tmp_path, here).with_suffix(".found.jsonl")
    path.write_text(text)
    assert read_rankings([tmp_path], [here]) == {}
    path.write_bytes(b"\xff\xfe")
    assert read_rankings([tmp_path], [here]) == {}


def test_no_more_is_read_than_is_shown(tmp_path: Path) -> None:
    here = record()
    write_record(tmp_path, here)
    write_rankings(tmp_path, here.run, [replace(RANKING, before=(RED,) * 900)])
    assert len(read_rankings([tmp_path], [here])[here.run.key][0].before) == 5


def test_a_hit_shows_the_class_of_the_dataset() -> None:
    assert [RANKING.is_hit(image) for image in RANKING.after] == [False, True]
    assert not RANKING.is_hit(replace(RED, dataset="other")), "a class of the same name elsewhere is another one"
