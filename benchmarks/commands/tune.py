"""`unlearn-bench tune`: equal budgets, written as presets that `run` finds."""

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import tomli_w
import torch
import typer

from unlearn_bench import __version__
from unlearn_bench.benchmarks.commands.run import with_data
from unlearn_bench.benchmarks.presets.places import home_of, preset_name
from unlearn_bench.benchmarks.presets.preset import ABOUT, SYNTHESIS, Presets, merged, presets_for, read_presets
from unlearn_bench.benchmarks.referee.conditions import Conditions, conditions_for
from unlearn_bench.benchmarks.referee.workbench import Setting, Workbench, choose_device, open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_methods, load_method
from unlearn_bench.benchmarks.tuning.classes import Task, tuning_tasks
from unlearn_bench.benchmarks.tuning.search import to_preset, tune_method
from unlearn_bench.benchmarks.tuning.synthesis import tune_synthesis
from unlearn_bench.cache import make_folder, write_text
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import search_space
from unlearn_bench.registry import is_path_target
from unlearn_bench.synthesis.settings import SynthesisSettings

VALIDATION_SPLIT = "val"
RUNS = Path("runs")
"""Where trials leave their records, and settings that have no place beside a model or a suite."""


def execute(
    *,
    suite: str,
    model: str | None,
    data: Sequence[str] | None,
    template: str,
    classes: Sequence[str] | None,
    methods: Sequence[str] | None,
    synthesis: bool,
    trials: int,
    jobs: int,
    threads: int,
    device: str,
    presets: Path | None,
    out: Path | None,
) -> int:
    """Tune the synthetic images where nobody did, then the methods, and write the preset file as each is done.

    1 if no method has settings in the end.
    """
    chosen = with_data(load_suite(suite), data)
    name = model or chosen.models[0]
    names = [] if methods is None and synthesis else chosen_methods(chosen, Choice(methods=methods or ["all"]))
    wanted = _tunable([item for item in names if item not in chosen.variants]) if names else []
    choice = Choice(models=[name], classes=classes, template=template)
    conditions = conditions_for(choose_device(device), jobs, threads)
    torch.set_num_threads(conditions.threads)
    bench = open_workbench(_validation(chosen, choice, conditions))  # decode and embed once, before the workers ask
    tasks = tuning_tasks(chosen, bench, choice)
    home = home_of(name, suite=chosen.file)
    target = out or presets or home or RUNS / "presets" / f"{preset_name(name)}.toml"
    target = target / f"{preset_name(name)}.toml" if target.is_dir() else target
    table = _started(target, name, bench)
    known = presets_for(name, given=presets if presets and presets.exists() else None, suite=chosen.file)
    known = merged(name, [target, *(Path(file) for file in dict.fromkeys(known.files.values()))])
    images = known.synthesis()
    if synthesis or (SYNTHESIS not in known.tables and _use_images(wanted)):
        images = _tune_images(bench, tasks, known, table, target)
    found = []
    for method, preset, reason in _searches(
        wanted, suite=chosen, bench=bench, tasks=tasks, synthesis=images, trials=trials, conditions=conditions
    ):
        if reason:
            typer.echo(f"{method}: no trial came to its end, so no settings are written ({reason})", err=True)
            continue
        found.append(method)
        table[method] = preset
        _write(target, table)
        ratio = preset["target_ratio"]
        typer.echo(f"{method}: score {preset['score']:.4f}, target AF/BF {ratio:.3f}, written to {target}")
    if wanted and not found:
        return 1
    command = next_command(
        suite=suite,
        model=name,
        data=data,
        template=template,
        classes=classes,
        methods=[item for item in wanted if load_method(item).kind.name in found] if methods else [],
        presets=None if home is not None and target.resolve() == home.resolve() else target,
    )
    typer.echo(f"next: {command}")
    return 0


