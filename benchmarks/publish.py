"""Publish a run: its records as CSV, the tables made from them, and the README's block.

    python -m unlearn_bench.benchmarks.publish runs/mini-full

To be run in a checkout. Without a run it makes the tables anew from the CSV that is there.
"""

from pathlib import Path
from typing import Annotated

import typer

from unlearn_bench.benchmarks.commands.leaderboard import load_records
from unlearn_bench.benchmarks.published import PUBLISHED
from unlearn_bench.leaderboards.publish import publish
from unlearn_bench.leaderboards.storage import write_csv


def main(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of the published suite's runs.")] = None,
) -> None:
    """Write `leaderboards/results/mini-full.csv`, `leaderboards/mini-full.md` and the block in README.md."""
    if runs:
        write_csv(PUBLISHED.records, load_records(runs))
    publish(PUBLISHED)
    typer.echo(f"wrote {PUBLISHED.records}, {PUBLISHED.table} and the block in {PUBLISHED.readme}")


if __name__ == "__main__":
    typer.run(main)
