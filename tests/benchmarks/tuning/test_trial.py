"""Trials: scores by hand, and which of them lead."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.support import plan, write_method, write_suite
from tests.benchmarks.tuning.support import CLASSES
from unlearn_bench.benchmarks.tuning.trial import FAILED_SCORE, Trial, area, front, leading, tried
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.metrics.base import Measurement


def accuracy(dataset: str, group: str, before: float, after: float) -> Measurement:
    return Measurement(metric="accuracy", version=1, dataset=dataset, group=group, before=before, after=after, n=10)


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Two classes of one dataset: target .8 to .2 and .4 to .1, the other classes .5 to .4, nothing elsewhere."""
    path = write_suite(tmp_path, classes=CLASSES)
    cells = plan(path, [write_method(tmp_path, "return clip")], classes=["green", "blue"])
    numbers: dict[tuple[str, ...], tuple[float, float]] = {("green",): (0.8, 0.2), ("blue",): (0.4, 0.1)}
    return [
        Record(
            run=cell.run,
            status="ok",
            measurements=(
                accuracy("folder:warm", "target", *numbers[cell.run.forget]),
                accuracy("folder:warm", "other", 0.5, 0.4),
                accuracy("folder:cold", "all", 0.9, 0.9),
            ),
        )
        for cell in cells
    ]


def test_scores_by_hand(records: list[Record]) -> None:
    """Class-averaged: (.8 + .4) / 2 to (.2 + .1) / 2 is .25; other .5 to .4 loses .2; cold loses nothing."""
    trial = tried({"strength": 1.0}, records)
    assert trial.classes == 2
    assert trial.score == pytest.approx((0.25 + 0.2 + 0.0) / 3)
    assert trial.idle == pytest.approx(1 / 3)
    assert trial.forgetting == pytest.approx(0.75)
    assert trial.retention == pytest.approx((0.8 + 1.0) / 2)
    assert trial.worth == trial.score
    assert trial.forgot
    assert trial.did_good


def test_what_was_never_known_does_not_count(records: list[Record]) -> None:
    """The others all wrong before: what is left is the target against the other dataset."""
    changed = [
        dataclasses.replace(
            record,
            measurements=(
                record.measurements[0],
                accuracy("folder:warm", "other", 0.0, 0.3),
                *record.measurements[2:],
            ),
        )
        for record in records
    ]
    trial = tried({}, changed)
    assert trial.score == pytest.approx((0.25 + 0.0) / 2)
    assert trial.idle == pytest.approx(1 / 2)
    nothing = [
        dataclasses.replace(
            r, measurements=(r.measurements[0], *(accuracy(m.dataset, m.group, 0, 0) for m in r.measurements[1:]))
        )
        for r in records
    ]
    assert tried({}, nothing).score == pytest.approx(0.25)
    assert tried({}, nothing).retention == 1.0


def test_a_failed_cell_scores_as_the_worst(records: list[Record]) -> None:
    trial = tried({}, [records[0], dataclasses.replace(records[1], status="failed", reason="no")])
    assert (trial.score, trial.forgetting, trial.retention) == (FAILED_SCORE, 0.0, 0.0)
    assert trial.reason == "failed: no"
    assert not trial.forgot
    assert math.isnan(trial.idle)


def test_what_can_not_be_scored_is_one_line(records: list[Record]) -> None:
    lacking = dataclasses.replace(records[0], measurements=records[0].measurements[:2])
    with pytest.raises(InputError, match="'folder:cold' has no images to measure 'all' accuracy on"):
        tried({}, [lacking])
    unknown = accuracy("folder:warm", "target", 0.0, 0.0)
    with pytest.raises(InputError, match="gets the tuning classes of 'folder:warm' all wrong"):
        tried({}, [dataclasses.replace(records[0], measurements=(unknown, *records[0].measurements[1:]))])


def point(
    forgetting: float, retention: float, *, classes: int = 2, name: float | None = None, reason: str = ""
) -> Trial:
    return Trial(
        hyperparameters={"x": forgetting * 10 + retention if name is None else name},
        classes=classes,
        score=(1 - forgetting + 4 * (1 - retention)) / 5,
        idle=0.2,
        forgetting=forgetting,
        retention=retention,
        reason=reason,
    )


def test_doing_nothing_is_worse_than_forgetting_at_a_price() -> None:
    """By the score alone it is the other way round: .2 against .28."""
    idle, priced = point(0.0, 1.0), point(0.8, 0.7)
    assert idle.score < priced.score
    assert idle.worth == pytest.approx(0.2 + 0.5)
    assert priced.worth == priced.score


def test_the_area_by_counting_points() -> None:
    """The share of random points of the unit square that some trial beats in both."""
    draws = np.random.default_rng(0).random((200_000, 2))
    trials = [point(0.3, 0.95), point(0.7, 0.8), point(0.9, 0.4), point(0.6, 0.5)]
    dominated = np.any([(draws[:, 0] < t.forgetting) & (draws[:, 1] < t.retention) for t in trials], axis=0)
    assert area(trials) == pytest.approx(dominated.mean(), abs=0.005)
    assert area([point(0.0, 1.0)]) == area([]) == 0.0
    assert area([point(1.0, 1.0)]) == 1.0


def test_the_leading_trials_span_the_trade_off() -> None:
    best, near, far, little, idle = (
        point(0.8, 0.95),
        point(0.81, 0.94),
        point(1.0, 0.6),
        point(0.3, 0.99),
        point(0.0, 1.0),
    )
    chosen = leading([idle, near, far, little, best], 3)
    assert chosen[0] is best
    assert {id(trial) for trial in chosen[1:]} == {id(far), id(little)}
    assert leading([idle, near, far, little, best], 99)[-1] is idle


def test_who_failed_comes_last_and_equal_settings_count_once() -> None:
    failed, fair = point(0.0, 0.0, reason="no"), point(0.1, 1.0)
    assert leading([failed, fair], 2) == [fair, failed]
    twice = [point(0.5, 0.5, name=1.0), point(0.5, 0.5, name=1.0)]
    assert len(leading(twice, 5)) == 1


def test_some_are_taken_whatever_they_add() -> None:
    near, far, best = point(0.79, 0.94), point(1.0, 0.6), point(0.8, 0.95)
    chosen = leading([best, near, far], 2, among=[near])
    assert chosen[0] is near
    assert chosen[1] is far or chosen[1] is best
    assert leading([best, near, far], 1, among=[near, best]) == [near]


def test_the_front_leaves_out_what_is_beaten_and_doing_nothing() -> None:
    trials = [point(0.0, 1.0), point(0.5, 0.9), point(0.4, 0.8), point(0.9, 0.7), point(0.9, 0.7, name=7.0)]
    assert [(t.forgetting, t.retention) for t in front(trials)] == [(0.5, 0.9), (0.9, 0.7)]
