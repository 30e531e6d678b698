"""`unlearn-bench run`: plan, sweep, leaderboard."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import typer
from rich.console import Console

from unlearn_bench.benchmarks.commands.dry_run import Plan, show_plan
from unlearn_bench.benchmarks.commands.leaderboard import opened, page_of
from unlearn_bench.benchmarks.engines.engine import Asked, Engine
from unlearn_bench.benchmarks.engines.opening import open_engine
from unlearn_bench.benchmarks.inspection.own_folder import mark, own_folder
from unlearn_bench.benchmarks.inspection.report import DataReport, examine, write_reports
from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.workbench import Setting, Workbench, as_split, open_workbench
from unlearn_bench.benchmarks.referee.zero_shot import ZeroShot
from unlearn_bench.benchmarks.suites.suite import SEEDS, Suite, load_suite
from unlearn_bench.benchmarks.sweep.advice import Given, what_next, why_no_numbers
from unlearn_bench.benchmarks.sweep.estimate import Known
from unlearn_bench.benchmarks.sweep.patience import Patience
from unlearn_bench.benchmarks.sweep.plan import QUICK, cells_for, settings_for, take_shard
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_methods, chosen_metrics, load_player
from unlearn_bench.benchmarks.sweep.progress import showing
from unlearn_bench.benchmarks.sweep.rates import Sizes, load_rates
from unlearn_bench.benchmarks.sweep.relearning_cost import Bounded, bounded
from unlearn_bench.benchmarks.sweep.repeats import Repeats, kept_so_far, repeats
from unlearn_bench.benchmarks.sweep.runner import Tally, recorded, sweep
from unlearn_bench.benchmarks.sweep.so_far import LEADERBOARD, PAGE_FILE, SoFar
from unlearn_bench.benchmarks.sweep.work import Done
from unlearn_bench.benchmarks.tuning.stage import Stage, tune_first, would_tune
from unlearn_bench.cache import READ_ONLY, make_folder, write_text
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.brief.overview import document
from unlearn_bench.leaderboards.brief.terminal import summary
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.shown import visible

DATA_REPORT = "data.md"
"""In the run's folder: what is known of its data."""

