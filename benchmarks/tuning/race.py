"""One method's search: every setting on a class or two, and only the leading ones on all.

A race asks for cells and is told their records; who runs them, where and how many at a time, is not its business.
What it asks for depends on what it was told and on nothing else: a search that was killed goes on where it was, since
the cells that are done have records, and a longer budget begins with the trials of a shorter one. More than `HEAT` of
them race in heats: what a search of one heat tries on all classes, a longer one tries too, and finds no less.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import optuna

from unlearn_bench.benchmarks.sweep.tasks import Task
from unlearn_bench.benchmarks.tuning.space import Space, Values, suggest
from unlearn_bench.benchmarks.tuning.trial import Trial, leading, tried
from unlearn_bench.leaderboards.records.record import Record

Need = tuple[Values, Task]
"""A cell: a setting, and what is forgotten."""

Race = Generator[list[Need], list[Record], tuple[Trial, ...]]
"""Yields the cells that it needs now, is sent their records in that order, and returns all trials as they began."""

SAMPLER = (
    "optuna TPE, seed 0, 100 candidates, four trials at a time, 12 before it learns; the published values, "
    "where the defaults are others, and the defaults are the first trials"
)
PRUNER = (
    "each trial on one class; on a second one if it is in the best quarter so far and forgot .05; then an eighth of "
    "all (at least five) on four, half of those (at least five) on eight, and so on: one half the best, the other "
    "those that add most to the front"
)
HEAT = 64
"""So many trials race with each other; of more, the next as many among themselves."""

OBJECTIVE = "class-averaged Avg. Score, mean over datasets, plus what is missing to forgetting .5; one seed"

_STARTUP = 12
_CANDIDATES = 100
"""Drawn for each trial, of which the most promising is tried."""

_BATCH = 4
"""Trials that are asked for together. It does not depend on the number of workers: else results would."""

_FIRST = 2
"""Classes on which the better trials are tried at once."""

_NOTHING = 0.05
"""Under so much forgetting on the first class no second one is tried."""

_QUARTER, _EIGHTH, _HALF = 4, 8, 2
_FEWEST = 5
"""So many at least go on: the points of a curve."""


@dataclass(eq=False)
class _Runner:
    """A setting on its way, with the records of the classes that it was tried on."""

    values: Values
    records: list[Record] = field(default_factory=list)

    @property
    def trial(self) -> Trial:
        return tried(self.values, self.records)


def new_study(space: Space) -> optuna.Study:
    """The sampler, with what it is to try first."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=_STARTUP, n_ei_candidates=_CANDIDATES)
    study = optuna.create_study(sampler=sampler)
    for values in space.first:
        study.enqueue_trial(dict(values))
    return study


def race(space: Space, tasks: Sequence[Task], *, trials: int) -> Race:
    """Search `space` with a budget of `trials`.

    Args:
        tasks: what is forgotten in a trial, those that are tried first in front.
    """
    study = new_study(space)
    runners: list[_Runner] = []
    firsts: list[float] = []  # what came of the first class
    for size in _heats(trials):
        heat = yield from _heat(study, space, tasks, firsts, size)
        yield from _final(heat, tasks)
        runners += heat
    return tuple(runner.trial for runner in runners)


def pruner(trials: int) -> str:
    """How trials of such a budget are sorted out, in words."""
    return PRUNER if trials <= HEAT else f"{PRUNER}; each {HEAT} trials among themselves"


def _heats(trials: int) -> list[int]:
    """Numbers of trials that race with each other."""
    return [min(HEAT, trials - start) for start in range(0, trials, HEAT)]


def _heat(
    study: optuna.Study, space: Space, tasks: Sequence[Task], firsts: list[float], size: int
) -> Generator[list[Need], list[Record], list[_Runner]]:
    """Trials on a class, and the better ones on a second; `firsts` grows by what came of the first."""
    runners: list[_Runner] = []
    while len(runners) < size:
        asked = [study.ask() for _ in range(min(_BATCH, size - len(runners)))]
        began = [_Runner(values=suggest(trial, space)) for trial in asked]
        yield from _run(began, tasks[:1])
        firsts += [runner.trial.worth for runner in began]
        bar = sorted(firsts)[(len(firsts) - 1) // _QUARTER]
        better = [runner for runner in began if runner.trial.worth <= bar and runner.trial.forgetting >= _NOTHING]
        yield from _run(better, tasks[:_FIRST])
        for trial, runner in zip(asked, began, strict=True):
            study.tell(trial, runner.trial.worth)
        runners += began
    return runners


def _final(runners: Sequence[_Runner], tasks: Sequence[Task]) -> Generator[list[Need], list[Record], None]:
    """The leading ones on twice as many classes each time, until some were tried on all."""
    size, share, racing = _FIRST, _EIGHTH, list(runners)
    while size < len(tasks):
        racing = _leading(racing, max(_FEWEST, len(racing) // share))
        size, share = min(2 * size, len(tasks)), _HALF
        yield from _run(racing, tasks[:size])


def _leading(runners: Sequence[_Runner], count: int) -> list[_Runner]:
    """Half of them those that were tried on most classes with the least `worth`; the others those that add most to
    the trade-off on the classes that all were tried on."""
    fewest = min(len(runner.records) for runner in runners)
    by_worth = sorted(
        runners, key=lambda runner: (bool(runner.trial.reason), -runner.trial.classes, runner.trial.worth)
    )
    best = by_worth[: (count + 1) // 2]
    common = [tried(runner.values, runner.records[:fewest]) for runner in runners]
    chosen = leading(common, count, among=[common[runners.index(runner)] for runner in best])
    return [runner for trial in chosen for runner, own in zip(runners, common, strict=True) if own is trial]


def _run(runners: Sequence[_Runner], tasks: Sequence[Task]) -> Generator[list[Need], list[Record], None]:
    """Try each on those of the classes that it was not tried on; one that failed on a class is decided."""
    running = [runner for runner in runners if all(record.status == "ok" for record in runner.records)]
    needs = [(runner, task) for runner in running for task in tasks[len(runner.records) :]]
    if needs:
        found = yield [(runner.values, task) for runner, task in needs]
        for (runner, _), record in zip(needs, found, strict=True):
            runner.records.append(record)


def most_cells(trials: int, tasks: int) -> int:
    """How many cells a race asks for at most."""
    return sum(_most_of_heat(size, tasks) for size in _heats(trials))


def _most_of_heat(trials: int, tasks: int) -> int:
    cells, size, racing, share = trials * min(_FIRST, tasks), _FIRST, trials, _EIGHTH
    while size < tasks:
        racing, there = min(racing, max(_FEWEST, racing // share)), size
        size, share = min(2 * size, tasks), _HALF
        cells += racing * (size - there)
    return cells
