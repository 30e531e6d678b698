"""`unlearn-bench run --dry-run`: what would run, where, how long it would take, and how much memory.

A sweep begins with the same order and the same plan (`run.py`). Nothing here imports torch: for what is in this
package a plan is made without opening a model, and where one has to be opened, that imports its own.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from unlearn_bench.benchmarks.engines.engine import Asked, Engine
from unlearn_bench.benchmarks.engines.opening import open_engine
from unlearn_bench.benchmarks.inspection.own_folder import own_folder
from unlearn_bench.benchmarks.presets.preset import presets_for
from unlearn_bench.benchmarks.referee.cell import Cell, label
from unlearn_bench.benchmarks.referee.outline import Outline, Planned, outline_of
from unlearn_bench.benchmarks.referee.setting import Setting, as_split
from unlearn_bench.benchmarks.suites.suite import SEEDS, Suite, load_suite
from unlearn_bench.benchmarks.sweep.advice import Given, rehearsal_command
from unlearn_bench.benchmarks.sweep.estimate import Known, estimate
from unlearn_bench.benchmarks.sweep.memory import peak_of, worker_memory
from unlearn_bench.benchmarks.sweep.plan import QUICK, cells_for, settings_for, take_shard
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_methods, chosen_metrics, load_player
from unlearn_bench.benchmarks.sweep.rates import Sizes, load_rates
from unlearn_bench.benchmarks.sweep.repeats import Repeats, recorded, repeats
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.published.places import published_records
from unlearn_bench.leaderboards.records.record import Record, Status
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.shown import console_of, visible

if TYPE_CHECKING:
    from unlearn_bench.benchmarks.inspection.report import DataReport
    from unlearn_bench.benchmarks.sweep.relearning_cost import Bounded

DEFAULT_TRIALS = 16
"""Of which the advice to tune speaks where no number was given."""

_GIB = 2**30
_ASKED = ("seconds", "peak-memory")
"""The metrics that estimates of time and memory rest on."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was asked for, read and checked.

    Attributes:
        part: of the cells, i of n; None: all. tune: trials of each method before the sweep; None: no tuning.
        asked: where cells run.
    """

    suite: Suite
    choice: Choice
    given: Given
    folder: Path
    part: tuple[int, int] | None
    limit: int | None
    tune: int | None
    fresh: bool
    keep: bool
    skip_bad: bool
    open_: bool
    timeout: float | None
    asked: Asked


def execute(**options: Any) -> int:  # noqa: ANN401  (as `order_of` has them)
    """Show the plan; 0."""
    order, console = order_of(**options), console_of(stderr=True)
    warn = warning_on(console)
    with open_engine(order.asked, folder=None, warn=warn) as engine:
        ready = ready_for(order, order.choice, engine, warn, unopened=_may_stay_unopened(order))
        say_data(console, ready.reports, warn)
        remark(console, ready, tuple(_untuned(order, ready, engine)))
        show_plan(ready, order, engine)
    return 0


def order_of(
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
) -> Order:
    """What was typed after `run`, checked as far as that goes before anything is opened.

    Raises:
        InputError: an unknown method or metric, presets that are not there, or values that are none.
    """
    chosen = with_data(load_suite(suite), data)
    chosen = replace(chosen, name=f"{chosen.name}{QUICK}") if quick else chosen
    order = Order(
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
        fresh=fresh,
        keep=keep,
        skip_bad=skip_bad,
        open_=open_,
        timeout=timeout,
        asked=Asked(backend=backend, scheduler=scheduler, wait_s=wait, jobs=jobs, threads=threads, device=device),
    )
    _check_names(chosen, order.choice)
    return order


def _check_names(suite: Suite, choice: Choice) -> None:
    """What is misspelt shall not wait for models and images.

    Raises:
        InputError: an unknown method or metric, or presets that are not there.
    """
    for name in chosen_methods(suite, choice):
        load_player(suite, name, told=True)
    chosen_metrics(suite, choice)
    for model in choice.models if choice.models is not None else suite.models:
        presets_for(model, given=choice.presets, suite=suite.file)


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a sweep is going to do.

    Attributes:
        cells: of this part of the sweep. waiting: that would run now. ended: how those with a record did, by key.
        again: of those waiting, what is there already. reports: what is known of the data.
        bounded: of the audits, and known: for estimates, of the models by their specs.
    """

    cells: Sequence[Cell]
    waiting: Sequence[Cell]
    ended: Mapping[str, Status]
    again: Repeats
    reports: "Sequence[DataReport]"
    bounded: "Mapping[str, Bounded]"
    known: Mapping[str, Known]

    @property
    def undone(self) -> list[Cell]:
        """The cells that no record says to be done."""
        return [cell for cell in self.cells if self.ended.get(cell.run.key) != "ok"]

    @property
    def lasting(self) -> list[Cell]:
        """Of the cells that would run now, those that take time: what was skipped is asked again in a moment."""
        return [cell for cell in self.waiting if self.ended.get(cell.run.key) != "skipped"]


