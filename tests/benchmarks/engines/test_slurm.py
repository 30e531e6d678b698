"""SLURM without SLURM: the job's script, and a stand-in for `sbatch` that runs it at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.benchmarks.support import NOISE, calls, counting, start_cli, wait_for, write_method
from unlearn_bench.benchmarks.engines import slurm
from unlearn_bench.leaderboards.records.storage import read_folder

pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed: the extra `dask`")


def said(*options: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(slurm.app, list(options))
    return result.exit_code, result.stdout, result.stderr


def test_the_script_of_a_job_asks_for_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--cores", "4", "--memory", "16GiB", "--walltime", "02:00:00", "--queue", "gpu", "--account", "lab"]
    more = ["--gpus", "1", "--setup", "module load cuda", "--directive", "--exclusive", "--logs", "logs"]
    code, script, _ = said("--show", *given, *more)
    assert code == 0
    lines = [line for line in script.splitlines() if line]
    for wanted in ("-p gpu", "-A lab", "-n 1", "--cpus-per-task=4", "--mem=16G", "-t 02:00:00", "--gres=gpu:1"):
        assert f"#SBATCH {wanted}" in lines
    assert "#SBATCH --exclusive" in lines
    assert f"#SBATCH -o {tmp_path}/logs/dask-worker-%J.out" in lines
    assert "module load cuda" in lines
    assert lines[-1].startswith(f"{sys.executable} -m distributed.cli.dask_worker tcp://")
    assert "--nthreads 1 " in lines[-1]
    assert lines[-1].endswith(" --memory-limit 0")  # the last one counts
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]  # which dask-jobqueue makes; nothing is submitted


def test_what_is_wrong_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = said("--workers", "1")
    assert (code, out) == (2, "")
    assert err == (
        "error: there is no `sbatch` here; run this on a machine that submits SLURM jobs, or give --show\n"
    )
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    code, out, err = said("--show")
    assert (code, out) == (2, "")
    assert "pip install 'unlearn-bench[dask]'" in err
    assert err.count("\n") == 1


SBATCH = """#!/bin/bash
cp "$1" "{folder}/job.$$.sh"
setsid bash "{folder}/job.$$.sh" > "{folder}/job.$$.log" 2>&1 < /dev/null &
echo $! > "{folder}/job.$$.pid"
echo "Submitted batch job $$"
"""
SCANCEL = """#!/bin/bash
kill -9 -- "-$(cat "{folder}/job.$1.pid")"
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Path]:
    """A folder with `sbatch` and `scancel`; jobs leave script, log and process id in it."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    yield folder
    for path in folder.glob("job.*.pid"):
        end(path)


def end(pid_file: Path) -> None:
    try:
        os.killpg(int(pid_file.read_text()), signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Killed if what is tried with it fails: else it would be waited for."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


@pytest.mark.slow
@pytest.mark.large
def test_a_sweep_on_jobs_one_of_which_is_killed(suite_file: Path, tmp_path: Path, stand_in: Path) -> None:
    (tmp_path / "calls").mkdir()
    gate = f"import time\nwhile not Path({str(tmp_path / 'gate')!r}).exists():\n    time.sleep(0.02)\n{NOISE}"
    spec, out = write_method(tmp_path, counting(gate, tmp_path / "calls")), tmp_path / "out"
    env = {**os.environ, "PATH": f"{stand_in}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "unlearn_bench.benchmarks.engines.slurm", "--workers", "2", "--memory", "1GB"]
    with (
        subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as cluster,
        ended(cluster),
    ):
        wait_for((tmp_path / "scheduler.json").exists)
        given = ["run", "--suite", str(suite_file), "--methods", spec, "--out", str(out), "--device", "cpu"]
        where = ["--backend", "dask", "--scheduler", "scheduler.json"]
        process = start_cli(*given, *where, cwd=tmp_path, log=tmp_path / "log")
        wait_for(lambda: len(calls(tmp_path / "calls")) == 2, seconds=100)
        end(next(stand_in.glob("job.*.pid")))
        (tmp_path / "gate").touch()
        process.join(100)
        assert process.exitcode == 0, (tmp_path / "log.err").read_text()
        wait_for(lambda: len(list(stand_in.glob("job.*.pid"))) == 3)  # the killed one was replaced
        cluster.send_signal(signal.SIGTERM)
        assert cluster.wait(60) == 0
        assert cluster.stderr is not None
        assert cluster.stderr.read().startswith("2 jobs; next: unlearn-bench run --backend dask --scheduler")
    assert [record.status for record in read_folder(out).records] == ["ok"] * 6
    assert not (tmp_path / "scheduler.json").exists()
