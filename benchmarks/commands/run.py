"""`unlearn-bench run`: plan, sweep, leaderboard."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import typer
from rich.console import Console

from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions, conditions_for, device_name
from unlearn_bench.benchmarks.referee.workbench import Setting, Workbench, as_split, choose_device, open_workbench
from unlearn_bench.benchmarks.referee.zero_shot import ZeroShot
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.advice import Given, rehearsal_command, what_next, why_no_numbers
from unlearn_bench.benchmarks.sweep.estimate import Estimate, Known, estimate
from unlearn_bench.benchmarks.sweep.plan import QUICK, cells_for, settings_for, take_shard
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_methods, chosen_metrics, load_player
from unlearn_bench.benchmarks.sweep.progress import showing
from unlearn_bench.benchmarks.sweep.rates import Sizes, load_rates
from unlearn_bench.benchmarks.sweep.relearning_cost import Bounded, bounded
from unlearn_bench.benchmarks.sweep.repeats import Repeats, kept_so_far, repeats
from unlearn_bench.benchmarks.sweep.runner import Tally, recorded, sweep
from unlearn_bench.benchmarks.sweep.so_far import LEADERBOARD, SoFar
from unlearn_bench.benchmarks.sweep.work import Done, label
from unlearn_bench.benchmarks.tuning.stage import Stage, tune_first, would_tune
from unlearn_bench.cache import make_folder, write_text
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.published.places import published_records
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.leaderboards.tables.render import render

DEFAULT_TRIALS = 16
"""Of which the advice to tune speaks where no number was given."""


def execute(
    *,
    suite: str,
    methods: Sequence[str] | None,
    models: Sequence[str] | None,
    metrics: Sequence[str] | None,
    datasets: Sequence[str] | None,
    data: Sequence[str] | None,
    template: str,
    classes: Sequence[str] | None,
    presets: Path | None,
    seeds: Sequence[str] | None,
    jobs: int,
    threads: int,
    device: str,
    precision: str | None,
    out: Path | None,
    shard: str | None,
    dry_run: bool,
    fresh: bool,
    keep: bool,
    limit: int | None,
    skip_bad: bool,
    tune: int | None = None,
    curve: bool = False,
    quick: bool = False,
) -> int:
    """Run the sweep; 0 if all cells are ok or skipped, 1 if some failed."""
    console = Console(stderr=True)

    def warn(text: str) -> None:
        console.print(f"warning: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    chosen = with_data(load_suite(suite), data)
    chosen = replace(chosen, name=f"{chosen.name}{QUICK}") if quick else chosen
    given = Given(
        suite=suite,
        models=models,
        methods=methods,
        data=data,
        classes=classes,
        template=template,
        precision=precision,
    )
    choice = Choice(
        methods=methods,
        models=models,
        datasets=datasets,
        classes=classes,
        seeds=parse_seeds(seeds),
        precision=precision,
        metrics=metrics,
        presets=presets,
        template=template,
        curve=curve,
        quick=quick,
    )
    part = parse_shard(shard)
    _check_names(chosen, choice)
    place = choose_device(device)
    conditions = conditions_for(place, jobs, threads)
    torch.set_num_threads(conditions.threads)
    folder = out or Path("runs") / chosen.name
    if not dry_run:
        make_folder(folder, what="output folder")
    settings = settings_for(chosen, choice, device=place, skip_bad=skip_bad)
    stage = Stage(
        suite=chosen, choice=choice, trials=tune or DEFAULT_TRIALS, folder=folder, conditions=conditions, fresh=fresh
    )
    if tune is not None and not dry_run:
        choice = tune_first(stage, settings, console, warn)
    planned = _planned(chosen, choice, settings, warn)
    cells = planned.cells if part is None else take_shard(planned.cells, *part)
    ended = {} if fresh else recorded(folder, warn=warn)
    undone = [cell for cell in cells if ended.get(cell.run.key) != "ok"]
    # What was skipped before is asked last, so that no --limit is spent on it while other cells wait.
    waiting = sorted(undone, key=lambda cell: ended.get(cell.run.key) == "skipped")[:limit]
    again = Repeats() if fresh else repeats(waiting, folder)  # who says --fresh knows
    untuned = () if tune is not None and not dry_run else tuple(would_tune(stage, settings, cells, given=tune))
    if dry_run:
        _remark(console, planned, again, untuned)
        records = [*read_folder(folder).records, *published_records()]
        lasting = [cell for cell in waiting if ended.get(cell.run.key) != "skipped"]
        sizes = [item for about in planned.known.values() for item in about.sizes.values()]
        hint = rehearsal_command(given, place, sizes)
        guess = estimate(lasting, records, planned.known, measured=again.measured)
        _show_plan(cells, waiting, folder, conditions, guess, hint=hint)
        return 0

    def opening(models: Sequence[ZeroShot]) -> None:
        _say_before(console, models, warn)
        _remark(console, planned, again, untuned)

    so_far = SoFar(cells, ended.keys() - {cell.run.key for cell in waiting}, folder)
    with showing(console, len(waiting), folder) as shown:

        def listener(done: Done) -> None:
            shown(done)
            so_far.note(done)

        tally = sweep(
            waiting, folder, conditions, listener=listener, fresh=fresh, keep=keep, warn=warn, before=opening
        )
    _finish(folder, cells, tally, given, resumed=len(cells) - len(undone), keep=keep)
    return 1 if tally.failed else 0


@dataclass(frozen=True, kw_only=True)
class _Planned:
    """The cells of a sweep, with what is known of its models by their specs: of their audits, and for an estimate."""

    cells: list[Cell]
    bounded: Mapping[str, Bounded]
    known: Mapping[str, Known]


def _check_names(suite: Suite, choice: Choice) -> None:
    """What is misspelt shall not wait for models and images.

    Raises:
        InputError: an unknown method or metric, or presets that are not there.
    """
    for name in chosen_methods(suite, choice):
        load_player(suite, name)
    chosen_metrics(suite, choice)
    for model in choice.models if choice.models is not None else suite.models:
        presets_for(model, given=choice.presets, suite=suite.file)


def _planned(suite: Suite, choice: Choice, settings: Sequence[Setting], warn: Callable[[str], None]) -> _Planned:
    """Open each model and plan its cells.

    Raises:
        InputError: nothing is left to run; and what opening and planning raise.
    """
    cells: list[Cell] = []
    within: dict[str, Bounded] = {}
    known: dict[str, Known] = {}
    for setting in settings:
        bench = open_workbench(setting)
        within[setting.model] = bounded(suite, choice, bench)
        cells += cells_for(suite, within[setting.model].choice, bench)
        known[setting.model] = _known(bench, within[setting.model])
        presets = presets_for(setting.model, given=choice.presets, suite=suite.file, tuned=choice.tuned)
        for file in presets.of_other_models(bench.fingerprint):
            warn(f"the settings in {file!r} were found for a model with other weights; tune this one anew")
    if not cells:
        raise InputError("nothing to run: no method, class or seed is left; give at least one of each")
    return _Planned(cells=cells, bounded=within, known=known)


def _say_before(console: Console, models: Sequence[ZeroShot], warn: Callable[[str], None]) -> None:
    """What the original models know, and what to do where that is little."""
    for known in models:
        console.print(str(known), markup=False, highlight=False, soft_wrap=True)
        if known.is_low:
            warn(known.advice())


def _remark(console: Console, planned: _Planned, again: Repeats, untuned: Sequence[str]) -> None:
    """What the audits take, which cells cost a second unlearning, which none, and which methods nobody tuned here."""
    for within in planned.bounded.values():
        within.say(console)
    for line in (*again.say(), *untuned):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def with_data(suite: Suite, data: Sequence[str] | None) -> Suite:
    """The suite on the user's own datasets: its controls, classes and tuning classes no longer apply."""
    if data is None:
        return suite
    return replace(suite, name=f"{suite.name}-own-data", datasets=tuple(data), control=(), classes={}, tuning={})


