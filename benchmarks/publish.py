"""Publish a run: its records as CSV, the tables made from them, and the README's block.

    python -m unlearn_bench.benchmarks.publish runs/mini-full

To be run in a checkout. Without a run it makes the tables anew from the CSVs that are there.
"""

from pathlib import Path
from typing import Annotated

import typer

from unlearn_bench.benchmarks.commands.leaderboard import load_records
from unlearn_bench.benchmarks.published import PAPER_PAGE, PAPER_RECORDS, PUBLISHED, paper_records
from unlearn_bench.leaderboards.paper import publish_page
from unlearn_bench.leaderboards.publish import publish
from unlearn_bench.leaderboards.storage import write_csv


def main(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of the published suite's runs.")] = None,
    *,
    paper: Annotated[list[Path] | None, typer.Option(help="Folders of runs of the suite `paper`.")] = None,
) -> None:
    """Write the CSVs in `leaderboards/results`, the tables `mini-full.md` and `paper.md`, and the README's block."""
    if runs:
        write_csv(PUBLISHED.records, load_records(runs))
    if paper:
        write_csv(PAPER_RECORDS, load_records(paper))
    publish(PUBLISHED)
    publish_page(PAPER_PAGE, paper_records())
    typer.echo(f"wrote {PUBLISHED.records}, {PUBLISHED.table}, the block in {PUBLISHED.readme}, and {PAPER_PAGE}")


if __name__ == "__main__":
    typer.run(main)
