"""`unlearn-bench check`: a run against published numbers."""

from pathlib import Path

import typer

from unlearn_bench.benchmarks.commands.leaderboard import load_records
from unlearn_bench.leaderboards.regression import compare_runs, parse_tolerances


def execute(*, runs: list[Path], against: Path, tolerances: list[str]) -> int:
    """Print what drifted; 0 if nothing did, 1 otherwise."""
    comparison = compare_runs(load_records(runs), load_records([against]), parse_tolerances(tolerances))
    if comparison.drifts:
        typer.echo(comparison.table())
    typer.echo(comparison.summary)
    return 0 if comparison.ok else 1