def parse_seeds(texts: Sequence[str] | None) -> list[int] | None:
    """Seeds as whole numbers, or an error that shows the one that is none."""
    if texts is None:
        return None
    seeds = []
    for text in texts:
        if not text.removeprefix("-").isdecimal():
            raise InputError(f"seed {text!r} is not a whole number; give for example --seeds 0,1,2")
        seeds.append(int(text))
    return seeds


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """`2/8` as numbers, or an error."""
    if text is None:
        return None
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise InputError(f"shard {text!r} is not of the form i/n with 1 <= i <= n; give for example --shard 2/8")
    return int(index), int(count)


def _known(bench: Workbench, within: Bounded) -> Known:
    """What an estimate needs of a model where no cell of it has run."""
    setting, sizes = bench.setting, {}
    for name, item in bench.evaluated.items():
        test, train = (item.dataset.index(as_split(split)) for split in (setting.test_split, setting.train_split))
        by_class = Counter(item.dataset.class_names[label] for label in train.labels)
        sizes[name] = Sizes(test=len(test), train=len(train), train_by_class=by_class)
    rates = load_rates(bench.clip.architecture, device_name(setting.device), setting.precision)
    return Known(rates=rates, sizes=sizes, audits=within.seconds)


def _show_plan(
    cells: list[Cell], waiting: list[Cell], folder: Path, conditions: Conditions, guess: Estimate, *, hint: str
) -> None:
    for cell in waiting:
        typer.echo(f"{cell.run.key}  {label(cell)}")
    if guess.unknown and waiting:
        typer.echo(f"to measure how long these methods take, rehearse: {hint}")
    typer.echo(
        f"{len(waiting)} cells to run, {len(cells) - len(waiting)} left out or done in {str(folder)!r}; "
        f"{conditions.jobs} at a time, {conditions.threads} threads each, on {conditions.device}; "
        f"{guess.say(conditions.jobs)}"
    )


def _finish(folder: Path, cells: list[Cell], tally: Tally, given: Given, *, resumed: int, keep: bool) -> None:
    """Write the leaderboard of the planned cells, show it, and say what is missing and what to do next."""
    planned = {cell.run.key for cell in cells}
    records = [record for record in read_folder(folder).records if record.run.key in planned]
    text = render(records, fmt="md")
    path = folder / LEADERBOARD
    write_text(path, text)
    typer.echo(render(records, fmt="md", short=True))
    done = f"{tally.ok} ok, {tally.skipped} skipped, {tally.failed} failed, {resumed} done before"
    kept = (kept_so_far(cells, folder),) if keep else ()
    for line in (*why_no_numbers(records), f"{done}; all tables in {path}", *kept, *what_next(records, cells, given)):
        typer.echo(line)
