"""Publish runs: their records as one CSV a suite, the tables made from them, and the README's block.

    python -m unlearn_bench.benchmarks.publish runs/mini-full runs/mini-domains

To be run in a checkout. Without a run it makes the tables anew from the CSVs that are there. A record takes the place
of published ones of the same model, method, forget set and seed; all others stay. One that was not measured, as
weights were not at hand or a machine was too small, takes no place of one that was.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from unlearn_bench.benchmarks.commands.leaderboard import load_records
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.paper_page import publish_page
from unlearn_bench.leaderboards.publish import publish
from unlearn_bench.leaderboards.published.places import PAPER, PAPER_PAGE, PAPER_RECORDS, PUBLISHED, paper_records
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_csv, write_csv
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.mistakes import mistakes_in_a_line

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
@mistakes_in_a_line
def main(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of runs; each record goes to its suite.")] = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Publish what the runs hold and nothing else of their suites.")
    ] = False,
) -> None:
    """Write the CSVs in `leaderboards/published`, the tables made from them, and the README's block."""
    publish_runs(runs or [], replace=replace)


def publish_runs(runs: list[Path], *, replace: bool = False) -> None:
    """Put the runs' records among the published ones, or in their place, and make everything anew.

    Raises:
        InputError: no records, a suite that is not published, records of which no leaderboard can be made, or a
            README without its markers. No file of that suite has changed then.
    """
    places = {item.suite: item.records for item in PUBLISHED} | {PAPER: PAPER_RECORDS}
    records = load_records(runs) if runs else ()
    suites = dict.fromkeys(record.run.suite for record in records)
    strangers = sorted(suites.keys() - places.keys())
    if strangers:
        raise InputError(f"suite {strangers[0]!r} is not published; give runs of {', '.join(places)}")
    together: dict[str, Sequence[Record]] = {}
    for suite in suites:
        path, found = places[suite], [record for record in records if record.run.suite == suite]
        there = read_csv(path) if path.is_file() and not replace else ()
        new = outcomes(found, there)
        together[suite] = merge(there, new)
        boards(together[suite])  # refuses what no table can hold, before anything is written
        typer.echo(f"{suite}: {len(new)} records of these runs, {len(together[suite])} in all")
        if len(new) < len(found):
            typer.echo(
                f"{suite}: {len(found) - len(new)} more were not measured; the published ones of these runs stay"
            )
    for item in PUBLISHED:
        if item.suite in together or item.records.is_file():
            publish(item, together.get(item.suite))
            typer.echo(f"wrote {' and '.join(str(path) for path in item.pages)} from {item.records}")
    if PAPER in together:
        write_csv(PAPER_RECORDS, together[PAPER])
    publish_page(PAPER_PAGE, paper_records())
    typer.echo(f"wrote {PAPER_PAGE}")


def outcomes(found: Sequence[Record], published: Sequence[Record]) -> list[Record]:
    """Those found, without the ones that were not measured though the very same run is published as measured.

    That a run was skipped or failed is then of the machine, not of the method.
    """
    done = {record.run.key for record in published if record.status == "ok"}
    return [record for record in found if record.status == "ok" or record.run.key not in done]


def merge(published: Sequence[Record], measured: Sequence[Record]) -> list[Record]:
    """The measured records, and those published ones in whose place none of them stands."""
    taken = {record.run.place for record in measured}
    return [*(record for record in published if record.run.place not in taken), *measured]


if __name__ == "__main__":
    app()
