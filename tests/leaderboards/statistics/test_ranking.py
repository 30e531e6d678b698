"""Who may be ranked, and ties."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.leaderboards.examples import DIGITS, SHAPES, record, run
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.ranking import Standing, rank, standing_of


@pytest.mark.parametrize(
    ("preset", "standing"),
    [
        ({"source": "tuned"}, "ranked"),
        ({"source": "paper"}, "ranked"),
        ({"source": "paper-per-class"}, "apart"),
        ({"source": "default"}, "not tuned"),
        ({"source": "given"}, "not tuned"),
        ({}, "not tuned"),
        ({"source": "tuned", "classes": {SHAPES: ["green cube"], DIGITS: ["red cube"]}}, "ranked"),
        ({"source": "tuned", "classes": {SHAPES: ["green cube", "red cube"]}}, "apart"),
        ({"source": "tuned", "classes": ["green cube", "red cube"]}, "apart"),
        ({"source": "tuned", "classes": [f"{SHAPES}/red cube"]}, "apart"),
        ({"source": "tuned", "classes": [f"{DIGITS}/red cube"]}, "ranked"),
        ({"source": "tuned", "classes": 3}, "ranked"),
    ],
)
def test_presets(preset: Mapping[str, Any], standing: Standing) -> None:
    assert standing_of([record(preset=preset)]) == standing


def test_nothing_to_tune_can_be_ranked() -> None:
    assert standing_of([record(run(hyperparameters={}), preset={"source": "default"})]) == "ranked"


def test_references_are_references_whatever_their_preset() -> None:
    for preset in ({"source": "tuned"}, {"source": "paper-per-class"}, {}):
        assert standing_of([record(run(kind="reference"), preset=preset)]) == "reference"


def test_one_untuned_cell_is_enough() -> None:
    assert standing_of([record(), record(preset={"source": "given"})]) == "not tuned"


@dataclass(frozen=True)
class Score:
    score: float | None


@dataclass(frozen=True)
class Line:
    label: str
    overall: Score
    standing: Standing = "ranked"


def places(lines: list[Line], width: float) -> list[tuple[str, int | None]]:
    def paired(one: Line, other: Line) -> Interval | None:
        if one.overall.score is None or other.overall.score is None or width < 0:
            return None
        gap = one.overall.score - other.overall.score
        return Interval(low=gap - width, high=gap + width)

    return [(line.label, place) for line, place in rank(lines, paired)]


def lines(*scores: float | None) -> list[Line]:
    return [Line(chr(97 + place), Score(score)) for place, score in enumerate(scores)]


def test_best_first_and_ties_by_the_first_of_a_group() -> None:
    # b is within reach of a; c is within reach of b only, so it starts a group; d ties with c.
    assert places(lines(0.10, 0.15, 0.18, 0.24), 0.07) == [("a", 1), ("b", 1), ("c", 3), ("d", 3)]
    assert places(lines(0.4, 0.3, 0.2), 0.01) == [("c", 1), ("b", 2), ("a", 3)]
    assert places(lines(0.2, 0.2, 0.3), -1) == [("a", 1), ("b", 1), ("c", 3)]


def test_no_score_no_rank() -> None:
    assert places(lines(None, 0.3), 0.01) == [("b", 1), ("a", None)]


def test_what_is_not_ranked_stands_by_its_score_and_is_not_counted() -> None:
    mixed = [
        Line("reference", Score(0.0), "reference"),
        Line("untuned", Score(0.1), "not tuned"),
        Line("apart", Score(0.35), "apart"),
        Line("second", Score(0.4)),
        Line("ranked", Score(0.3)),
        Line("no score", Score(None), "not tuned"),
    ]
    assert places(mixed, 0.01) == [
        ("untuned", None), ("ranked", 1), ("apart", None), ("second", 2), ("no score", None), ("reference", None)
    ]  # fmt: skip
    assert dict(places(mixed, 0.2))["second"] == 1