DEFAULT_TRIALS = 16
"""Of which the advice to tune speaks where no number was given."""


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What was asked for, read and checked.

    Attributes:
        part: of the cells, i of n; None: all. tune: trials of each method before the sweep; None: no tuning.
    """

    suite: Suite
    choice: Choice
    given: Given
    folder: Path
    part: tuple[int, int] | None
    limit: int | None
    tune: int | None
    dry_run: bool
    fresh: bool
    keep: bool
    skip_bad: bool
    open_: bool
    timeout: float | None


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
    timeout: float | None = None,
    tune: int | None = None,
    curve: bool = False,
    backend: str = "loky",
    scheduler: str | None = None,
    wait: float = 60,
    quick: bool = False,
    open_: bool = False,
) -> int:
    """Run the sweep; 0 if all cells are ok or skipped, 1 if some failed."""
    chosen = with_data(load_suite(suite), data)
    chosen = replace(chosen, name=f"{chosen.name}{QUICK}") if quick else chosen
    order = _Order(
        suite=chosen,
        choice=Choice(
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
        ),
        given=Given(
            suite=suite,
            models=models,
            methods=methods,
            data=data,
            classes=classes,
            template=template,
            precision=precision,
        ),
        folder=out or own_folder(chosen.name, data),
        part=parse_shard(shard),
        limit=limit,
        tune=tune,
        dry_run=dry_run,
        fresh=fresh,
        keep=keep,
        skip_bad=skip_bad,
        open_=open_,
        timeout=timeout,
    )
    _check_names(chosen, order.choice)
    console = Console(stderr=True)

    def warn(text: str) -> None:
        console.print(f"warning: {visible(text)}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    if not dry_run and (tune is not None or not order.folder.is_dir()):
        make_folder(order.folder, what="output folder")
        mark(order.folder, data)
    asked = Asked(backend=backend, scheduler=scheduler, wait_s=wait, jobs=jobs, threads=threads, device=device)
    with open_engine(asked, folder=None if dry_run else order.folder, warn=warn) as engine:
        return _carry_out(order, engine, console, warn)


def _carry_out(order: _Order, engine: Engine, console: Console, warn: Callable[[str], None]) -> int:
    """Tune if asked to, plan, and show the plan or run it."""
    torch.set_num_threads(engine.conditions.threads)
    folder, choice, fresh, tuning = order.folder, order.choice, order.fresh, order.tune is not None
    settings = settings_for(order.suite, choice, device=engine.planning_device, skip_bad=order.skip_bad)
    trials = order.tune or DEFAULT_TRIALS
    stage = Stage(suite=order.suite, choice=choice, trials=trials, folder=folder, engine=engine, fresh=fresh)
    if tuning and not order.dry_run:
        choice = tune_first(stage, settings, console, warn)
    planned = _planned(order.suite, choice, settings, engine, warn)
    _say_data(console, planned.reports, warn, None if order.dry_run else folder / DATA_REPORT)
    cells = planned.cells if order.part is None else take_shard(planned.cells, *order.part)
    ended = {} if fresh else recorded(folder, warn=warn)
    undone = [cell for cell in cells if ended.get(cell.run.key) != "ok"]
    # What was skipped before is asked last, so that no --limit is spent on it while other cells wait.
    waiting = sorted(undone, key=lambda cell: ended.get(cell.run.key) == "skipped")[: order.limit]
    again = Repeats() if fresh else repeats(waiting, folder)  # who says --fresh knows
    untuned = () if tuning and not order.dry_run else tuple(would_tune(stage, settings, cells, given=order.tune))

    def opening(models: Sequence[ZeroShot]) -> None:
        _say_before(console, models, warn)
        _remark(console, planned, again, untuned)

    if order.dry_run:
        opening(())
        lasting = [cell for cell in waiting if ended.get(cell.run.key) != "skipped"]
        plan = Plan(cells=cells, waiting=waiting, lasting=lasting, known=planned.known, measured=again.measured)
        show_plan(plan, folder, engine, order.given)
        return 0
    if waiting:  # one in which all is done need only be read
        make_folder(folder, what="output folder")
    so_far = SoFar(cells, ended.keys() - {cell.run.key for cell in waiting}, folder)
    methods = {cell.run.key: cell.run.label for cell in waiting}
    with showing(console, len(waiting), folder, methods=methods, leader=lambda: so_far.leader) as shown:

        def listener(done: Done) -> None:
            shown(done)
            so_far.note(done)

        tally = sweep(
            waiting,
            folder,
            engine,
            listener=listener,
            fresh=fresh,
            keep=order.keep,
            patience=Patience(given=order.timeout, known=planned.known),
            warn=warn,
            before=opening,
        )
    _finish(order, cells, tally, resumed=len(cells) - len(undone))
    return 1 if tally.failed else 0


@dataclass(frozen=True, kw_only=True)
class _Planned:
    """The cells of a sweep, with what is known of its models by their specs: of their audits, and for an estimate;
    and what is known of its data."""

    cells: list[Cell]
    reports: Sequence[DataReport]
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


def _planned(
    suite: Suite, choice: Choice, settings: Sequence[Setting], engine: Engine, warn: Callable[[str], None]
) -> _Planned:
    """Open each model and plan its cells.

    Raises:
        InputError: nothing is left to run; and what opening and planning raise.
    """
    cells: list[Cell] = []
    reports: list[DataReport] = []
    within: dict[str, Bounded] = {}
    known: dict[str, Known] = {}
    for setting in settings:
        bench = open_workbench(setting)
        reports += examine([item.dataset for item in bench.evaluated.values()], bench.clip)
        within[setting.model] = bounded(suite, choice, bench)
        cells += cells_for(suite, within[setting.model].choice, bench)
        known[setting.model] = _known(bench, within[setting.model], engine.device_name)
        presets = presets_for(setting.model, given=choice.presets, suite=suite.file, tuned=choice.tuned)
        for file in presets.of_other_models(bench.fingerprint):
            warn(f"the settings in {file!r} were found for a model with other weights; tune this one anew")
    if not cells:
        raise InputError("nothing to run: no method, class or seed is left; give at least one of each")
    return _Planned(cells=cells, reports=reports, bounded=within, known=known)


def _say_data(
    console: Console, reports: Sequence[DataReport], warn: Callable[[str], None], path: Path | None
) -> None:
    """How data of the user's were understood, and what may spoil numbers; all of it goes to the file."""
    told = [report for report in reports if report.layout]  # a layout of the package's own is known
    for line in dict.fromkeys(line for report in told for line in report.lines()):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in dict.fromkeys(line for report in reports for line in report.warnings()):
        warn(line)
    if path is not None:
        try:
            write_reports(reports, path)
        except OSError as error:  # a run in which all is done need only be read; one that goes on says so itself
            if error.errno not in READ_ONLY:
                raise
        if told:
            console.print(f"data: all of it in {path}", markup=False, highlight=False, soft_wrap=True)


