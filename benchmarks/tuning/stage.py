"""`run --tune N`: before a sweep, every method gets N trials on the model and the data at hand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from unlearn_bench.benchmarks.engines.engine import Engine
from unlearn_bench.benchmarks.presets.places import preset_name
from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.presets.written import preset_file
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.referee.zero_shot import zero_shot
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.sweep.estimate import duration
from unlearn_bench.benchmarks.sweep.players import Choice, LoadedMethod, chosen_methods, load_player
from unlearn_bench.benchmarks.sweep.tasks import Task
from unlearn_bench.benchmarks.tuning.classes import NothingKnownError, TuningTasks, tuning_tasks
from unlearn_bench.benchmarks.tuning.cost import search_seconds
from unlearn_bench.benchmarks.tuning.found import in_words
from unlearn_bench.benchmarks.tuning.settings import Wanted, find_settings, tunable_methods, validation
from unlearn_bench.benchmarks.tuning.telling import Lines

PRESETS = "presets"
"""The folder in a run's folder that keeps what was found for its models."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is tuned before a sweep.

    Attributes:
        trials: of each method. folder: of the run. fresh: try anew what was tried before.
    """

    suite: Suite
    choice: Choice
    trials: int
    folder: Path
    engine: Engine
    fresh: bool


def tune_first(stage: Stage, settings: Sequence[Setting], console: Console, warn: Callable[[str], None]) -> Choice:
    """Tune what the sweep runs on each of its models, and give back the choice with what was found.

    Raises:
        InputError: a dataset has too few classes, or the model knows none that could serve; and what opening the
            model and the data raises.
    """
    withheld: list[Task] = []
    for setting in settings:
        withheld += _tune_model(stage, setting, console, warn)
    return replace(stage.choice, tuned=stage.folder / PRESETS, withheld=tuple(dict.fromkeys(withheld)))


def _methods(stage: Stage) -> list[LoadedMethod]:
    """Those of the sweep that declare something to tune, each once."""
    players = [load_player(stage.suite, name) for name in chosen_methods(stage.suite, stage.choice)]
    return tunable_methods(list({player.method.kind.name: player.method for player in players}.values()))


def would_tune(
    stage: Stage, settings: Sequence[Setting], cells: Sequence[Cell], *, given: int | None
) -> Iterator[str]:
    """For each model that methods run on without settings made for it: which, and what `--tune` would take.

    Args:
        given: the number after `--tune` in a dry run; then a line for every model.
    """
    methods = _methods(stage)
    for setting in settings:
        own = [cell for cell in cells if cell.setting.model == setting.model]
        names = {cell.run.method: None for cell in own if cell.preset.get("source") == "default"}
        untuned = [method for method in methods if method.kind.name in names]
        searched = untuned if given is None else methods
        if not searched:
            continue
        bench = open_workbench(setting)
        tasks = sum(2 for item in bench.evaluated.values() if not item.control)
        seconds = search_seconds(searched, bench, trials=stage.trials, tasks=tasks, jobs=stage.engine.conditions.jobs)
        takes = "" if seconds is None else f", in at most about {duration(seconds)}"
        would = f"--tune {stage.trials} would search settings of {len(searched)} methods first{takes}"
        if untuned:
            said = ", ".join(method.kind.name for method in untuned)
            would = (
                f"on {preset_name(setting.model)}, {said} run on defaults that were made for other models; {would}"
            )
        yield would


def _tune_model(stage: Stage, setting: Setting, console: Console, warn: Callable[[str], None]) -> tuple[Task, ...]:
    methods, bench = _methods(stage), open_workbench(validation(setting))
    if not methods:
        warn("none of the methods declares anything to tune")
        return ()
    try:
        tasks = tuning_tasks(stage.suite, bench, stage.choice, withhold=True)
    except NothingKnownError as error:  # an untrained model, say: no budget would help, and the sweep still says so
        warn(f"nothing was tuned: {error}")
        return ()
    name = preset_name(setting.model)
    lines = Lines(console, name)
    said = ", ".join(f"{dataset}/{'+'.join(names)}" for dataset, names in tasks.tasks)
    lines.say(f"tuning {name}: {stage.trials} trials for each of {len(methods)} methods, on {said}; split val")
    _warn_of(tasks, bench, name, warn)
    known = presets_for(setting.model, given=stage.choice.presets, suite=stage.suite.file)
    file = preset_file(stage.folder / PRESETS / f"{name}.toml", setting.model, bench.fingerprint)
    wanted = Wanted(suite=stage.suite, tasks=tasks.tasks, methods=methods, trials=stage.trials, fresh=stage.fresh)
    cached = 0
    for found in find_settings(wanted, bench, known, stage.engine, say=lines.say, telling=lines):
        if found.reason:
            warn(f"{found.name}: no trial came to its end, so it runs as before ({found.reason})")
            continue
        file.put(found.name, found.table, **({found.name: dict(found.about)} if found.about else {}))
        cached += found.cached
        if not found.cached and not found.about:
            lines.say(f"  {found.name}: {in_words(found.table)}")
    if cached:
        lines.say(f"settings of {cached} methods were found before with this budget; no trial was run for them")
    lines.say(f"settings in {str(file.path)!r}; another run takes them with --presets")
    return tasks.withheld


def _warn_of(tasks: TuningTasks, bench: Workbench, model: str, warn: Callable[[str], None]) -> None:
    """What is special about the classes, and what the model knows too little of."""
    for line in tasks.warnings():
        warn(line)
    for item in bench.evaluated.values():
        knows = zero_shot(item, model)
        if knows is not None and knows.is_low:
            warn(f"{knows.accuracy:.3f} on {item.dataset.name} is little: settings found there mean little as well")
