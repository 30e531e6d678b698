"""The command line. Nothing heavy is imported here: each command imports its own when it runs."""

import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from unlearn_bench import __version__
from unlearn_bench.benchmarks.calling import all_names as _all
from unlearn_bench.benchmarks.calling import execute as _execute
from unlearn_bench.benchmarks.calling import split_names as _split
from unlearn_bench.benchmarks.cli_single import forget, inspect, tune
from unlearn_bench.benchmarks.commands.options import (
    NAMES,
    AllSettings,
    Backend,
    Curve,
    Data,
    Datasets,
    Decode,
    Device,
    Jobs,
    Keep,
    Methods,
    Metrics,
    Model,
    OnlyClasses,
    OnlyDatasets,
    OnlyMethods,
    OnlyModels,
    Open,
    Precision,
    Presets,
    Quick,
    Scheduler,
    SkipBadImages,
    Status,
    SuiteToPrepare,
    Template,
    Threads,
    Timeout,
    ToldOnly,
    Tune,
    Wait,
    Yes,
)
from unlearn_bench.errors import InputError
from unlearn_bench.shown import visible

app = typer.Typer(
    name="unlearn-bench",
    help="Which method makes a CLIP model forget something, and what does it cost the rest?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich's takes longer to import than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The console script: errors of the user's, and files that fail, are one line and exit code 2."""
    signal.signal(signal.SIGTERM, _interrupted)  # of batch systems and service managers: as Ctrl-C
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what can't be written in its encoding is shown as its code
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except InputError as error:
        typer.echo(f"error: {visible(str(error))}", err=True)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder taken away: what was written before is whole
        where, reason = f" {error.filename!r}" if error.filename else "", error.strerror or repr(error)
        typer.echo(f"error: a file{where} can't be read or written ({reason}); mend that and run again", err=True)
        sys.exit(2)


def _interrupted(*_: object) -> NoReturn:
    """End as at Ctrl-C, and let nobody who is impatient interrupt that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def top(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Which method makes a CLIP model forget something, and what does it cost the rest?"""


@app.command()
def run(
    *,
    suite: Annotated[str, typer.Option(help="A suite's name, or the path of a suite's .toml file.")] = "mini",
    methods: Methods = None,
    model: Model = None,
    metrics: Metrics = None,
    datasets: Datasets = None,
    data: Data = None,
    template: Template = "",
    classes: Annotated[
        list[str] | None,
        typer.Option(help=f"Forget these: class, dataset/class, a+b at once; dog@sketch, *@sketch. {NAMES}"),
    ] = None,
    presets: Presets = None,
    tune: Tune = None,
    curve: Curve = False,
    quick: Quick = False,
    seeds: Annotated[str | None, typer.Option(help="Whole numbers, separated by commas.")] = None,
    jobs: Jobs = 0,
    threads: Threads = 0,
    device: Device = "auto",
    backend: Backend = "loky",
    scheduler: Scheduler = None,
    wait: Wait = 60,
    precision: Precision = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the records; runs/<suite> by default.")] = None,
    shard: Annotated[str | None, typer.Option(help="i/n: every n-th cell from the i-th.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and an estimate; run nothing.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run cells again that are done.")] = False,
    keep: Keep = False,
    timeout: Timeout = None,
    limit: Annotated[int | None, typer.Option(help="At most so many cells.", min=1)] = None,
    skip_bad_images: SkipBadImages = False,
    open_: Open = False,
) -> None:
    """Sweep methods over classes and seeds, and write a leaderboard. Resumes by itself: only cells that failed, were
    skipped or have not run yet are run.

    Example: unlearn-bench run --methods lip,salun --datasets mini-digits
    """
    _execute(
        "dry_run" if dry_run else "run",
        suite=suite,
        methods=_split(methods),
        models=_split(model),
        metrics=_split(metrics),
        datasets=_split(datasets),
        data=_split(data),
        template=template,
        classes=_all(classes),
        presets=presets,
        seeds=_split(seeds),
        jobs=jobs,
        threads=threads,
        device=device,
        backend=backend,
        scheduler=scheduler,
        wait=wait,
        precision=precision,
        out=out,
        shard=shard,
        fresh=fresh,
        keep=keep,
        timeout=timeout,
        limit=limit,
        skip_bad=skip_bad_images,
        tune=tune,
        curve=curve,
        quick=quick,
        open_=open_,
    )


@app.command()
def prepare(
    *,
    suite: SuiteToPrepare = None,
    model: Annotated[str | None, typer.Option(help="These models, not the suite's; commas between.")] = None,
    data: Annotated[str | None, typer.Option(help="These datasets, not the suite's; commas between.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is here and what is missing.")] = False,
    decode: Decode = False,
    skip_bad_images: SkipBadImages = False,
) -> None:
    """Show the weights and images that a suite needs, and download and verify what is missing. Goes on by itself.

    Exit code 0 when everything is here, 1 when something could not be fetched.

    Example: unlearn-bench prepare --suite paper --dry-run
    """
    models, datasets = _split(model), _split(data)
    _execute(
        "prepare", suite=suite, models=models, data=datasets, dry_run=dry_run, decode=decode, skip_bad=skip_bad_images
    )


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="methods, datasets, suites, models or metrics.")],
) -> None:
    """Show what is registered.

    Example: unlearn-bench list methods
    """
    _execute("list", what=what)


