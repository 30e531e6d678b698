"""A race: who is asked for, in which order, and that all get the same budget."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.benchmarks.support import plan, write_method, write_suite
from unlearn_bench.benchmarks.sweep.tasks import Task
from unlearn_bench.benchmarks.tuning.race import HEAT, PRUNER, Need, most_cells, pruner, race
from unlearn_bench.benchmarks.tuning.space import Space
from unlearn_bench.benchmarks.tuning.trial import Trial
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.methods.base import Range
from unlearn_bench.metrics.base import Measurement
from unlearn_bench.seeding import generator

TASKS: tuple[Task, ...] = tuple(("folder:warm", (name,)) for name in "abcdefgh")
ONE = Space(ranges={"x": Range(low=0.0, high=1.0)}, first=({"x": 0.25},))

Outcome = tuple[float, float]
"""Forgetting and retention."""


@pytest.fixture
def record(tmp_path: Path) -> Callable[[Outcome], Record]:
    """Makes a record of a real cell of the suite with these numbers."""
    path = write_suite(tmp_path)
    (cell,) = plan(path, [write_method(tmp_path, "return clip")], classes=["green"])

    def make(outcome: Outcome) -> Record:
        numbers = [("folder:warm", "target", 1 - outcome[0]), ("folder:warm", "other", outcome[1])]
        numbers.append(("folder:cold", "all", outcome[1]))
        return Record(
            run=cell.run,
            status="ok" if not math.isnan(outcome[0]) else "failed",
            reason="" if not math.isnan(outcome[0]) else "nan",
            measurements=tuple(
                Measurement(metric="accuracy", version=1, dataset=name, group=group, before=1.0, after=after, n=10)
                for name, group, after in numbers
            ),
        )

    return make


def run(
    record: Callable[[Outcome], Record],
    of: Callable[[Mapping[str, Any], Task], Outcome],
    *,
    trials: int,
    space: Space = ONE,
    tasks: tuple[Task, ...] = TASKS,
) -> tuple[tuple[Trial, ...], list[list[Need]]]:
    """The trials of a race in which `of` says what comes of a cell, and what it asked for."""
    racing = race(space, tasks, trials=trials)
    asked = [next(racing)]
    while True:
        try:
            asked.append(racing.send([record(of(values, task)) for values, task in asked[-1]]))
        except StopIteration as end:
            return end.value, asked


def hump(values: Mapping[str, Any], _: Task) -> Outcome:
    """Forgets above .5, and keeps less the further it goes."""
    return (min(1.0, max(0.0, 2 * values["x"] - 0.6)), 1 - 0.5 * max(0.0, values["x"] - 0.6))


def always(forgetting: float, retention: float) -> Callable[[Mapping[str, Any], Task], Outcome]:
    """Whatever is tried, this comes of it."""

    def of(_: Mapping[str, Any], __: Task) -> Outcome:
        return forgetting, retention

    return of


def test_all_are_tried_on_one_class_and_the_leading_ones_on_all(record: Callable[[Outcome], Record]) -> None:
    trials, asked = run(record, hump, trials=64)
    assert len(trials) == 64
    assert trials[0].hyperparameters == {"x": 0.25}, "the published setting is tried first"
    tried = [
        [task for needs in asked for values, task in needs if values == trial.hyperparameters] for trial in trials
    ]
    assert all(seen[0] == TASKS[0] for seen in tried)
    counts = sorted({trial.classes for trial in trials})
    assert counts == [1, 2, 4, 8]
    assert 8 <= sum(trial.classes >= 2 for trial in trials) < 48
    assert sum(trial.classes == 8 for trial in trials) == 5
    assert sum(trial.classes >= 4 for trial in trials) == 8
    assert sum(len(needs) for needs in asked) <= most_cells(64, 8) == 64 * 2 + 8 * 2 + 5 * 4


def test_it_costs_less_than_a_quarter_of_trying_each_on_all(record: Callable[[Outcome], Record]) -> None:
    _, asked = run(record, hump, trials=64)
    assert sum(len(needs) for needs in asked) < 64 * 8 / 3


def test_the_hopeless_are_tried_on_one_class_only(record: Callable[[Outcome], Record]) -> None:
    for outcome in ((0.04, 1.0), (math.nan, 1.0)):
        _, asked = run(record, always(*outcome), trials=16, tasks=TASKS[:2])
        assert {task for needs in asked for _, task in needs} == {TASKS[0]}


def test_equal_budgets_whatever_comes_of_it(record: Callable[[Outcome], Record]) -> None:
    """The number of trials is the budget's, for good methods and bad ones, small spaces and large ones."""
    large = Space(
        ranges={
            "x": Range(low=0.0, high=1.0),
            "y": Range(low=1e-4, high=1.0, log=True),
            "z": Range(choices=(1, 2, 4)),
        },
        first=({"x": 0.5, "y": 0.1, "z": 2}, {"x": 0.2, "y": 0.1, "z": 2}),
    )
    for of in (hump, always(0.0, 1.0), always(math.nan, 1.0)):
        for space in (ONE, large):
            for budget in (1, 6, 16):
                trials, asked = run(record, of, trials=budget, space=space)
                assert len(trials) == budget
                assert sum(len(needs) for needs in asked) <= most_cells(budget, len(TASKS))


