"""The picture of curves: whose lines are in it, in which colour, and that names are all there."""

import re
from xml.etree import ElementTree

from tests.leaderboards.curve_examples import front, nothing
from tests.leaderboards.examples import ended, only, svg_of, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.tables.curve_plot import COLOURS, colours, lines, shown
from unlearn_bench.leaderboards.tables.figure import draw

SVG = "{http://www.w3.org/2000/svg}"


def many(count: int = 9) -> list[Record]:
    found = [
        item
        for place in range(count)
        for item in front(f"method-{place}", (14 - place, 30, 45), (10 - place, 28, 44), (12 - place, 20, 30))
    ]
    return found + nothing()


def words(svg: str) -> list[str]:
    return ["".join(item.itertext()) for item in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_lines_are_the_points_that_were_measured() -> None:
    records = front("lip", (12, 30, 45), (2, 27, 40), (8, 25, 36)) + nothing()
    (found, reference) = lines(only(records))
    assert found.name == "lip"
    assert [round(dot.forgetting, 3) for dot in found.dots] == [0.25, 0.5, 0.875]
    assert [round(dot.forgetting, 3) for dot in found.joined] == [0.25, 0.875]  # the middle one is beaten
    assert reference.is_reference
    assert found.dots[0].across.low < 0.25 < found.dots[0].across.high
    broken = lines(only([*records[:3], ended(records[3], "failed", "x"), *records[4:]]))
    assert len(broken[0].dots) == 2


def test_the_largest_areas_have_a_colour_that_is_theirs_in_every_panel() -> None:
    board = only(many())
    found = colours([board])
    assert list(found) == [f"method-{place}" for place in (8, 7, 6, 5, 4, 3)]
    assert tuple(found.values()) == COLOURS
    drawn = lines(board, found)
    assert {line.name for line in drawn if line.bold} == set(found)
    assert not any(line.bold for line in drawn if line.is_reference)
    other = front("method-3", (1, 30, 45), (0, 28, 44), model="mini-vit", fingerprint="beef")
    assert next(iter(colours(boards(many() + other)))) == "method-3"


def test_every_name_is_written_once() -> None:
    text = svg_of(only(many()))
    said = words(text)
    for name in (*(f"method-{place}" for place in range(9)), "identity", "mini-rn, suite mini-curve"):
        assert said.count(name) == 1
    for name in ("ZS", "reference", "beaten by another point of its method"):
        assert name in said
    assert text == svg_of(only(many()))
    assert set(re.findall(r"stroke: (#[0-9a-f]{6})", text)) >= {colour.lower() for colour in COLOURS}


def test_a_reference_below_all_methods_is_named() -> None:
    noise = front("random-weights", (0, 2, 3), kind="reference")
    drawn, below = shown(only(many(3) + noise))
    assert [line.name for line in below] == ["random-weights"]
    assert {line.name for line in drawn} == {"method-0", "method-1", "method-2", "identity"}
    assert "not shown: random-weights (forgetting 1.00, retention .07)" in words(svg_of(only(many(3) + noise)))


def test_a_method_below_with_all_its_points_is_named_and_one_that_only_ends_there_is_drawn() -> None:
    wrecked, falling = front("wrecked", (0, 2, 3), (0, 1, 2)), front("falling", (9, 29, 44), (0, 2, 3))
    drawn, below = shown(only(many(3) + wrecked + falling))
    assert [line.name for line in below] == ["wrecked"]
    assert {"falling", "identity"} < {line.name for line in drawn}


def test_curves_stand_beside_points() -> None:
    said = words(draw(boards(many(3) + sweep("amns")), fmt="svg").decode())
    for name in ("mini-rn, suite mini", "mini-rn, suite mini-curve", "amns", "method-2", "not on the front"):
        assert said.count(name) == 1
    assert said.count("ZS") == 1
    assert said.count("reference") == 1