def _searches(
    methods: Sequence[str],
    *,
    suite: Suite,
    bench: Workbench,
    tasks: Sequence[Task],
    synthesis: SynthesisSettings,
    trials: int,
    conditions: Conditions,
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What `_tune` gives for each method, side by side, in the order in which they end."""
    model = f"{preset_name(bench.setting.model)}-{bench.fingerprint[:6]}"
    folder = make_folder(RUNS / f"tune-{suite.name}-{model}", what="tuning folder")
    found: Iterator[tuple[str, dict[str, Any], str]] = joblib.Parallel(
        n_jobs=max(1, min(conditions.jobs, len(methods))), return_as="generator_unordered"
    )(
        joblib.delayed(_tune)(
            method,
            suite=suite,
            setting=bench.setting,
            tasks=tasks,
            synthesis=synthesis,
            trials=trials,
            folder=folder,
            conditions=conditions,
        )
        for method in methods
    )
    return found


def next_command(
    *,
    suite: str,
    model: str,
    data: Sequence[str] | None,
    template: str,
    classes: Sequence[str] | None,
    methods: Sequence[str],
    presets: Path | None,
) -> str:
    """The `run` that uses what was found, ready to be pasted."""
    words = ["unlearn-bench", "run", "--suite", suite, "--model", model]
    for option, value in (
        ("--data", ",".join(data or ())),
        ("--template", template),
        ("--classes", ",".join(classes or ())),
        ("--methods", ",".join(["identity", *methods]) if methods else ""),
        ("--presets", str(presets or "")),
    ):
        words += [option, value] if value else []
    return shlex.join(words)


def _validation(suite: Suite, choice: Choice, conditions: Conditions) -> Setting:
    """The workbench of a tuning run: what `run` would open, measured on validation images and without controls."""

    (setting,) = settings_for(suite, choice, device=conditions.device, skip_bad=False)
    return replace(setting, control=(), test_split=VALIDATION_SPLIT, precision="fp32")


def _started(target: Path, model: str, bench: Workbench) -> dict[str, Any]:
    """What the preset file holds already, with the model that it is for.

    Raises:
        InputError: it was written for a model with other weights, or nothing can be written there.
    """
    make_folder(target.parent, what="preset folder")
    if not os.access(target.parent, os.W_OK):  # now, not after a minute of searching
        raise InputError(f"settings can't be written to {str(target)!r}; give --out a place of yours")
    table: dict[str, Any] = dict(read_presets(target))
    about = {"model": preset_name(model), "fingerprint": bench.fingerprint, "version": __version__}
    there = table.get(ABOUT, {}).get("fingerprint", bench.fingerprint)
    if there != bench.fingerprint:
        raise InputError(
            f"{str(target)!r} holds settings for a model with other weights (fingerprint {there}, this one has "
            f"{bench.fingerprint}); move it away, or give another --out"
        )
    table[ABOUT] = {**table.get(ABOUT, {}), **about}
    return table


def _use_images(methods: Sequence[str]) -> bool:
    """Whether one of the methods may ask for synthetic images: those that see no real ones do."""
    return any(load_method(name).kind.access == "ZS" for name in methods)


def _tune_images(
    bench: Workbench, tasks: Sequence[Task], known: Presets, table: dict[str, Any], target: Path
) -> SynthesisSettings:
    typer.echo("settings of the synthetic images: a search of about a minute", err=True)
    found = tune_synthesis(bench, tasks, known.synthesis(), say=lambda line: typer.echo(line, err=True))
    table[SYNTHESIS] = found.table()
    table[ABOUT][SYNTHESIS] = found.provenance()
    _write(target, table)
    typer.echo(
        f"synthetic images: {found.acceptance:.0%} pass at the first attempt at probability "
        f"{found.settings.threshold:g}, {found.seconds:.2f} s each, written to {target}"
    )
    return found.settings


def _write(target: Path, table: dict[str, Any]) -> None:
    write_text(target, tomli_w.dumps(dict(sorted(table.items()))))


def _tunable(names: Sequence[str]) -> list[str]:
    """The methods that declare ranges; one that was asked for by itself and declares none is an error."""
    found = [name for name in names if search_space(load_method(name).kind)]
    if not found:
        raise InputError(f"nothing to tune in {', '.join(names)}; give fields ranges with tunable(..)")
    return found


def _tune(
    method: str,
    *,
    suite: Suite,
    setting: Setting,
    tasks: Sequence[Task],
    synthesis: SynthesisSettings,
    trials: int,
    folder: Path,
    conditions: Conditions,
) -> tuple[str, dict[str, Any], str]:
    """Tune one method in this process; plain data goes in and comes out: its name, its preset, why there is none."""
    torch.set_num_threads(conditions.threads)
    loaded = load_method(method)
    tuned = tune_method(
        suite,
        loaded,
        open_workbench(setting),
        tasks=tasks,
        synthesis=synthesis,
        trials=trials,
        out=folder / (loaded.kind.name if not is_path_target(method) else f"outside-{loaded.kind.name}"),
        conditions=conditions,
        say=lambda line: typer.echo(line, err=True),
    )
    return loaded.kind.name, to_preset(tuned, suite=suite, conditions=conditions), tuned.nothing_found
