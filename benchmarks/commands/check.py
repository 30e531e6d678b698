"""`unlearn-bench check`: a run against published numbers."""

from pathlib import Path

import typer

from unlearn_bench.benchmarks.commands.leaderboard import load_records
from unlearn_bench.leaderboards.regression import compare_runs, parse_tolerances


def execute(*, runs: list[Path], against: Path, tolerances: list[str], told_only: list[str]) -> int:
    """Print what drifted; 0 if nothing did that counts, 1 otherwise."""
    comparison = compare_runs(
        load_records(runs), load_records([against]), parse_tolerances(tolerances), told_only=told_only
    )
    if comparison.told:
        typer.echo(f"told only, since rounding decides which epochs these methods keep: {', '.join(told_only)}")
        typer.echo(comparison.table(told=True) + "\n")
    if comparison.drifts:
        typer.echo(comparison.table())
    typer.echo(comparison.summary)
    return 0 if comparison.ok else 1
