"""Tuning: the same number of trials for every method, on validation images of classes that no table reports.

Each method's search is a race (`race.py`). All races ask for their next cells at once, and these are run as a sweep
runs its own: in parallel, through workers that die, each leaving a record. The records stay in the cache folder, by
model; what was tried before is not tried again.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from unlearn_bench.benchmarks.engines.engine import Engine
from unlearn_bench.benchmarks.presets.preset import build_method, resolved
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.sweep.plan import run_for
from unlearn_bench.benchmarks.sweep.players import LoadedMethod, load_metrics
from unlearn_bench.benchmarks.sweep.runner import carry_out
from unlearn_bench.benchmarks.sweep.tasks import Task
from unlearn_bench.benchmarks.sweep.work import Done
from unlearn_bench.benchmarks.tuning.race import Need, Race, most_cells, race
from unlearn_bench.benchmarks.tuning.space import Space, Values, space_of
from unlearn_bench.benchmarks.tuning.trial import Trial, front, leading
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.records.storage import CELLS, read_records
from unlearn_bench.synthesis.settings import SynthesisSettings

_METRICS = ("accuracy", "seconds")

POINTS = 5
"""At most so many settings of a method's front are kept, for its curve."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every method gets alike.

    Attributes:
        trials: of each method. tasks: what is forgotten in a trial. synthesis: settings of the synthetic images.
        suite: whose tuning it is, for the records.
    """

    trials: int
    tasks: tuple[Task, ...]
    synthesis: SynthesisSettings
    suite: Suite


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What tuning one method came to.

    Attributes:
        reference: whether the method only shows the scale.
        best: the setting that is chosen (`chosen`). forgot: of those that forgot, the one of least score, or None.
        front: up to five trials on all classes that no other beats in forgetting and retention, by forgetting.
    """

    method: str
    reference: bool
    space: Space
    trials: tuple[Trial, ...]
    best: Trial
    forgot: Trial | None
    front: tuple[Trial, ...]

    @property
    def nothing_found(self) -> str:
        """Why there is no setting to write down: what the last trial failed of, where all of them did."""
        return self.trials[-1].reason if all(trial.reason for trial in self.trials) else ""


Telling = Callable[[int, int], None]
"""Hears how many cells were run, and how many there will be at most."""


def tune(
    methods: Sequence[LoadedMethod],
    bench: Workbench,
    budget: Budget,
    *,
    out: Path,
    engine: Engine,
    telling: Telling,
    fresh: bool = False,
) -> Iterator[Tuned]:
    """Search the declared ranges of each method with the same budget; each is given out as its search ends.

    Args:
        out: folder of the trials' records. fresh: try anew what was tried before.

    Raises:
        InputError: a method declares nothing to tune, or a class on which nothing can be forgotten.
    """
    spaces = {method.kind.name: space_of(method.kind, bench.clip) for method in methods}
    kinds = {method.kind.name: method for method in methods}
    desk = Desk(bench=bench, budget=budget, out=out, engine=engine, telling=telling, fresh=fresh)
    desk.most = len(methods) * most_cells(budget.trials, len(budget.tasks))
    races = {name: race(space, budget.tasks, trials=budget.trials) for name, space in spaces.items()}
    needs = {name: next(item) for name, item in races.items()}
    while needs:
        asked = {name: [desk.cell(kinds[name], need) for need in wanted] for name, wanted in needs.items()}
        desk.work([cell for cells in asked.values() for cell in cells])
        needs = {}
        for name, cells in asked.items():
            answer = _send(races[name], [desk.records[cell.run.key] for cell in cells])
            if isinstance(answer, list):
                needs[name] = answer
            else:
                reference = kinds[name].kind.kind == "reference"
                yield chosen(name, spaces[name], answer, reference=reference)


