"""`unlearn-bench tune`: equal budgets, written as presets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import tomli_w
import torch
import typer

from unlearn_bench.benchmarks.presets.preset import preset_file, read_presets
from unlearn_bench.benchmarks.referee.conditions import Conditions, conditions_for
from unlearn_bench.benchmarks.referee.workbench import Setting, choose_device, open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_methods, load_method
from unlearn_bench.benchmarks.tuning.search import to_preset, tune_method
from unlearn_bench.cache import make_folder, write_text
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import search_space
from unlearn_bench.registry import is_path_target

VALIDATION_SPLIT = "val"
RUNS = Path("runs")
"""Where trials leave their records, wherever the presets are written."""


def execute(
    *,
    suite: str,
    model: str | None,
    methods: Sequence[str] | None,
    trials: int,
    jobs: int,
    threads: int,
    device: str,
    out: Path | None,
) -> int:
    """Tune the methods and write the preset file, method by method as each is done."""
    chosen = load_suite(suite)
    name = model or chosen.models[0]
    setting = Setting(
        model=name,
        datasets=chosen.datasets,
        control=(),
        train_split=chosen.train_split,
        test_split=VALIDATION_SPLIT,
        device=choose_device(device),
    )
    conditions = conditions_for(setting.device, jobs, threads)
    target = out or RUNS / preset_file(name).name
    make_folder(target.parent, what="preset folder")
    folder = make_folder(RUNS / f"tune-{chosen.name}-{preset_file(name).stem}", what="tuning folder")
    names = chosen_methods(chosen, Choice(methods=methods))
    wanted = _tunable([name for name in names if name not in chosen.variants])  # they take their method's preset
    torch.set_num_threads(conditions.threads)
    open_workbench(setting)  # decode and embed once, before the workers ask for it all at once
    table: dict[str, Any] = dict(read_presets(target))
    done = joblib.Parallel(n_jobs=min(conditions.jobs, len(wanted)), return_as="generator_unordered")(
        joblib.delayed(_tune)(
            method, suite=chosen, setting=setting, trials=trials, folder=folder, conditions=conditions
        )
        for method in wanted
    )
    for method, preset in done:
        table[method] = preset
        write_text(target, tomli_w.dumps(dict(sorted(table.items()))))
        ratio = preset["target_ratio"]
        typer.echo(f"{method}: score {preset['score']:.4f}, target AF/BF {ratio:.3f}, written to {target}")
    return 0


def _tunable(names: Sequence[str]) -> list[str]:
    """The methods that declare ranges; one that was asked for by itself and declares none is an error."""
    found = [name for name in names if search_space(load_method(name).kind)]
    if not found:
        raise InputError(f"nothing to tune in {', '.join(names)}; give fields ranges with tunable(..)")
    return found


def _tune(
    method: str, *, suite: Suite, setting: Setting, trials: int, folder: Path, conditions: Conditions
) -> tuple[str, dict[str, Any]]:
    """Tune one method in this process; plain data goes in and comes out."""
    torch.set_num_threads(conditions.threads)
    loaded = load_method(method)
    tuned = tune_method(
        suite,
        loaded,
        open_workbench(setting),
        trials=trials,
        out=folder / (loaded.kind.name if not is_path_target(method) else f"outside-{loaded.kind.name}"),
        conditions=conditions,
        say=lambda line: typer.echo(line, err=True),
    )
    return loaded.kind.name, to_preset(tuned, suite=suite, conditions=conditions)