def test_a_longer_budget_begins_with_the_trials_of_a_shorter_one(record: Callable[[Outcome], Record]) -> None:
    short, _ = run(record, hump, trials=6)
    long, _ = run(record, hump, trials=30)
    assert [trial.hyperparameters for trial in long[:6]] == [trial.hyperparameters for trial in short]


@pytest.mark.parametrize("trials", [65, 128, 150])
def test_a_longer_budget_tries_on_all_classes_what_a_shorter_one_did(
    trials: int, record: Callable[[Outcome], Record]
) -> None:
    """Whoever is lucky on the first class can't crowd out what a shorter search would have found: each heat has its
    own final."""
    noise = generator("luck")
    luck = [float(value) for value in torch.rand(1000, generator=noise)]

    def lucky(values: Mapping[str, Any], task: Task) -> Outcome:
        """The first class says little of the others, and the more trials there are, the less."""
        forgetting, retention = hump(values, task)
        return forgetting, retention - (0.4 * luck[int(values["x"] * 999)] if task == TASKS[0] else 0.0)

    short, _ = run(record, lucky, trials=HEAT)
    long, asked = run(record, lucky, trials=trials)
    assert len(long) == trials
    assert [(trial.hyperparameters, trial.classes) for trial in long[:HEAT]] == [
        (trial.hyperparameters, trial.classes) for trial in short
    ]
    rest = [trial for trial in long[HEAT:] if trial.classes == len(TASKS)]
    assert len(rest) >= min(5, trials - HEAT)
    assert sum(len(needs) for needs in asked) <= most_cells(trials, len(TASKS))
    assert pruner(HEAT) == PRUNER
    assert pruner(trials) == f"{PRUNER}; each 64 trials among themselves"


def test_the_same_results_lead_to_the_same_trials(record: Callable[[Outcome], Record]) -> None:
    assert run(record, hump, trials=20) == run(record, hump, trials=20)


def narrow(values: Mapping[str, Any], _: Task) -> Outcome:
    """Forgets in a twelfth of the range of one hyperparameter, and there only with little of another: below it
    does nothing, above it everything is lost."""
    strength = math.log10(values["x"])
    if strength < -2.2:
        return 0.0, 1.0
    if strength > -1.85:
        return 1.0, 0.1
    return 0.9, 0.95 if values["y"] < 0.3 else 0.6


NARROW = Space(
    ranges={"x": Range(low=1e-4, high=1.0, log=True), "y": Range(low=0.0, high=1.0)}, first=({"x": 1e-4, "y": 0.5},)
)


def test_a_narrow_good_region_is_found_by_the_budget(record: Callable[[Outcome], Record]) -> None:
    trials, _ = run(record, narrow, trials=64, space=NARROW)
    assert min(trial.score for trial in trials if trial.classes == 8) == pytest.approx((0.1 + 2 * 0.05) / 3)


def test_who_can_not_forget_ends_with_no_trial_that_did(record: Callable[[Outcome], Record]) -> None:
    trials, _ = run(record, lambda values, task: (0.0, 1 - values["x"]), trials=16)
    assert not any(trial.forgot for trial in trials)


@pytest.mark.parametrize(
    ("tasks", "most"), [(1, 64), (2, 128), (3, 128 + 8), (4, 128 + 16), (16, 128 + 16 + 20 + 40)]
)
def test_any_number_of_classes(tasks: int, most: int, record: Callable[[Outcome], Record]) -> None:
    names: tuple[Task, ...] = tuple(("folder:warm", (str(number),)) for number in range(tasks))
    trials, asked = run(record, hump, trials=64, tasks=names)
    assert max(trial.classes for trial in trials) == tasks
    assert sum(len(needs) for needs in asked) <= most_cells(64, tasks) == most
