"""What it costs that cached files are believed only while their content is what was written.

    python -m unlearn_bench.benchmarks.speed.hashes

makes the caches of one cell of each of the suite's datasets in a folder of its own, and then checks every sealed file
in `--turns` turns: CPU seconds of a turn, and the gigabytes a second. A process of a sweep checks each file once.
"""

import statistics
import time
from pathlib import Path
from typing import Annotated

import typer
from tabulate import tabulate

from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.speed.sweep_against_loop import empty_cache
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.errors import InputError
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.sealing import is_whole, seal_path


def sealed_files(folder: Path) -> list[Path]:
    """All files below `folder` whose content was noted."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and seal_path(path).is_file())


def cpu_seconds_of_checks(files: list[Path], turns: int) -> list[float]:
    """CPU seconds of checking all of them, for each turn.

    Raises:
        InputError: one is not what was written.
    """
    found = []
    for _ in range(turns):
        began = time.process_time()
        for path in files:
            if not is_whole(path):
                raise InputError(f"{str(path)!r} is not what was written; run again")
        found.append(time.process_time() - began)
    return found


@mistakes_in_a_line
def main(
    *,
    suite: Annotated[str, typer.Option(help="Whose datasets are cached.")] = "mini",
    model: Annotated[str, typer.Option(help="For which model; the suite's first by default.")] = "",
    turns: Annotated[int, typer.Option(min=1, help="How often all files are checked.")] = 5,
) -> None:
    """Print the table."""
    with empty_cache() as folder:
        chosen = load_suite(suite)
        models = [model] if model else chosen.models[:1]
        (setting,) = settings_for(chosen, Choice(models=models), device="cpu", skip_bad=False)
        for item in open_workbench(setting).evaluated.values():
            _ = item.before, item.train
        files = sealed_files(folder)
        seconds = cpu_seconds_of_checks(files, turns)
        megabytes = sum(path.stat().st_size for path in files) / 1e6
    mean = statistics.mean(seconds)
    spread = statistics.stdev(seconds) if turns > 1 else 0.0
    row = [len(files), megabytes, mean, spread, megabytes / 1e3 / max(mean, 1e-9)]
    typer.echo(tabulate([row], ["files", "MB", "CPU s", "spread", "GB/s"], tablefmt="github", floatfmt=".3f"))


if __name__ == "__main__":
    typer.run(main)
