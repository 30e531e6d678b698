"""`unlearn-bench tune`: equal budgets, written as presets that `run` finds."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import torch
import typer

from unlearn_bench.benchmarks.commands.dry_run import with_data
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.inspection.report import examine
from unlearn_bench.benchmarks.presets.places import home_of, preset_name
from unlearn_bench.benchmarks.presets.preset import SYNTHESIS, merged, presets_for
from unlearn_bench.benchmarks.presets.written import preset_file
from unlearn_bench.benchmarks.referee.conditions import choose_device, conditions_for
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.players import Choice, LoadedMethod, chosen_methods, load_method
from unlearn_bench.benchmarks.tuning.classes import tuning_tasks
from unlearn_bench.benchmarks.tuning.found import in_words
from unlearn_bench.benchmarks.tuning.settings import Found, Wanted, find_settings, tunable_methods, validation
from unlearn_bench.benchmarks.tuning.telling import Lines
from unlearn_bench.errors import InputError
from unlearn_bench.shown import console_of, visible

RUNS = Path("runs")
"""Where settings go that have no place beside a model or a suite."""


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
    fresh: bool = False,
    skip_bad: bool = False,
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
    home = home_of(name, suite=chosen.file)
    target = out or presets or home or RUNS / "presets" / f"{preset_name(name)}.toml"
    target = target / f"{preset_name(name)}.toml" if target.is_dir() else target
    known = presets_for(name, given=presets if presets and presets.exists() else None, suite=chosen.file)
    known = merged(name, [target, *(Path(path) for path in dict.fromkeys(known.files.values()))])
    (setting,) = settings_for(chosen, choice, device=conditions.device, skip_bad=skip_bad)
    bench = open_workbench(validation(setting))  # decode and embed once, before the workers ask
    examine([item.dataset for item in bench.evaluated.values()], bench.clip)
    tasks = tuning_tasks(chosen, bench, choice)
    for line in tasks.warnings():
        typer.echo(f"warning: {visible(line)}", err=True)
    file = preset_file(target, name, bench.fingerprint)
    order = Wanted(suite=chosen, tasks=tasks.tasks, methods=wanted, trials=trials, images_anew=synthesis, fresh=fresh)
    lines = Lines(console_of(stderr=True), preset_name(name))
    done = []
    for found in find_settings(order, bench, known, Local(conditions=conditions), say=lines.say, telling=lines):
        if found.reason:
            typer.echo(
                f"{found.name}: no trial came to its end, so no settings are written ({found.reason})", err=True
            )
            continue
        file.put(found.name, found.table, **({found.name: dict(found.about)} if found.about else {}))
        if found.name == SYNTHESIS:
            typer.echo(_images_in_words(found, target))
            continue
        done.append(found.name)
        before = ", found before" if found.cached else ""
        typer.echo(f"{found.name}: {in_words(found.table)}, written to {target}{before}")
    if wanted and not done:
        return 1
    command = next_command(
        suite=suite,
        model=name,
        data=data,
        template=template,
        classes=classes,
        methods=[item for item in names if load_method(item).kind.name in done] if methods else [],
        presets=None if home is not None and target.resolve() == home.resolve() else target,
    )
    typer.echo(f"next: {command}")
    return 0


def _images_in_words(found: Found, target: Path) -> str:
    return (
        f"synthetic images: {found.about['acceptance']:.0%} pass at the first attempt at probability "
        f"{found.table['threshold']:g}, {found.about['seconds_per_image']:.2f} s each, written to {target}"
    )


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
        *(("--classes", name) for name in classes or ()),
        ("--methods", ",".join(["identity", *methods]) if methods else ""),
        ("--presets", str(presets or "")),
    ):
        words += [option, value] if value else []
    return shlex.join(words)


def _tunable(names: Sequence[str]) -> list[LoadedMethod]:
    """The methods that declare ranges; one that was asked for by itself and declares none is an error."""
    found = tunable_methods([load_method(name) for name in names])
    if not found:
        raise InputError(f"nothing to tune in {', '.join(names)}; give fields ranges with tunable(..)")
    return found
