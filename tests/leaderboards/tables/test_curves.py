"""The table of curves in every format, its caption, and what is said where there is no area."""

import csv
import io
import re
from dataclasses import replace

import pytest

from tests.leaderboards.curve_examples import front, nothing
from tests.leaderboards.examples import cell, ended, only, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.curves import curves
from unlearn_bench.leaderboards.tables.curves import table
from unlearn_bench.leaderboards.tables.render import render
from unlearn_bench.leaderboards.tables.section import span


def some() -> list[Record]:
    return [
        *front("lip", (12, 30, 45), (8, 29, 44), (2, 27, 40)),
        *front("emb", (10, 28, 44), (9, 26, 40), access="semi-ZS"),
        *front("plain", (15, 30, 45), trials=16),
        *nothing(),
    ]


def test_a_row_says_area_and_every_point() -> None:
    board = only(some())
    found = table(board)
    assert found.title == "Curves: mini-rn, suite mini-curve"
    assert found.headers == (
        "rank", "method", "access", "area", "95 % interval", "point 1", "point 2", "point 3", "trials", "note",
    )  # fmt: skip
    assert [row[:3] for row in found.rows] == [
        ("1", "lip", "ZS"), ("2", "emb", "semi-ZS"), ("3", "plain", "ZS"), ("", "identity (reference)", "ZS"),
    ]  # fmt: skip
    (lip, *_) = curves(board)
    assert cell(found, "lip", "area") == f"{lip.area:.3f}"
    assert cell(found, "lip", "95 % interval") == span(lip.interval)
    kept = (29 / 30 + 44 / 45) / 2
    assert cell(found, "lip", "point 2") == f"0.500 / {kept:.3f}"
    assert cell(found, "emb", "point 3") == ""
    assert [cell(found, name, "trials") for name in ("lip", "plain", "identity (reference)")] == ["64", "16", "0"]
    assert [cell(found, name, "note") for name in ("lip", "emb", "plain")] == ["", "did not forget", "did not forget"]
    assert cell(found, "identity (reference)", "area") == "0.000"


def test_the_caption_says_how_points_were_chosen_and_what_the_area_is() -> None:
    said = " ".join(table(only(some())).paragraphs)
    assert "the front of 16 to 64 trials on tuning classes, measured again on the reported classes" in said
    assert "none was chosen by what is shown here" in said
    assert "union of the rectangles" in said
    assert "1000 resamples" in said
    assert "the front of 64 trials" in " ".join(table(only(front("lip", (2, 27, 40)))).paragraphs)


def test_what_is_said_without_an_area() -> None:
    whole = front("lip", (12, 30, 45), (8, 29, 44))
    found = table(only([*whole[:-1], ended(whole[-1], "failed", "x"), *nothing()]))
    assert cell(found, "lip", "area") == ""
    assert cell(found, "lip", "point 2") == "-"
    assert cell(found, "lip", "note") == "did not forget; 1 of 2 points measured, so no area"
    again = [replace(item, run=replace(item.run, hyperparameters={"strength": 7})) for item in whole[:3]]
    assert "points of more than one front" in cell(table(only(whole + again)), "lip", "note")
    by_hand = [replace(item, preset={"source": "given"}) for item in front("mine", (2, 27, 40))]
    untuned = table(only(by_hand))
    assert (cell(untuned, "mine", "rank"), cell(untuned, "mine", "note")) == ("-", "not tuned")
    assert cell(untuned, "mine", "trials") == "-"


def test_a_curve_board_has_no_ranked_tables() -> None:
    text = render(some(), fmt="md")
    assert "### Curves: mini-rn, suite mini-curve" in text
    assert not re.search("### Overall|### Costs|### Differences|### Forgetting from|irreversib|Presets:", text)
    both = render(some() + sweep(), fmt="md")
    assert "### Curves: mini-rn, suite mini-curve" in both
    assert "### Overall: mini-rn, suite mini\n" in both
    assert "Avg. Score:" in both
    assert "Avg. Score" not in text


@pytest.mark.parametrize("fmt", ["md", "latex"])
def test_every_format_has_the_table(fmt: str) -> None:
    text = render(some(), fmt=fmt)
    assert "Curves: mini-rn, suite mini-curve" in text
    assert "measured again on the reported classes" in text
    assert "0.500 / 0.972" in text


def test_cells_without_numbers_are_listed() -> None:
    whole = some()
    assert "loss is nan" in render([ended(whole[0], "failed", "loss is nan"), *whole[1:]], fmt="md")


def test_the_long_table_has_areas_and_points() -> None:
    lines = list(csv.DictReader(io.StringIO(render(some() + sweep(), fmt="csv"))))
    mine = [line for line in lines if line["suite"] == "mini-curve"]
    assert {line["metric"] for line in mine} == {"dominated-area", "forgetting", "retention"}
    (area,) = (line for line in mine if line["metric"] == "dominated-area" and line["method"] == "lip")
    (lip, *_) = curves(only(some()))
    assert lip.interval is not None
    assert [float(area[name]) for name in ("after", "low", "high")] == pytest.approx(
        [lip.area, lip.interval.low, lip.interval.high], abs=1e-5
    )
    assert (area["rank"], area["done"], area["planned"]) == ("1", "9", "9")
    gone = [line for line in mine if line["metric"] == "forgetting" and line["method"] == "lip"]
    assert [line["group"] for line in gone] == ["point 1 of 3", "point 2 of 3", "point 3 of 3"]
    assert [float(line["after"]) for line in gone] == pytest.approx([0.25, 0.5, 0.875])
    assert {line["metric"] for line in lines if line["suite"] == "mini"} >= {"average-score", "pareto-front"}
