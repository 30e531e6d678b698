"""What a folder of many records costs: the scan that a resumed sweep begins with, and the leaderboard of them all.

    python -m unlearn_bench.benchmarks.speed.many_records --records 100000

writes so many records of published cells (their seeds differ), with the measurements of `--metrics` or all of them.
It times the first scan, which reads them all and makes the indexes, the next one, which every resumed sweep waits
for, the leaderboard (reading, and tables with their intervals), and the comparison with the published numbers. Half
as many before that tell whether time grows with their number or faster; each size is measured in a process of its
own, whose highest memory is told.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from tabulate import tabulate

from unlearn_bench.benchmarks.isolation.measuring import most_held_mib
from unlearn_bench.leaderboards.published.places import published_records
from unlearn_bench.leaderboards.records.endings import endings
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_records, write_record
from unlearn_bench.leaderboards.regression import compare_runs
from unlearn_bench.leaderboards.tables.render import render

SUITE = "mini-full"
"""The published suite whose cells are multiplied."""

Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What it gives, and the seconds that it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def write(records: int, folder: Path, metrics: Sequence[str]) -> None:
    """So many records into a folder: published ones, again and again with further seeds."""
    found = [record for record in published_records() if record.run.suite == SUITE and record.status == "ok"]
    kept = [
        replace(item, measurements=tuple(one for one in item.measurements if not metrics or one.metric in metrics))
        for item in found
    ]
    seeds = 1 + max(record.run.seed for record in kept)
    many = (_again(record, seeds * turn) for turn in count() for record in kept)
    for record in islice(many, records):
        write_record(folder, record)


def _again(record: Record, seeds: int) -> Record:
    return replace(record, run=replace(record.run, seed=record.run.seed + seeds))


def measure(records: int, folder: Path) -> tuple[int, float, float, float, float, float, int | None]:
    """How many, seconds of the first scan, the next one, reading, tables, and the comparison with what is published;
    highest memory in MiB, if it is known.

    Raises:
        RuntimeError: a scan or a reading does not find all of them.
    """
    scans = [timed(lambda: endings(folder)) for _ in range(2)]
    loaded, reading = timed(lambda: read_records([folder]).records)
    if {len(found.by_key) for found, _ in scans} | {len(loaded)} != {records}:
        raise RuntimeError(f"not all of the {records} records were found")
    _, tables = timed(lambda: render(loaded, fmt="md"))
    published = published_records()
    _, comparing = timed(lambda: compare_runs(loaded, published))
    return records, scans[0][1], scans[1][1], reading, tables, comparing, most_held_mib()


def main(
    records: Annotated[int, typer.Option(min=2, help="How many.")] = 10_000,
    metrics: Annotated[str, typer.Option(help="Whose measurements they have; all published ones without.")] = "",
) -> None:
    """Write records, scan them, make their tables, and print what it took."""
    chosen = [name for name in metrics.split(",") if name]
    rows = []
    context = multiprocessing.get_context("spawn")
    for size in (records // 2, records):
        with (
            tempfile.TemporaryDirectory() as folder,
            ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as alone,
        ):
            alone.submit(write, size, Path(folder), chosen).result()
            rows.append(alone.submit(measure, size, Path(folder)).result())
    headers = ["records", "first scan, s", "next scan, s", "reading, s", "tables, s", "check, s", "memory, MiB"]
    typer.echo(tabulate(rows, headers=headers, floatfmt=".2f"))


if __name__ == "__main__":
    typer.run(main)
