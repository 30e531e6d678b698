"""`unlearn-bench run`: plan, sweep, leaderboard. `dry_run` has the order and the plan."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import typer
from rich.console import Console

from unlearn_bench.benchmarks.commands.dry_run import (
    DEFAULT_TRIALS,
    Order,
    order_of,
    ready_for,
    remark,
    say_data,
    warning_on,
)
from unlearn_bench.benchmarks.commands.leaderboard import opened, page_of
from unlearn_bench.benchmarks.engines.engine import Engine
from unlearn_bench.benchmarks.engines.opening import open_engine
from unlearn_bench.benchmarks.inspection.own_folder import mark
from unlearn_bench.benchmarks.inspection.report import DataReport, write_reports
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.zero_shot import ZeroShot
from unlearn_bench.benchmarks.sweep.advice import what_next, why_no_numbers
from unlearn_bench.benchmarks.sweep.patience import Patience
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.progress import showing
from unlearn_bench.benchmarks.sweep.repeats import kept_so_far
from unlearn_bench.benchmarks.sweep.runner import Tally, sweep
from unlearn_bench.benchmarks.sweep.so_far import LEADERBOARD, PAGE_FILE, SoFar
from unlearn_bench.benchmarks.sweep.work import Done
from unlearn_bench.benchmarks.tuning.stage import Stage, tune_first, would_tune
from unlearn_bench.cache import READ_ONLY, make_folder, write_text
from unlearn_bench.leaderboards.brief.overview import document
from unlearn_bench.leaderboards.brief.terminal import summary
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.shown import console_of, visible

DATA_REPORT = "data.md"
"""In the run's folder: what is known of its data."""


def execute(**options: Any) -> int:  # noqa: ANN401  (as `order_of` has them)
    """Run the sweep; 0 if all cells are ok or skipped, 1 if some failed."""
    order, console = order_of(**options), console_of(stderr=True)
    warn = warning_on(console)
    if order.tune is not None or not order.folder.is_dir():
        make_folder(order.folder, what="output folder")
        mark(order.folder, order.given.data)
    with open_engine(order.asked, folder=order.folder, warn=warn) as engine:
        return _carry_out(order, engine, console, warn)


def _carry_out(order: Order, engine: Engine, console: Console, warn: Callable[[str], None]) -> int:
    """Tune if asked to, plan, and run the plan."""
    torch.set_num_threads(engine.conditions.threads)
    folder, choice, fresh = order.folder, order.choice, order.fresh
    settings = settings_for(order.suite, choice, device=engine.planning_device, skip_bad=order.skip_bad)
    trials = order.tune or DEFAULT_TRIALS
    stage = Stage(suite=order.suite, choice=choice, trials=trials, folder=folder, engine=engine, fresh=fresh)
    if order.tune is not None:
        choice = tune_first(stage, settings, console, warn)
    ready = ready_for(order, choice, engine, warn)
    cells, waiting = ready.cells, ready.waiting
    _keep_data(console, ready.reports, folder / DATA_REPORT, told=say_data(console, ready.reports, warn))
    untuned = () if order.tune is not None else tuple(would_tune(stage, settings, cells, given=None))

    def opening(models: Sequence[ZeroShot]) -> None:
        _say_before(console, models, warn)
        remark(console, ready, untuned)

    if waiting:  # one in which all is done need only be read
        make_folder(folder, what="output folder")
    so_far = SoFar(cells, ready.ended.keys() - {cell.run.key for cell in waiting}, folder)
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
            patience=Patience(given=order.timeout, known=ready.known),
            warn=warn,
            before=opening,
        )
    _finish(order, cells, tally, resumed=len(cells) - len(ready.undone))
    return 1 if tally.failed else 0


def _keep_data(console: Console, reports: Sequence[DataReport], path: Path, *, told: bool) -> None:
    """Write all that is known of the data to a file, and say where if any of it was told."""
    try:
        write_reports(reports, path)
    except OSError as error:  # a run in which all is done need only be read; one that goes on says so itself
        if error.errno not in READ_ONLY:
            raise
    if told:
        console.print(f"data: all of it in {visible(str(path))}", markup=False, highlight=False, soft_wrap=True)


def _say_before(console: Console, models: Sequence[ZeroShot], warn: Callable[[str], None]) -> None:
    """What the original models know, and what to do where that is little."""
    for known in models:
        console.print(visible(str(known)), markup=False, highlight=False, soft_wrap=True)
        if known.is_low:
            warn(known.advice())


def _finish(order: Order, cells: Sequence[Cell], tally: Tally, *, resumed: int) -> None:
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
