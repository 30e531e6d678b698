"""`unlearn-bench inspect`: what is in a dataset, how it was understood, and what a model reads of its class names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Dataset
from unlearn_bench.benchmarks.data.dataset.templates import set_template
from unlearn_bench.benchmarks.data.sources import named_apart, open_dataset
from unlearn_bench.benchmarks.inspection.report import SPLITS, DataReport, report_on, write_reports
from unlearn_bench.errors import InputError
from unlearn_bench.shown import visible


def execute(*, data: Sequence[str], model: str | None, template: str, read: bool, out: Path | None) -> int:
    """Say it; 0 if all of it can be used, 1 if classes can't be told apart or pictures can't be read."""
    datasets = [open_dataset(spec) for spec in data]
    named_apart(datasets)
    for dataset in datasets:
        if template:
            set_template(dataset, template)
    clip = None
    if model is not None:
        from unlearn_bench.models.sources import open_model  # noqa: PLC0415  (imports torch)

        clip = open_model(model)
    wrong = 0
    reports = []
    for dataset in datasets:
        report = report_on(dataset, clip)
        reports.append(report)
        wrong += _say(report)
        wrong += sum(1 for _ in _unreadable(dataset)) if read else 0
    if out is not None:
        write_reports(reports, out)
        typer.echo(f"wrote {visible(str(out))}")
    return 1 if wrong else 0


def _say(report: DataReport) -> int:
    """The lines of a report; how much of it has to be mended."""
    for line in report.lines():
        typer.echo(line)
    for line in report.warnings():
        typer.echo(f"warning: {visible(line)}", err=True)
    if report.read is None:
        typer.echo(f"data: {report.name}: no model was asked what it reads of the class names; --model does")
    try:
        report.refuse()
    except InputError as error:
        typer.echo(f"error: {visible(str(error))}", err=True)
        return 1
    return 0


def _unreadable(dataset: Dataset) -> Iterator[str]:
    """Read every picture to its end; say which can't be, and give their names."""
    for split in SPLITS:
        for row, name in enumerate(dataset.index(split).names):
            try:
                dataset.picture(split, row)
            except BadImageError as error:
                typer.echo(f"error: {error}", err=True)
                yield name
