"""Curves: the area that points dominate, against throwing darts; which rows make one; ranks and gaps."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.leaderboards.curve_examples import front, nothing
from tests.leaderboards.examples import FORGET, ended, only, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.curves import Curve, curves, dominated_area, is_curve
from unlearn_bench.leaderboards.statistics.intervals import interval


def by_label(records: Sequence[Record]) -> dict[str, Curve]:
    return {curve.label: curve for curve in curves(only(records))}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_area_is_the_share_of_darts_that_land_below_a_point(count: int) -> None:
    generator = np.random.default_rng(count)
    gone, kept = generator.random((2, count, 20))
    darts = generator.random((40_000, 2))
    for draw, area in enumerate(dominated_area(gone, kept)):
        below = (darts[:, :1] <= gone[:, draw]) & (darts[:, 1:] <= kept[:, draw])
        assert below.any(axis=1).mean() == pytest.approx(area, abs=0.015)


def test_the_area_of_two_points_is_their_rectangles_less_what_both_have() -> None:
    generator = np.random.default_rng(3)
    gone, kept = generator.random((2, 2, 100))
    both = gone.min(axis=0) * kept.min(axis=0)
    assert np.allclose(dominated_area(gone, kept), (gone * kept).sum(axis=0) - both)


def test_the_ends_of_the_scale_and_what_is_undefined() -> None:
    assert dominated_area(np.array([0.0, 1.0]), np.array([1.0, 0.0])).item() == 0.0
    assert dominated_area(np.array([1.0, 0.3]), np.array([1.0, 1.0])).item() == 1.0
    assert np.isnan(dominated_area(np.array([0.5, np.nan]), np.array([0.5, 0.5])))
    assert np.isnan(dominated_area(np.array([0.5]), np.array([np.nan])))
    assert np.isnan(dominated_area(np.zeros((0, 3)), np.zeros((0, 3)))).all()


def test_rows_of_one_method_are_one_curve() -> None:
    found = by_label(front("lip", (12, 30, 45), (8, 27, 40), (9, 26, 39)) + front("emb", (4, 28, 44)) + nothing())
    assert found.keys() == {"lip", "emb", "identity"}
    lip = found["lip"]
    assert [point.number for point in lip.points] == [1, 2, 3]
    assert [point.on_front for point in lip.points] == [True, True, False]
    assert [point.forgetting for point in lip.points] == pytest.approx([1 - 12 / 16, 1 - 8 / 16, 1 - 9 / 16])
    kept = (27 / 30 + 40 / 45) / 2
    assert lip.points[1].retention == pytest.approx(kept)
    assert lip.area == pytest.approx(0.25 * 1 + 0.25 * kept)
    assert found["identity"].area == 0
    assert found["identity"].standing == "reference"
    assert found["identity"].expected == 1


def test_the_interval_is_of_the_area_of_every_resample() -> None:
    board = only(front("lip", (12, 30, 45), (8, 27, 40)) + nothing())
    (lip,) = (curve for curve in curves(board) if curve.label == "lip")
    (first, second) = (point.row.shares for point in lip.points)
    left, right = (
        np.minimum(first["forgetting"], second["forgetting"]),
        np.maximum(first["forgetting"], second["forgetting"]),
    )
    far = np.where(second["forgetting"] >= first["forgetting"], second["retention"], first["retention"])
    best = np.maximum(first["retention"], second["retention"])
    expected = interval(left * best + (right - left) * far)
    assert lip.interval is not None
    assert expected is not None
    assert (lip.interval.low, lip.interval.high) == pytest.approx((expected.low, expected.high))
    assert lip.area is not None
    assert lip.interval.low <= lip.area <= lip.interval.high


def test_shares_are_resampled_with_what_the_row_s_intervals_are_of() -> None:
    for row in only(front("lip", (8, 27, 40))).rows:
        for name, draws in row.shares.items():
            assert interval(draws) == row.overall.intervals[name]


def test_ranks_by_area_with_ties_and_references_apart() -> None:
    records = front("good", (2, 29, 44), (8, 30, 45)) + front("more", (1, 27, 42), (8, 30, 45))
    records += front("bad", (14, 20, 30))
    found = curves(only(records + nothing()))
    assert [(curve.label, curve.place) for curve in found] == [
        ("more", 1), ("good", 1), ("bad", 3), ("identity", None),
    ]  # fmt: skip
    untuned = [replace(item, preset={"source": "default"}) for item in front("mine", (0, 30, 45))]
    found = curves(only(records + untuned))
    assert [(curve.label, curve.place, curve.standing) for curve in found][:2] == [
        ("mine", None, "not tuned"), ("more", 1, "ranked"),
    ]  # fmt: skip


def test_no_area_where_a_point_is_missing_or_of_another_front() -> None:
    whole = front("lip", (12, 30, 45), (8, 27, 40), (2, 20, 30))
    cells = sum(map(len, FORGET.values()))
    lost = by_label(whole[:-cells] + nothing())["lip"]
    assert (lost.area, lost.expected, len(lost.measured), lost.mixed, lost.place) == (None, 3, 2, False, None)
    broken = by_label([*whole[:-1], ended(whole[-1], "failed", "loss is nan"), *nothing()])["lip"]
    assert (broken.area, len(broken.points), len(broken.measured)) == (None, 3, 2)
    again = [replace(item, run=replace(item.run, hyperparameters={"strength": 9})) for item in whole[:cells]]
    twice = by_label(whole + again)["lip"]
    assert (twice.area, twice.mixed) == (None, True)
    assert by_label(whole + front("other", (1, 1, 1)))["lip"].area is not None


def test_other_versions_are_other_curves() -> None:
    found = by_label(front("lip", (8, 27, 40)) + front("lip", (6, 27, 40), method_version=2))
    assert found.keys() == {"lip (version=1)", "lip (version=2)"}


def test_rows_without_outcomes_have_an_area_and_no_interval() -> None:
    bare = [
        replace(item, measurements=tuple(replace(said, outcomes="") for said in item.measurements))
        for item in front("lip", (8, 30, 45))
    ]
    lip = by_label(bare)["lip"]
    assert lip.area == pytest.approx(0.5)
    assert lip.interval is None


def test_a_suite_s_name_says_what_its_rows_are() -> None:
    assert is_curve(only(front("lip", (8, 30, 45))))
    assert not is_curve(only(sweep()))