def ready_for(
    order: Order, choice: Choice, engine: Engine, warn: Callable[[str], None], *, unopened: bool = False
) -> Ready:
    """Plan the cells of each model, and see which are done.

    Args:
        choice: the order's, or what tuning made of it. unopened: do not open models that are known without.

    Raises:
        InputError: nothing is left to run; and what opening and planning raise.
    """
    cells: list[Cell] = []
    reports: list[DataReport] = []
    within: dict[str, Bounded] = {}
    known: dict[str, Known] = {}
    for setting in settings_for(order.suite, choice, device=engine.planning_device, skip_bad=order.skip_bad):
        bench: Planned | None = outline_of(setting) if unopened else None
        chosen = choice
        if bench is None:
            bench, found, bound = _opened(order.suite, choice, setting, engine)
            reports += found
            within[setting.model], chosen = bound, bound.choice
        cells += cells_for(order.suite, chosen, bench)
        known[setting.model] = _known(bench, within.get(setting.model), engine.device_name)
        presets = presets_for(setting.model, given=choice.presets, suite=order.suite.file, tuned=choice.tuned)
        for file in presets.of_other_models(bench.fingerprint):
            warn(f"the settings in {file!r} were found for a model with other weights; tune this one anew")
    if not cells:
        raise InputError("nothing to run: no method, class or seed is left; give at least one of each")
    cells = cells if order.part is None else take_shard(cells, *order.part)
    ended = {} if order.fresh else recorded(order.folder, warn=warn)
    undone = [cell for cell in cells if ended.get(cell.run.key) != "ok"]
    # What was skipped before is asked last, so that no --limit is spent on it while other cells wait.
    waiting = sorted(undone, key=lambda cell: ended.get(cell.run.key) == "skipped")[: order.limit]
    again = Repeats() if order.fresh else repeats(waiting, order.folder)  # who says --fresh knows
    return Ready(cells=cells, waiting=waiting, ended=ended, again=again, reports=reports, bounded=within, known=known)


def _may_stay_unopened(order: Order) -> bool:
    """Whether a plan may rest on what is known of models of this package: nothing is asked that they have to answer.

    Settings and suites of the user's may hold values that a method's own class refuses, and no record knows how long
    audits of the user's choice take.
    """
    choice = order.choice
    return order.suite.file is None and choice.presets is None and choice.metrics is None and order.tune is None


def _opened(
    suite: Suite, choice: Choice, setting: Setting, engine: Engine
) -> "tuple[Planned, Sequence[DataReport], Bounded]":
    """The workbench, how its data were understood, and what relearning takes there."""
    import torch  # noqa: PLC0415  (as all of this: see the module's first lines)

    from unlearn_bench.benchmarks.inspection.report import examine  # noqa: PLC0415
    from unlearn_bench.benchmarks.referee.workbench import open_workbench  # noqa: PLC0415
    from unlearn_bench.benchmarks.sweep.relearning_cost import bounded  # noqa: PLC0415

    torch.set_num_threads(engine.conditions.threads)
    bench = open_workbench(setting)
    reports = examine([item.dataset for item in bench.evaluated.values()], bench.clip)
    return bench, reports, bounded(suite, choice, bench)


def _known(bench: Planned, within: "Bounded | None", device_name: str) -> Known:
    """What an estimate needs of a model where no cell of it has run."""
    setting, sizes = bench.setting, {}
    for name, item in bench.evaluated.items():
        test, train = (item.dataset.index(as_split(split)) for split in (setting.test_split, setting.train_split))
        by_class = Counter(item.dataset.class_names[label] for label in train.labels)
        sizes[name] = Sizes(test=len(test), train=len(train), train_by_class=by_class)
    return Known(
        rates=load_rates(bench.architecture, device_name, setting.precision),
        sizes=sizes,
        audits={} if within is None else within.seconds,
        opened_mib=bench.opened_mib if isinstance(bench, Outline) else None,
    )


