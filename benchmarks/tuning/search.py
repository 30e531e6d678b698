"""Tuning: the same number of trials for every method, on validation images of classes that no table reports.

A trial runs the method on every tuning class through the referee, and its score is the table's: the class-averaged
Avg. Score of each dataset, averaged over datasets. Its cells leave records in the tuning folder; the sampler draws
the same trials from the same results, so a tuning run that was killed goes on where it stopped.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna

from unlearn_bench.benchmarks.presets.preset import build_method, resolved
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.sweep.plan import run_for
from unlearn_bench.benchmarks.sweep.players import LoadedMethod, load_metrics
from unlearn_bench.benchmarks.sweep.work import work
from unlearn_bench.benchmarks.tuning.classes import Task
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import CELLS, read_records
from unlearn_bench.methods.base import Range, search_space
from unlearn_bench.metrics.score import ClassAccuracies, UndefinedScore, class_averaged_score
from unlearn_bench.synthesis.settings import SynthesisSettings

FAILED_SCORE = 1.0
"""What a trial scores in which a cell fails: as bad as a method that keeps the target and destroys the rest."""

FORGOTTEN = 0.1
"""Target AF/BF at or below which a trial counts as having forgotten."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial: its hyperparameters, its score, and the ratio of target accuracies after and before.

    Attributes:
        reason: why a cell of it has no numbers; empty where all have.
    """

    hyperparameters: Mapping[str, Any]
    score: float
    target_ratio: float
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What tuning one method came to.

    Attributes:
        best: the trial of the least score. forgot: the best among those that forgot, or None.
        curve: the least score after 1, 2, .. trials.
    """

    method: str
    space: Mapping[str, Range]
    classes: tuple[str, ...]
    trials: tuple[Trial, ...]
    best: Trial
    forgot: Trial | None
    curve: tuple[float, ...]

    @property
    def nothing_found(self) -> str:
        """Why there is no setting to write down: what the last trial failed of, where all of them did."""
        return self.trials[-1].reason if all(trial.reason for trial in self.trials) else ""


