"""A Dask cluster on SLURM, for `unlearn-bench run --backend dask --scheduler FILE`.

    python -m unlearn_bench.benchmarks.engines.slurm --workers 8 --cores 4 --memory 16GB --walltime 04:00:00 \
        --queue gpu --gpus 1 --file scheduler.json

runs the scheduler here, submits a job for each worker, and writes into the file where the scheduler is. Jobs whose
time is over, or that were killed, are replaced. It goes on until it is interrupted (Ctrl-C, or `kill`), and then
takes the jobs and the file away; a sweep that was running goes on from its records with the next cluster. `--show`
prints the job script and submits nothing.

A worker is one process and runs one cell at a time. The folder of the records, the data and this environment must be
at the same place on all machines.
"""

import json
import logging
import shutil
import signal
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from unlearn_bench.cache import make_folder, write_text
from unlearn_bench.errors import InputError

app = typer.Typer(add_completion=False)


def job_options(
    *,
    cores: int,
    memory: str,
    walltime: str,
    queue: str | None,
    account: str | None,
    gpus: int,
    interface: str | None,
    setup: Sequence[str],
    directives: Sequence[str],
    logs: Path,
) -> dict[str, Any]:
    """What dask-jobqueue's `SLURMCluster` is told for jobs of one worker with one task at a time."""
    return {
        "cores": 1,  # tasks at a time
        "processes": 1,
        "job_cpu": cores,
        "memory": memory,
        "walltime": walltime,
        "queue": queue,
        "account": account,
        "interface": interface,
        "job_script_prologue": list(setup),
        "job_extra_directives": [*([f"--gres=gpu:{gpus}"] if gpus else []), *directives],
        # SLURM ends what takes too much; Dask would pause a worker before that, with its cell half done.
        "worker_extra_args": ["--memory-limit", "0"],
        "log_directory": str(logs),
        "scheduler_options": {"dashboard_address": ":0"},
    }


@app.command()
def main(
    *,
    workers: Annotated[int, typer.Option(help="Jobs, each of one worker.", min=1)] = 2,
    cores: Annotated[int, typer.Option(help="Of each job; a cell's threads.", min=1)] = 1,
    memory: Annotated[str, typer.Option(help="Of each job.")] = "8GB",
    walltime: Annotated[str, typer.Option(help="Of each job; what is in its hands then is run again.")] = "04:00:00",
    queue: Annotated[str | None, typer.Option(help="SLURM's partition.")] = None,
    account: Annotated[str | None, typer.Option(help="Which is charged.")] = None,
    gpus: Annotated[int, typer.Option(help="Of each job.", min=0)] = 0,
    interface: Annotated[str | None, typer.Option(help="The network that all machines share, as ib0.")] = None,
    setup: Annotated[list[str] | None, typer.Option(help="A line of shell before the worker starts; repeat.")] = None,
    directive: Annotated[list[str] | None, typer.Option(help="A further #SBATCH option; repeat.")] = None,
    file: Annotated[Path, typer.Option(help="Where to write the scheduler's address.")] = Path("scheduler.json"),
    logs: Annotated[Path, typer.Option(help="The folder of the jobs' logs.")] = Path("slurm-logs"),
    show: Annotated[bool, typer.Option("--show", help="Print the job script and submit nothing.")] = False,
) -> None:
    """Run a Dask scheduler here, with workers as SLURM jobs, until interrupted.

    Example: python -m unlearn_bench.benchmarks.engines.slurm --workers 8 --queue gpu --gpus 1
    """
    try:
        options = job_options(
            cores=cores,
            memory=memory,
            walltime=walltime,
            queue=queue,
            account=account,
            gpus=gpus,
            interface=interface,
            setup=setup or (),
            directives=directive or (),
            logs=logs.absolute(),
        )
        _serve(options, workers, file, logs, show=show)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


def _serve(options: dict[str, Any], workers: int, file: Path, logs: Path, *, show: bool) -> None:
    if not show and shutil.which("sbatch") is None:
        raise InputError("there is no `sbatch` here; run this on a machine that submits SLURM jobs, or give --show")
    try:
        jobqueue = import_module("dask_jobqueue")
    except ImportError as error:
        raise InputError(
            "SLURM needs dask-jobqueue, which comes with an extra of this package: pip install 'unlearn-bench[dask]'"
        ) from error
    with jobqueue.SLURMCluster(**options, silence_logs=logging.ERROR) as cluster:
        if show:
            typer.echo(cluster.job_script())
            return
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        make_folder(logs, what="folder of logs")
        cluster.adapt(minimum_jobs=workers, maximum_jobs=workers)  # unlike `scale`, it replaces jobs that ended
        write_text(file, json.dumps({"address": cluster.scheduler_address}) + "\n")
        typer.echo(f"{workers} jobs; next: unlearn-bench run --backend dask --scheduler {file} --wait 3600", err=True)
        try:
            ended.wait()
        finally:
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    app()
