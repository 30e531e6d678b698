"""Figure 3 as tables: what target images are taken for."""

from dataclasses import replace

import pytest

from tests.leaderboards.examples import DIGITS, SHAPES, identity, plain, record, run, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.tables.predictions import named, predictions
from unlearn_bench.leaderboards.tables.render import render


def said(dataset: str, after: dict[str, float], wrong: float) -> tuple[object, ...]:
    """What the metric says of a target that was taken for itself by 8 in 10 before."""
    before = {"red cube": 0.8, "red cone": 0.2}
    names = dict.fromkeys([*before, *after])
    found = []
    for place, name in enumerate(names):
        found.append(plain("predictions", f"share/{name}", after.get(name, 0.0), before=before.get(name, 0.0)))
        found.append(plain("predictions", f"distance/{name}", place / 10, before=place / 10))
    found.append(plain("predictions", "mean-distance", 0.1, before=0.02))
    found.append(plain("predictions", "wrong-distance", wrong, before=0.1))
    found.append(plain("predictions", "chance-distance", 0.5, before=0.5))
    return tuple(replace(item, dataset=dataset) for item in found)


def with_predictions(records: list[Record], after: dict[str, float], wrong: float = 0.15) -> list[Record]:
    return [
        replace(item, measurements=(*item.measurements, *said(item.run.dataset, after, wrong)))  # type: ignore[arg-type]
        for item in records
    ]


def test_a_table_for_each_forget_set_with_the_original_first() -> None:
    lip = with_predictions(sweep(), {"red cone": 0.7, "blue cube": 0.2, "red cube": 0.1})
    nothing = with_predictions(identity(), {"red cube": 0.8, "red cone": 0.2}, wrong=0.1)
    (board,) = boards([*lip, *nothing])
    tables = predictions(board)
    assert len(tables) == 3
    assert {name for table in tables for name in (SHAPES, DIGITS) if name in table.title} == {SHAPES, DIGITS}
    rows = {row[0]: row[1:] for row in tables[0].rows}
    assert rows["(before)"] == ("red cube 0.800 (0.000), red cone 0.200 (0.100)", "0.020", "0.100", "0.500")
    assert rows["lip"] == (
        "red cone 0.700 (0.100), blue cube 0.200 (0.200), red cube 0.100 (0.000)",
        "0.100",
        "0.150",
        "0.500",
    )
    assert rows["identity"][0] == rows["(before)"][0]
    assert "seed 0" in tables[0].paragraphs[0]


def test_at_most_five_are_named_most_frequent_first() -> None:
    shares = {f"c{place}": 0.05 * (place + 1) for place in range(7)}
    (one,) = with_predictions([record(run())], shares)
    names = [part.split()[0] for part in named(one, "after").split(", ")]
    assert names == ["c6", "c5", "c4", "c3", "c2"]


def test_distances_are_averaged_over_seeds() -> None:
    first, second = (with_predictions([record(run(seed=seed))], {"a": 1.0}, wrong=0.1 + seed) for seed in (0, 1))
    (board,) = boards([*first, *second])
    (table,) = predictions(board)
    assert dict(zip(table.headers, table.rows[1], strict=True))["if wrong"] == "0.600"


def test_a_distance_that_is_not_there_is_a_question_mark() -> None:
    bare = record(run(), measurements=(plain("predictions", "share/a", 1.0, before=0.5),))
    assert named(bare, "after") == "a 1.000 (?)"
    assert named(record(), "after") == ""


def test_without_the_metric_there_is_no_table() -> None:
    (board,) = boards(sweep())
    assert predictions(board) == ()


@pytest.mark.parametrize("fmt", ["md", "latex"])
def test_leaderboards_show_them_once(fmt: str) -> None:
    records = with_predictions(sweep(), {"red cone": 1.0})
    text = render(records, fmt=fmt)
    assert text.count("Predictions on") == 3
    assert "red cone 1.000 (0.100)" in text
    assert "share/red cone" not in text  # no column for each class among the further metrics
