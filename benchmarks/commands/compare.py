"""`unlearn-bench compare`: measured numbers beside those that the main paper reports."""

from pathlib import Path

import typer

from unlearn_bench.benchmarks.commands.leaderboard import load_records
from unlearn_bench.leaderboards.paper_page import report


def execute(*, runs: list[Path]) -> int:
    """Print the comparison; no difference is an error here, since nobody has promised the paper's numbers."""
    typer.echo(report(load_records(runs)), nl=False)
    return 0