@app.command()
def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or CSVs of records.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Write here instead of to the screen.")] = None,
    format_: Annotated[str, typer.Option("--format", help="md, csv, latex, html; png or svg: the plot.")] = "md",
    baseline: Annotated[str | None, typer.Option(help="Show paired differences to this method.")] = None,
    records: Annotated[Path | None, typer.Option(help="Also write the records as one CSV.")] = None,
    methods: OnlyMethods = None,
    datasets: OnlyDatasets = None,
    classes: OnlyClasses = None,
    model: OnlyModels = None,
    all_settings: AllSettings = False,
    open_: Open = False,
) -> None:
    """Turn records into tables, a page to look at (html), or a plot of forgetting against retention (png, svg).

    Example: unlearn-bench leaderboard runs/mini --format html --out mini.html
    """
    _execute(
        "leaderboard",
        runs=runs,
        out=out,
        fmt=format_,
        baseline=baseline,
        records=records,
        methods=_split(methods),
        datasets=_split(datasets),
        classes=_split(classes),
        models=_split(model),
        all_settings=all_settings,
        open_=open_,
    )


@app.command()
def site(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or CSVs of records.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder of the site.")],
    methods: OnlyMethods = None,
    datasets: OnlyDatasets = None,
    classes: OnlyClasses = None,
    model: OnlyModels = None,
    all_settings: AllSettings = False,
    open_: Open = False,
) -> None:
    """Turn records into a static site to publish: the page, and one for each method, dataset and forget set.

    Example: unlearn-bench site runs/mini --out site
    """
    _execute(
        "site",
        runs=runs,
        out=out,
        methods=_split(methods),
        datasets=_split(datasets),
        classes=_split(classes),
        models=_split(model),
        all_settings=all_settings,
        open_=open_,
    )


@app.command()
def drop(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    *,
    methods: OnlyMethods = None,
    datasets: OnlyDatasets = None,
    classes: OnlyClasses = None,
    model: OnlyModels = None,
    seeds: Annotated[str | None, typer.Option(help="Only these seeds; commas between.")] = None,
    status: Status = None,
    yes: Yes = False,
) -> None:
    """Remove records that fit all of these filters, with their history, kept weights and contact sheets.

    Example: unlearn-bench drop runs/mini --methods lip --status failed --yes
    """
    _execute(
        "drop",
        run=run,
        methods=_split(methods),
        datasets=_split(datasets),
        classes=_split(classes),
        models=_split(model),
        seeds=_split(seeds),
        statuses=_split(status),
        yes=yes,
    )


@app.command()
def check(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or CSVs of records.")],
    *,
    against: Annotated[Path, typer.Option(help="The CSV of the published records.")],
    tolerance: Annotated[list[str] | None, typer.Option(help="name=value; may be given several times.")] = None,
    told_only: ToldOnly = None,
) -> None:
    """Compare a run with published numbers, cell by cell; exit 1 if one drifted.

    Example: unlearn-bench check runs/mini --against leaderboards/published/mini-full.csv
    """
    _execute("check", runs=runs, against=against, tolerances=tolerance or [], told_only=_split(told_only) or [])


@app.command("check-model")
def check_model(
    model: Annotated[str, typer.Argument(help="Any model, as `run` takes it; file.py:build for one of your own.")],
    *,
    device: Device = "auto",
) -> None:
    """Check whether a model fits, without any data: shapes, batches, padding, copies, stages, gradients, roles,
    projections, speed; and which methods apply, or why not. Exit code 0 if it can be used, 1 if an error was found.

    Example: unlearn-bench check-model mine.py:build
    """
    _execute("check_model", model=model, device=device)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or CSVs of records.")],
) -> None:
    """Show measured numbers beside those of the main paper, cell by cell, and say which can't be compared.

    Example: unlearn-bench compare runs/paper
    """
    _execute("compare", runs=runs)


for command in (tune, forget, inspect):
    app.command()(command)