def tune_method(
    suite: Suite,
    method: LoadedMethod,
    bench: Workbench,
    *,
    tasks: Sequence[Task],
    synthesis: SynthesisSettings,
    trials: int,
    out: Path,
    conditions: Conditions,
    say: Callable[[str], None],
) -> Tuned:
    """Search the method's declared ranges; the first trial is its defaults.

    Args:
        tasks: what is forgotten in a trial, of `tuning_tasks`. synthesis: the settings of the synthetic images.

    Raises:
        InputError: the method declares nothing to tune.
    """
    space = search_space(method.kind)
    if not space:
        raise InputError(
            f"method {method.kind.name!r} declares nothing to tune; give a field a range with tunable(..)"
        )
    done: list[Trial] = []

    def objective(asked: optuna.Trial) -> float:
        values = {name: _suggest(asked, name, where) for name, where in space.items()}
        trial = _try(suite, method, values, bench, tasks=tasks, synthesis=synthesis, out=out, conditions=conditions)
        done.append(trial)
        say(
            f"{method.kind.name} trial {len(done)}/{trials}: score {trial.score:.4f}, "
            f"target AF/BF {trial.target_ratio:.3f}"
        )
        return trial.score

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=max(4, trials // 3)))
    defaults = build_method(method.kind, {})
    study.enqueue_trial({name: getattr(defaults, name) for name in space})
    study.optimize(objective, n_trials=trials)
    best = min(done, key=lambda trial: trial.score)
    forgot = [trial for trial in done if trial.target_ratio <= FORGOTTEN]
    return Tuned(
        method=method.kind.name,
        space=space,
        classes=tuple(f"{dataset}/{'+'.join(names)}" for dataset, names in tasks),
        trials=tuple(done),
        best=best,
        forgot=min(forgot, key=lambda trial: trial.score) if forgot else None,
        curve=tuple(min(trial.score for trial in done[: end + 1]) for end in range(len(done))),
    )


def _try(
    suite: Suite,
    method: LoadedMethod,
    values: Mapping[str, Any],
    bench: Workbench,
    *,
    tasks: Sequence[Task],
    synthesis: SynthesisSettings,
    out: Path,
    conditions: Conditions,
) -> Trial:
    metrics = load_metrics(["accuracy"])
    records: list[Record] = []
    for dataset, forget in tasks:
        run = run_for(
            f"tune-{suite.name}",
            bench,
            method=method,
            hyperparameters=resolved(build_method(method.kind, values)),
            dataset=dataset,
            forget=forget,
            metrics={name: metric.version for name, (_, metric) in metrics.items()},
            synthesis=synthesis,
            seed=0,
        )
        cell = Cell(
            run=run,
            setting=bench.setting,
            method_target=method.target,
            metric_targets=tuple(target for target, _ in metrics.values()),
            preset={"source": "given"},
        )
        work(cell, out, conditions)
        records += read_records([out / CELLS / f"{run.key}.json"]).records
        if records[-1].status != "ok":
            break  # the score is decided
    score, ratio = score_records(records)
    reason = next((f"{record.status}: {record.reason}" for record in records if record.status != "ok"), "")
    return Trial(hyperparameters=values, score=score, target_ratio=ratio, reason=reason)


def score_records(records: Sequence[Record]) -> tuple[float, float]:
    """Score of a trial and its target AF/BF, both over datasets; `FAILED_SCORE` and nan where a cell failed."""
    if any(record.status != "ok" for record in records):
        return FAILED_SCORE, math.nan
    scores, ratios = [], []
    for dataset in dict.fromkeys(record.run.dataset for record in records):
        rows = [record for record in records if record.run.dataset == dataset]
        classes = [_accuracies(record, dataset) for record in rows]
        try:
            scores.append(class_averaged_score(classes))
        except UndefinedScore as error:
            raise InputError(f"tuning on {dataset!r} can't be scored ({error}); choose other classes") from error
        ratios.append(sum(c.target[1] for c in classes) / sum(c.target[0] for c in classes))
    return sum(scores) / len(scores), sum(ratios) / len(ratios)


def _accuracies(record: Record, dataset: str) -> ClassAccuracies:
    scored = [item.name for item in record.run.evaluation if not item.control]
    return ClassAccuracies(
        target=_pair(record, dataset, "target"),
        others=tuple(_pair(record, name, "other" if name == dataset else "all") for name in scored),
    )


def _pair(record: Record, dataset: str, group: str) -> tuple[float, float]:
    found = record.find("accuracy", dataset=dataset, group=group)
    if found is None or found.before is None or found.after is None:
        raise InputError(f"{dataset!r} has no images to measure {group!r} accuracy on; tuning needs them")
    return found.before, found.after


def _suggest(trial: optuna.Trial, name: str, where: Range) -> float | int:
    if where.choices:
        return trial.suggest_categorical(name, where.choices)
    if isinstance(where.low, int) and isinstance(where.high, int):
        return trial.suggest_int(name, where.low, where.high, log=where.log)
    return _number(trial.suggest_float(name, where.low, where.high, log=where.log))


def to_preset(tuned: Tuned, *, suite: Suite, conditions: Conditions) -> dict[str, Any]:
    """The preset table of a tuned method, with everything that says how it was found."""
    table: dict[str, Any] = {
        "source": "tuned",
        "trials": len(tuned.trials),
        "sampler": "optuna TPE, seed 0; the first trial is the defaults",
        "objective": "class-averaged Avg. Score, mean over datasets, one seed",
        "images": "val",
        "suite": suite.name,
        "classes": list(tuned.classes),
        "tuned_parameters": len(tuned.space),
        "score": round(tuned.best.score, 4),
        "target_ratio": round(tuned.best.target_ratio, 4),
        "curve": [round(value, 4) for value in tuned.curve],
        "commit": conditions.commit or "",
        "space": {name: _plain(where) for name, where in tuned.space.items()},
        "hyperparameters": dict(tuned.best.hyperparameters),
    }
    if tuned.forgot is not None:
        table["best_that_forgot"] = {
            "score": round(tuned.forgot.score, 4),
            "target_ratio": round(tuned.forgot.target_ratio, 4),
            **tuned.forgot.hyperparameters,
        }
    return table


def _plain(where: Range) -> dict[str, Any]:
    facts = asdict(where)
    return {"choices": list(facts["choices"])} if where.choices else {k: facts[k] for k in ("low", "high", "log")}


def _number(value: float) -> float:
    """Four significant digits: what is tried is what the preset file says."""
    return value if isinstance(value, int) else float(f"{value:.4g}")
