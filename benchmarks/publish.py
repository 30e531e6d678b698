"""Publish runs: their records as one CSV a suite, the tables made from them, and the README's block.

    python -m unlearn_bench.benchmarks.publish runs/mini-full runs/mini-domains

To be run in a checkout. Without a run it makes the tables anew from the CSVs that are there.
"""

from pathlib import Path
from typing import Annotated

import typer

from unlearn_bench.benchmarks.commands.leaderboard import load_records
from unlearn_bench.benchmarks.published import PAPER, PAPER_PAGE, PAPER_RECORDS, PUBLISHED, paper_records
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.paper import publish_page
from unlearn_bench.leaderboards.publish import publish
from unlearn_bench.leaderboards.storage import write_csv


def main(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of runs; each record goes to its suite.")] = None,
) -> None:
    """Write the CSVs in `leaderboards/results`, the tables made from them, and the README's block."""
    places = {item.suite: item.records for item in PUBLISHED} | {PAPER: PAPER_RECORDS}
    records = load_records(runs) if runs else ()
    strangers = sorted({record.run.suite for record in records} - places.keys())
    if strangers:
        raise InputError(f"suite {strangers[0]!r} is not published; give runs of {', '.join(places)}")
    for suite, path in places.items():
        found = [record for record in records if record.run.suite == suite]
        if found:
            write_csv(path, found)
            typer.echo(f"wrote {len(found)} records to {path}")
    for item in PUBLISHED:
        if item.records.is_file():
            publish(item)
            typer.echo(f"wrote {' and '.join(str(path) for path in item.pages)}")
    publish_page(PAPER_PAGE, paper_records())
    typer.echo(f"wrote {PAPER_PAGE}")


if __name__ == "__main__":
    typer.run(main)