def _untuned(order: Order, ready: Ready, engine: Engine) -> Iterator[str]:
    """Which methods nobody tuned on these models; see `would_tune`."""
    defaults = (cell.preset.get("source") == "default" and cell.run.hyperparameters for cell in ready.cells)
    if order.tune is None and not any(defaults):
        return
    from unlearn_bench.benchmarks.tuning.stage import Stage, would_tune  # noqa: PLC0415  (it opens models)

    settings = settings_for(order.suite, order.choice, device=engine.planning_device, skip_bad=order.skip_bad)
    trials = order.tune or DEFAULT_TRIALS
    stage = Stage(
        suite=order.suite, choice=order.choice, trials=trials, folder=order.folder, engine=engine, fresh=order.fresh
    )
    yield from would_tune(stage, settings, ready.cells, given=order.tune)


def warning_on(console: Console) -> Callable[[str], None]:
    """What writes warnings there."""

    def warn(text: str) -> None:
        console.print(f"warning: {visible(text)}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    return warn


def say_data(console: Console, reports: "Sequence[DataReport]", warn: Callable[[str], None]) -> bool:
    """How data of the user's were understood, and what may spoil numbers; whether there was anything to say of it."""
    told = [report for report in reports if report.layout]  # a layout of the package's own is known
    for line in dict.fromkeys(line for report in told for line in report.lines()):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in dict.fromkeys(line for report in reports for line in report.warnings()):
        warn(line)
    return bool(told)


def remark(console: Console, ready: Ready, untuned: Sequence[str]) -> None:
    """What the audits take, which cells cost a second unlearning, which none, and which methods nobody tuned here."""
    for within in ready.bounded.values():
        within.say(console)
    for line in (*ready.again.say(), *untuned):
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


def show_plan(ready: Ready, order: Order, engine: Engine) -> None:
    """The cells with their keys, the workers with what they take, and at last how many cells and how long."""
    records = [*read_folder(order.folder).records, *published_records(metrics=_ASKED)] if ready.lasting else []
    conditions, workers = engine.conditions, sum(machine.workers for machine in engine.machines)
    guess = estimate(ready.lasting, records, ready.known, measured=ready.again.measured)
    for cell in ready.waiting:
        typer.echo(f"{cell.run.key}  {label(cell)}")
    for line in _of_workers(ready, records, engine):
        typer.echo(line)
    if guess.unknown and ready.waiting:
        sizes = [item for about in ready.known.values() for item in about.sizes.values()]
        hint = rehearsal_command(order.given, conditions.device, sizes)
        typer.echo(f"to measure how long these methods take, rehearse: {hint}")
    typer.echo(
        f"{len(ready.waiting)} cells to run, {len(ready.cells) - len(ready.waiting)} left out or done in "
        f"{str(order.folder)!r}; {workers} at a time, {conditions.threads} threads each, on {conditions.device}; "
        f"{guess.say(workers)}"
    )


def _of_workers(ready: Ready, records: Sequence[Record], engine: Engine) -> list[str]:
    """A line each on where workers are, on their main memory and on that of GPUs."""
    device = engine.conditions.device
    on_gpu = device.startswith("cuda")
    peak = peak_of(ready.lasting, records, ready.known, device=device)
    mib, source = worker_memory(ready.lasting, records, peak, ready.known, device=device)
    gib = mib / 1024
    where = ", ".join(f"{machine.workers} on {machine.name}" for machine in engine.machines)
    needed = ", ".join(
        f"{machine.workers * gib:.1f} of {machine.free_bytes / _GIB:.1f} GiB free on {machine.name}"
        for machine in engine.machines
    )
    return [
        f"workers: {where}; threads of each: {engine.conditions.threads}; device: {engine.device_name}",
        f"memory of a worker: {gib:.1f} GiB ({source}); in all {needed}",
        f"GPU memory of a cell: {f'{peak}, beside model and data' if on_gpu else 'none, cells run on the processor'}",
    ]
