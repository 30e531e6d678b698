"""`unlearn-bench drop`: take records out of a run's folder."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from unlearn_bench.benchmarks.commands.leaderboard import load_records
from unlearn_bench.benchmarks.sweep.removal import Removed, remove
from unlearn_bench.benchmarks.sweep.repeats import megabytes
from unlearn_bench.benchmarks.sweep.so_far import LEADERBOARD, PAGE_FILE
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.selection import Selection, select
from unlearn_bench.shown import visible


def execute(
    *,
    run: Path,
    methods: Sequence[str] | None,
    datasets: Sequence[str] | None,
    classes: Sequence[str] | None,
    models: Sequence[str] | None,
    seeds: Sequence[str] | None,
    statuses: Sequence[str] | None,
    yes: bool,
) -> int:
    """Show which records fit, and remove them if that was asked for; 1 if some are in other hands and stay."""
    chosen = Selection(
        methods=methods, datasets=datasets, classes=classes, models=models, seeds=seeds, statuses=statuses
    )
    if chosen.is_any:
        raise InputError(
            "nothing says which records are to go; give --methods, --datasets, --classes, --model, --seeds, --status"
        )
    if run.is_file():
        raise InputError(f"{str(run)!r} is a file, not a run's folder; give what `run --out` wrote")
    records = load_records([run])
    found = select(records, chosen)
    if not found:
        typer.echo(f"none of the {len(records)} records in {str(run)!r} fits all of this; nothing is removed")
        return 0
    typer.echo(f"{len(found)} of {len(records)} records in {str(run)!r}:\n{_table(found)}")
    if not yes and not (sys.stdin.isatty() and typer.confirm("remove them?")):
        typer.echo("nothing is removed; --yes removes them")
        return 0
    removed = remove(run, found)
    typer.echo(_report(removed, run))
    return 1 if removed.held or removed.changed else 0


def _table(records: Sequence[Record]) -> str:
    """One line for each method: how many of its records ended how."""
    counted: dict[str, Counter[str]] = {}
    for record in records:
        counted.setdefault(record.run.label, Counter())[record.status] += 1
    return "\n".join(
        f"  {visible(name)}: {', '.join(f'{count} {status}' for status, count in sorted(counts.items()))}"
        for name, counts in sorted(counted.items())
    )


def _report(removed: Removed, run: Path) -> str:
    said = [f"records removed: {removed.records}"]
    if removed.files:
        said[0] += f", with {removed.files} files of weights and images ({megabytes(removed.size)})"
    if removed.held:
        said.append(f"left, since a running sweep has them in hand: {removed.held}")
    if removed.changed:
        said.append(f"left, since they were written anew meanwhile: {removed.changed}")
    written = [str(run / name) for name in (LEADERBOARD, PAGE_FILE) if (run / name).is_file()]
    if removed.records and written:
        said.append(f"as before, until the next run writes them: {', '.join(written)}")
    return "; ".join(said)
