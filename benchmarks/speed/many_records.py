"""How long a sweep looks at what is there before it begins: the scan of a folder of many records.

    python -m unlearn_bench.benchmarks.speed.many_records --records 100000

writes so many records of a real cell (its seed differs), then times the first scan, which reads them all and makes
the index, and the next one, which every resumed sweep waits for. A scan of half as many tells whether time grows with
their number or faster.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import psutil
import typer
from tabulate import tabulate

from unlearn_bench.leaderboards.published.places import published_records
from unlearn_bench.leaderboards.records.endings import endings
from unlearn_bench.leaderboards.records.storage import write_record


def scans(records: int, folder: Path) -> tuple[float, float]:
    """Seconds of the first scan of a folder, and of the next; `records` are written into it before."""
    pattern = published_records()[0]
    small = replace(pattern, measurements=pattern.measurements[:1])  # what it measured is not looked at
    for seed in range(records):
        write_record(folder, replace(small, run=replace(small.run, seed=seed)))
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        found = endings(folder)
        taken.append(time.perf_counter() - began)
        if len(found.by_key) != records:
            raise RuntimeError(f"{len(found.by_key)} of {records} records were found")
    return taken[0], taken[1]


def main(records: Annotated[int, typer.Option(min=2, help="How many.")] = 100_000) -> None:
    """Write records, scan them, and print what it took."""
    rows = []
    for count in (records // 2, records):
        with tempfile.TemporaryDirectory() as folder:
            first, again = scans(count, Path(folder))
        rows.append((count, first, again, psutil.Process().memory_info().rss / 2**20))
    typer.echo(tabulate(rows, headers=["records", "first scan, s", "next scan, s", "memory, MiB"], floatfmt=".2f"))


if __name__ == "__main__":
    typer.run(main)
