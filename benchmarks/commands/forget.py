"""`unlearn-bench forget`: unlearn classes from one model and write it out."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import typer

from unlearn_bench.benchmarks.commands.run import with_data
from unlearn_bench.benchmarks.referee.conditions import conditions_for
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import Workbench, choose_device, open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice, load_method
from unlearn_bench.benchmarks.sweep.tasks import find_class
from unlearn_bench.cache import make_folder
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.models.open_clip_model import OpenClip
from unlearn_bench.models.sources import save_model

_METRICS = ("accuracy", "average-score")
"""What the card says."""


def execute(
    *,
    model: str,
    classes: Sequence[str],
    out: Path,
    method: str,
    suite: str,
    data: Sequence[str] | None,
    seed: int,
    threads: int,
    device: str,
) -> int:
    """Unlearn, measure before and after, and write the folder; 1 if the method failed or does not apply."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{str(out)!r} is no empty folder; give a new one, nothing is overwritten")
    load_method(method)
    chosen = with_data(load_suite(suite), data)
    choice = Choice(models=[model], methods=[method], seeds=[seed], metrics=_METRICS)  # audits are for tables
    conditions = conditions_for(choose_device(device), 1, threads)
    torch.set_num_threads(conditions.threads)
    (setting,) = settings_for(chosen, replace(choice, classes=classes), device=conditions.device, skip_bad=False)
    bench = open_workbench(setting)
    if not isinstance(bench.clip, OpenClip):
        raise InputError(f"model {model!r} was not built by open_clip, which is what the folder is written for")
    make_folder(out, what="output folder")
    dataset, names = chosen_task(bench, classes)
    task = replace(choice, classes=[f"{dataset}/{'+'.join(names)}"])
    (cell,) = cells_for(chosen, task, bench)
    kept: list[Clip] = []
    record = run_cell(cell, bench, conditions, keep=kept.append).record
    if record.status != "ok":
        typer.echo(f"{record.status}: {record.reason}", err=True)
        return 1
    (unlearned,) = kept
    if not isinstance(unlearned, OpenClip):
        raise InputError(f"method {method!r} gave a {type(unlearned).__name__}; an open_clip model was expected")
    save_model(unlearned, out, card(record))
    target = record.find("accuracy", group="target")
    if target is not None:
        typer.echo(f"target accuracy {target.before:.3f} before, {target.after:.3f} after ({target.n} images)")
    typer.echo(f"wrote {out}; load it with open_clip.create_model_and_transforms('local-dir:{out}')")
    return 0


def chosen_task(bench: Workbench, classes: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The one dataset and the classes in it that are forgotten together."""
    datasets = {name: item.dataset for name, item in bench.evaluated.items() if not item.control}
    found = [find_class(name, datasets) for name in classes]
    owners = sorted({dataset for dataset, _ in found})
    if len(owners) != 1:
        raise InputError(
            f"the classes are of {len(owners)} datasets ({', '.join(owners)}); forget those of one dataset at a time"
        )
    return owners[0], tuple(name for _, names in found for name in names)


def card(record: Record) -> dict[str, Any]:
    """What was done to the model, for the folder: what, how, and the numbers before and after."""
    return {
        "what": {"dataset": record.run.dataset, "forgotten": list(record.run.forget)},
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
