"""`unlearn-bench forget`: unlearn classes from one model and write it out."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import typer

from unlearn_bench.benchmarks.commands.run import with_data
from unlearn_bench.benchmarks.inspection.report import examine
from unlearn_bench.benchmarks.presets.preset import Presets, presets_for
from unlearn_bench.benchmarks.referee.conditions import conditions_for
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import Workbench, choose_device, open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice, load_method
from unlearn_bench.benchmarks.sweep.tasks import find_classes
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.models.sources import save_model
from unlearn_bench.registry import catalogue

BEST = "best"
"""In place of a method's name: the best of those with settings for this model that applies."""

_METRICS = ("accuracy", "average-score")
"""What the card says."""


def execute(
    *,
    model: str,
    start: Path | None,
    classes: Sequence[str],
    out: Path,
    method: str,
    suite: str,
    data: Sequence[str] | None,
    template: str,
    presets: Path | None,
    seed: int,
    threads: int,
    device: str,
    skip_bad: bool = False,
) -> int:
    """Unlearn, measure before and after, and write the folder; 1 if the method failed or does not apply."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{str(out)!r} is no empty folder; give a new one, nothing is overwritten")
    chosen = with_data(load_suite(suite), data)
    known = presets_for(model, given=presets, suite=chosen.file)
    candidates = ranked(known) if method == BEST else (Candidate(method=method),)
    if not candidates:
        raise InputError(
            f"no method has settings for {model!r}; find some with `unlearn-bench tune --model {model}`, or name one "
            "with --method"
        )
    load_method(candidates[0].method)
    choice = Choice(
        models=[model], seeds=[seed], metrics=_METRICS, presets=presets, template=template, classes=classes
    )
    conditions = conditions_for(choose_device(device), 1, threads)
    torch.set_num_threads(conditions.threads)
    (setting,) = settings_for(chosen, choice, device=conditions.device, skip_bad=skip_bad)
    bench = open_workbench(replace(setting, weights=None if start is None else str(start)))
    examine([item.dataset for item in bench.evaluated.values()], bench.clip)
    dataset, names = chosen_task(bench, classes)
    for candidate in candidates:
        task = replace(
            choice, methods=[candidate.method], tasks=[(dataset, bench.evaluated[dataset].dataset.canonical(names))]
        )
        (cell,) = cells_for(chosen, task, bench)
        if method == BEST:
            typer.echo(f"method {candidate}", err=True)
        kept: list[Clip] = []
        record = run_cell(cell, bench, conditions, keep=kept.append).record
        if record.status == "ok":
            how = save_model(kept[0], out, card(record, start=start))
            for line in costs(record):
                typer.echo(line)
            typer.echo(f"wrote {out}; load it with {how}")
            return 0
        typer.echo(f"{record.status}: {record.reason}", err=True)
        if record.status == "failed":
            break
    return 1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A method that may be used, and why: its score on the tuning classes, among how many."""

    method: str
    score: float | None = None
    among: int = 0

    def __str__(self) -> str:
        if self.score is not None:
            return (
                f"{self.method}: best of {self.among} with settings for this model that applies "
                f"(Avg. Score {self.score:.3f} on tuning classes)"
            )
        return f"{self.method}: published settings for this model" if self.among else self.method


def ranked(known: Presets) -> tuple[Candidate, ...]:
    """The competitors with settings for a model, the best on the tuning classes first.

    Those of which no setting forgot with less harm than good come after all that did; last those with published
    settings, which nobody has compared.
    """
    methods = catalogue("methods")
    competitors = [
        name for name in known.methods if name in methods and methods[name].facts.get("kind", "method") == "method"
    ]
    found = [(name, known.of(name).provenance) for name in competitors]
    scored = sorted(
        (facts.get("found") is False, float(facts["score"]), name) for name, facts in found if "score" in facts
    )
    tuned = [Candidate(method=name, score=score, among=len(found)) for _, score, name in scored]
    rest = [Candidate(method=name, among=len(found)) for name, facts in found if "score" not in facts]
    return (*tuned, *rest)


def costs(record: Record) -> Iterator[str]:
    """Accuracy before and after: of what was forgotten, of its dataset's other classes, of each other dataset."""
    said = {"target": f"target {' + '.join(record.run.forget)}", "other": "other classes of {}", "all": "{}"}
    said["control"] = "{} (control)"
    for group, words in said.items():
        for item in record.matching("accuracy"):
            if item.group == group and item.before is not None and item.after is not None:
                name = words.format(item.dataset)
                yield f"{name}: accuracy {item.before:.3f} before, {item.after:.3f} after ({item.n} images)"
    score = record.find("average-score")
    if score is not None and score.after is not None and score.n:
        yield f"Avg. Score {score.after:.3f} (doing nothing {1 / score.n:.3f}; lower is better)"


def chosen_task(bench: Workbench, classes: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The one dataset and the classes in it that are forgotten together."""
    datasets = {name: item.dataset for name, item in bench.evaluated.items() if not item.control}
    found = find_classes(classes, datasets)
    owners = sorted({dataset for dataset, _ in found})
    if len(owners) != 1:
        raise InputError(
            f"the classes are of {len(owners)} datasets ({', '.join(owners)}); forget those of one dataset at a time"
        )
    return owners[0], tuple(name for _, names in found for name in names)


def card(record: Record, *, start: Path | None = None) -> dict[str, Any]:
    """What was done to the model, for the folder: what, how, and the numbers before and after."""
    return {
        "what": {"dataset": record.run.dataset, "forgotten": list(record.run.forget)},
        **({"from": _earlier(start)} if start is not None else {}),
        "how": {
            "model": record.run.model,
            "fingerprint": record.run.fingerprint,
            "method": record.run.method,
            "hyperparameters": json.loads(json.dumps(record.run.hyperparameters, default=list)),
            "preset": record.preset.get("source"),
            "seed": record.run.seed,
        },
        "measured": [
            {
                "metric": item.metric,
                "dataset": item.dataset,
                "group": item.group,
                "before": item.before,
                "after": item.after,
                "n": item.n,
            }
            for item in record.measurements
        ],
        "provenance": dict(record.provenance),
    }


def _earlier(start: Path) -> dict[str, Any]:
    """What the card of the model from which this one was made says of it, and of those before."""
    path = start / "card.json" if start.is_dir() else start.with_name("card.json")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"weights": start.name}
    kept = {key: told[key] for key in ("what", "from", "how") if isinstance(told, dict) and key in told}
    return {"weights": start.name, **kept}