def _say_before(console: Console, models: Sequence[ZeroShot], warn: Callable[[str], None]) -> None:
    """What the original models know, and what to do where that is little."""
    for known in models:
        console.print(visible(str(known)), markup=False, highlight=False, soft_wrap=True)
        if known.is_low:
            warn(known.advice())


def _remark(console: Console, planned: _Planned, again: Repeats, untuned: Sequence[str]) -> None:
    """What the audits take, which cells cost a second unlearning, which none, and which methods nobody tuned here."""
    for within in planned.bounded.values():
        within.say(console)
    for line in (*again.say(), *untuned):
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)


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
        if len(text) > 20 or int(text) not in SEEDS:
            raise InputError(f"seed {text[:20]!r} has too many digits ({len(text)}); give for example --seeds 0,1,2")
        seeds.append(int(text))
    return seeds


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """`2/8` as numbers, or an error."""
    if text is None:
        return None
    index, _, count = text.partition("/")
    numbers = index.isdecimal() and count.isdecimal() and len(text) < 20
    if not (numbers and 1 <= int(index) <= int(count)):
        raise InputError(f"shard {text[:20]!r} is not of the form i/n with 1 <= i <= n; give for example --shard 2/8")
    return int(index), int(count)


def _known(bench: Workbench, within: Bounded, device_name: str) -> Known:
    """What an estimate needs of a model where no cell of it has run."""
    setting, sizes = bench.setting, {}
    for name, item in bench.evaluated.items():
        test, train = (item.dataset.index(as_split(split)) for split in (setting.test_split, setting.train_split))
        by_class = Counter(item.dataset.class_names[label] for label in train.labels)
        sizes[name] = Sizes(test=len(test), train=len(train), train_by_class=by_class)
    rates = load_rates(bench.clip.architecture, device_name, setting.precision)
    return Known(rates=rates, sizes=sizes, audits=within.seconds)


def _finish(order: _Order, cells: list[Cell], tally: Tally, *, resumed: int) -> None:
    """Write the leaderboard of the planned cells, as text and as a page; say what it comes to and what to do next."""
    folder, planned = order.folder, {cell.run.key for cell in cells}
    records = [record for record in read_folder(folder).records if record.run.key in planned]
    path, page = folder / LEADERBOARD, folder / PAGE_FILE
    try:
        write_text(path, document(records))
        write_text(page, page_of([folder], records))
    except OSError as error:
        if error.errno not in READ_ONLY or resumed < len(cells):
            raise
    typer.echo(summary(records))
    done = f"{tally.ok} ok, {tally.skipped} skipped, {tally.failed} failed, {resumed} done before"
    kept = (kept_so_far(cells, folder),) if order.keep else ()
    where = f"{done}; all of it to look at in {page}, all tables in {path}"
    for line in ("", *why_no_numbers(records), where, *kept, *what_next(records, cells, order.given)):
        typer.echo(visible(line, lines=True))
    if order.open_:
        opened(page)