def chosen(method: str, space: Space, trials: Sequence[Trial], *, reference: bool = False) -> Tuned:
    """What is taken from the trials of a method.

    The setting of least score among those that forgot with less harm than good (`Trial.did_good`); where there is
    none, among those that forgot; and where none forgot, of all. Only trials on all classes count, if there are any.

    Args:
        reference: whether the method only shows the scale: then it need not have forgotten.
    """
    sound = [trial for trial in trials if not trial.reason] or list(trials)
    furthest = max(trial.classes for trial in sound)
    whole = [trial for trial in sound if trial.classes == furthest]
    forgot = [trial for trial in whole if trial.forgot] or [trial for trial in sound if trial.forgot]
    good = [trial for trial in whole if trial.did_good]
    if reference:
        good, forgot = whole, []
    return Tuned(
        method=method,
        reference=reference,
        space=space,
        trials=tuple(trials),
        best=min(good or [trial for trial in whole if trial.forgot] or whole, key=lambda trial: trial.score),
        forgot=min(forgot, key=lambda trial: trial.score) if forgot else None,
        front=tuple(sorted(leading(front(whole), POINTS), key=lambda trial: trial.forgetting)),
    )


def tuning_run(method: LoadedMethod, values: Values, task: Task, bench: Workbench, budget: Budget) -> Run:
    """What is run in a trial: a setting on a class, with nothing measured but accuracies."""
    dataset, forget = task
    return run_for(
        f"tune-{budget.suite.name}",
        bench,
        method=method,
        hyperparameters=resolved(build_method(method.kind, values)),
        dataset=dataset,
        forget=forget,
        metrics={name: metric.version for name, (_, metric) in load_metrics(_METRICS).items()},
        synthesis=budget.synthesis,
        seed=0,
    )


def tuning_cell(method: LoadedMethod, values: Values, task: Task, bench: Workbench, budget: Budget) -> Cell:
    """A trial on one class."""
    return Cell(
        run=tuning_run(method, values, task, bench, budget),
        setting=bench.setting,
        method_target=method.target,
        metric_targets=tuple(target for target, _ in load_metrics(_METRICS).values()),
        preset={"source": "given"},
    )


def _send(item: Race, records: list[Record]) -> list[Need] | tuple[Trial, ...]:
    """What the race wants next, or all its trials once it is over."""
    try:
        return item.send(records)
    except StopIteration as end:
        trials: tuple[Trial, ...] = end.value
        return trials


@dataclass(kw_only=True)
class Desk:
    """Where cells are made of what races ask for, run, and their records kept at hand.

    Attributes:
        records: of this search, by key. done: cells that were run for it. most: cells that there may be in all,
            those left out that had been run before.
    """

    bench: Workbench
    budget: Budget
    out: Path
    engine: Engine
    telling: Telling
    fresh: bool
    records: dict[str, Record] = field(default_factory=dict)
    done: int = 0
    most: int = 0

    def cell(self, method: LoadedMethod, need: Need) -> Cell:
        """The cell of a setting and a class."""
        values, task = need
        return tuning_cell(method, values, task, self.bench, self.budget)

    def work(self, cells: Sequence[Cell]) -> None:
        """Run those that were not run; what failed before is tried again, once."""
        there = {} if self.fresh else self._read([cell.run.key for cell in cells if cell.run.key not in self.records])
        self.records |= {key: record for key, record in there.items() if record.status == "ok"}
        waiting = {cell.run.key: cell for cell in cells if cell.run.key not in self.records}
        self.most -= len(cells) - len(waiting)
        carry_out(
            self._longest_first(waiting.values()), self.out, self.engine, listener=self._listen, fresh=self.fresh
        )
        self.records |= self._read(waiting)
        gone = [key for key in waiting if key not in self.records]
        if gone:
            raise InputError(
                f"{len(gone)} records of trials are gone from {str(self.out / CELLS)!r}, {gone[0]!r} for one; see "
                "that nobody moves files there, then run again: all other trials are kept"
            )

    def _longest_first(self, cells: Iterable[Cell]) -> list[Cell]:
        """By the seconds that their methods took so far, so that no worker waits for a long one at the end."""
        taken: dict[str, list[float]] = {}
        for record in self.records.values():
            found = record.find("seconds", group="method")
            taken.setdefault(record.run.method, []).append((found.after if found else None) or 0.0)
        means = {name: mean(seconds) for name, seconds in taken.items()}
        return sorted(cells, key=lambda cell: means.get(cell.run.method, math.inf), reverse=True)

    def _listen(self, _: Done) -> None:
        self.done += 1
        self.telling(self.done, self.most)

    def _read(self, keys: Iterable[str]) -> dict[str, Record]:
        wanted = set(keys)
        paths = [path for key in wanted if (path := self.out / CELLS / f"{key}.json").is_file()]
        return {record.run.key: record for record in read_records(paths).records if record.run.key in wanted}
