"""Random kill points: a command that is killed at moments drawn by a seed, again and again, loses nothing.

    python -m tests.benchmarks.sweep.kill_points --kills 70 --seed 1

kills a sweep of six cells for every ten kills, and `forget`, and says how many were tried and how many held; the same
seed draws the same moments. It ends with an error at the first kill after which something is lost, torn or doubled.
"""

import os
import random
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.support import NOISE, start_cli, write_method, write_suite
from unlearn_bench.benchmarks.isolation.fence import ALLOW_VARIABLE
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import CELLS, read_folder
from unlearn_bench.metrics.base import Measurement

_SECONDS = "seconds"
"""The metric that is another in every run."""


class LostError(AssertionError):
    """Something did not survive a kill."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of it: kills that met a running process, those before which it had ended, and records in the end."""

    killed: int
    late: int
    records: int = 0


def kill_sweep(folder: Path, *, kills: int, seed: int, seeds: int = 1) -> Told:
    """Kill a sweep of 6 cells for each of `seeds`, go on, and hold what is there in the end against a whole run.

    Raises:
        LostError: a record is gone, changed, torn or another than that of a run that nobody killed.
    """
    suite, method = write_suite(folder), write_method(folder, NOISE)
    numbers = ",".join(str(number) for number in range(seeds))
    given = ["run", "--suite", str(suite), "--methods", method, "--device", "cpu", "--jobs", "1", "--seeds", numbers]
    began = time.monotonic()
    _finish([*given, "--out", str(folder / "whole")], folder)
    lasts = time.monotonic() - began
    moments, out, killed = random.Random(seed), folder / "out", 0
    for turn in range(kills):
        before = _files(out)
        killed += _kill([*given, "--out", str(out)], folder, after_s=moments.uniform(0, lasts))
        _check(before, out, where=f"kill {turn} of seed {seed}")
    _age(folder)
    _finish([*given, "--out", str(out)], folder)
    whole, found = ({record.run.key: _numbers(record) for record in read_folder(folder / name).records}
                    for name in ("whole", "out"))  # fmt: skip
    if whole != found:
        raise LostError(f"{len(whole)} records without kills, {len(found)} with; or other numbers")
    left = [path for path in folder.rglob(".*") if path.suffix in {".part", ".lock"}]
    if left:
        raise LostError(f"left behind: {', '.join(path.name for path in left)}")
    return Told(killed=killed, late=kills - killed, records=len(found))


def kill_forget(folder: Path, *, kills: int, seed: int) -> Told:
    """Kill `forget` and repeat it: its folder is whole or not there.

    Raises:
        LostError: there is a part of a folder, or the command can't be repeated.
    """
    suite, method = write_suite(folder), write_method(folder, NOISE)
    given = ["forget", "--suite", str(suite), "--model", f"{folder / 'colours_model.py'}:build", "--classes", "red"]
    given += ["--method", method, "--device", "cpu", "--out"]
    began = time.monotonic()
    _finish([*given, str(folder / "whole")], folder)
    lasts = time.monotonic() - began
    wanted = sorted(path.name for path in (folder / "whole").iterdir())
    moments, killed = random.Random(seed), 0
    for turn in range(kills):
        out = folder / f"new-{turn}"
        killed += _kill([*given, str(out)], folder, after_s=moments.uniform(0.5 * lasts, lasts))
        there = sorted(path.name for path in out.iterdir()) if out.exists() else []
        if there not in ([], wanted):
            raise LostError(f"kill {turn} of seed {seed}: {', '.join(there)} of {', '.join(wanted)}")
        if not there and turn == kills - 1:
            _age(folder)
            _finish([*given, str(out)], folder)
            if list(folder.glob(f".{out.name}.*.part")):
                raise LostError(f"left behind beside {out.name}")
    return Told(killed=killed, late=kills - killed)


def _kill(arguments: list[str], folder: Path, *, after_s: float) -> bool:
    """Whether the command was still running when it was killed."""
    process = start_cli(*arguments, cwd=folder, log=folder / "killed")
    process.join(after_s)
    running = process.is_alive()
    if running and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    return running


def _finish(arguments: list[str], folder: Path) -> None:
    process = start_cli(*arguments, cwd=folder, log=folder / "finished")
    process.join(600)
    if process.exitcode != 0:
        raise LostError(f"exit code {process.exitcode}: {(folder / 'finished.err').read_text()[-500:]}")


def _files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / CELLS).glob("*.json")}


def _check(before: dict[str, bytes], out: Path, *, where: str) -> None:
    """Every record that was there is as it was, and every new one is whole."""
    now = _files(out)
    changed = [name for name, content in before.items() if now.get(name) != content]
    if changed:
        raise LostError(f"{where}: gone or changed: {', '.join(changed)}")
    loaded = read_folder(out)
    if loaded.set_aside or len(loaded.records) != len(now):
        raise LostError(f"{where}: {len(now)} files, {len(loaded.records)} records, {len(loaded.set_aside)} torn")


def _numbers(record: Record) -> tuple[str, tuple[Measurement, ...]]:
    return record.status, tuple(item for item in record.measurements if item.metric != _SECONDS)


def _age(folder: Path) -> None:
    """Make what was left look old: what is new may be somebody's who is writing it."""
    for path in folder.rglob(".*"):
        os.utime(path, (time.time() - 1000,) * 2, follow_symlinks=False)


def main(
    kills: Annotated[int, typer.Option(min=1, help="Of the sweep; `forget` gets half as many.")] = 70,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 1,
) -> None:
    """Kill, go on, and say how many were tried and how many held."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["UNLEARN_BENCH_CACHE"] = str(Path(scratch) / "cache")
        os.environ[ALLOW_VARIABLE] = scratch
        for name in ("sweep", "forget"):
            (Path(scratch) / name).mkdir()
        told = kill_sweep(Path(scratch) / "sweep", kills=kills, seed=seed, seeds=max(1, kills // 10))
        typer.echo(f"sweep: {kills} kills tried, {told.killed} while it ran, all held; {told.records} records")
        told = kill_forget(Path(scratch) / "forget", kills=max(1, kills // 2), seed=seed)
        typer.echo(f"forget: {told.killed + told.late} kills tried, {told.killed} while it ran, all held")


if __name__ == "__main__":
    typer.run(main)
