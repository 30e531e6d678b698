"""The search against the straightforward one: four times the trials, in less time, in one run on this machine.

    python -m unlearn_bench.benchmarks.speed.search_against_all --methods amns,ssd,null-space

The race tries each setting on one class, and only the leading ones on all, on a dozen validation images of each
class. The straightforward search tries each setting on every tuning class and on all validation images. Both have the
same sampler, the same first trials, and start with the same caches of images, embeddings and synthetic images. What
is printed is the ratio of their seconds, and the best scores on all tuning classes.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from tabulate import tabulate

from unlearn_bench.benchmarks.engines.engine import Engine
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.players import Choice, LoadedMethod, load_method
from unlearn_bench.benchmarks.tuning.classes import tuning_tasks
from unlearn_bench.benchmarks.tuning.race import new_study
from unlearn_bench.benchmarks.tuning.search import Budget, Desk, chosen, tune
from unlearn_bench.benchmarks.tuning.settings import validation
from unlearn_bench.benchmarks.tuning.space import space_of, suggest
from unlearn_bench.benchmarks.tuning.trial import Trial, tried
from unlearn_bench.mistakes import mistakes_in_a_line

app = typer.Typer(add_completion=False)


def _silent(_: int, __: int) -> None:
    """Nobody waits for a word here."""


def straightforward(
    method: LoadedMethod, bench: Workbench, budget: Budget, *, out: Path, engine: Engine
) -> list[Trial]:
    """Each setting on every class; the sampler is told the score."""
    desk = Desk(bench=bench, budget=budget, out=out, engine=engine, telling=_silent, fresh=True)
    space = space_of(method.kind, bench.clip)
    study = new_study(space)
    trials = []
    for _ in range(budget.trials):
        asked = study.ask()
        values = suggest(asked, space)
        cells = [desk.cell(method, (values, task)) for task in budget.tasks]
        desk.work(cells)
        trials.append(tried(values, [desk.records[cell.run.key] for cell in cells]))
        study.tell(asked, trials[-1].score)
    return trials


def _timed(
    names: Sequence[str], model: str, *, trials: int, against: int
) -> list[tuple[str, float, float, float, float, float]]:
    """For each method: seconds of the race and of the other, their ratio, and the best score of either."""
    suite = load_suite("mini")
    (setting,) = settings_for(suite, Choice(models=[model]), device="cpu", skip_bad=False)
    engine = Local(conditions=Conditions(device="cpu", jobs=1, threads=1, commit=None))
    torch.set_num_threads(1)
    few = open_workbench(validation(setting))
    tasks = tuning_tasks(suite, few).tasks
    images = presets_for(model).synthesis()
    rows = []
    for name in names:
        method = load_method(name)
        budget = Budget(trials=trials, tasks=tasks, synthesis=images, suite=suite)
        seconds, best = [], []
        with tempfile.TemporaryDirectory() as scratch:
            for place, bench in enumerate((few, open_workbench(replace(validation(setting), per_class=0)))):
                for item in bench.evaluated.values():
                    _ = item.before
                part = Path(scratch) / str(place)
                warm = replace(budget, trials=1)
                list(tune([method], bench, warm, out=part / "warm", engine=engine, telling=_silent))
                began = time.perf_counter()
                if place == 0:
                    found = next(tune([method], bench, budget, out=part, engine=engine, telling=_silent))
                else:
                    own = replace(budget, trials=against)
                    done = straightforward(method, bench, own, out=part, engine=engine)
                    found = chosen(name, space_of(method.kind, bench.clip), done)
                seconds.append(time.perf_counter() - began)
                best.append(found.best.score)
        rows.append((name, seconds[0], seconds[1], seconds[0] / seconds[1], best[0], best[1]))
    return rows


@app.command()
@mistakes_in_a_line
def main(
    methods: Annotated[str, typer.Option(help="Names; commas between.")] = "amns,ssd,null-space,random-labels",
    model: Annotated[str, typer.Option(help="An embedded model.")] = "mini-rn",
    trials: Annotated[int, typer.Option(help="Of the race.", min=1)] = 64,
    against: Annotated[int, typer.Option(help="Of the straightforward search.", min=1)] = 16,
) -> None:
    """Print seconds and best scores of both searches, and the ratio of seconds.

    Example: python -m unlearn_bench.benchmarks.speed.search_against_all --methods ssd
    """
    rows = _timed(methods.split(","), model, trials=trials, against=against)
    whole = sum(row[1] for row in rows) / sum(row[2] for row in rows)
    headers = ("method", f"race of {trials}, s", f"all of {against}, s", "ratio", "best: race", "best: all")
    typer.echo(tabulate(rows, headers=headers, floatfmt=".3f"))
    typer.echo(f"together: {whole:.2f} of the time")


if __name__ == "__main__":
    app()
