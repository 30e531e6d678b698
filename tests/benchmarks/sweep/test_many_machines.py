"""A sweep on a cluster of processes: whoever is killed, nothing is lost, and nothing is in the table twice."""

import shutil
import venv
from collections import Counter
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

import unlearn_bench
from tests.benchmarks.engines.clusters import Machines, kill, machines
from tests.benchmarks.support import (
    NOISE,
    calls,
    counting,
    referee_of,
    start,
    start_cli,
    wait_for,
    write_method,
    write_suite,
)
from tests.benchmarks.tuning.support import TURN, tunable_method
from unlearn_bench.benchmarks.isolation.fence import ALLOW_VARIABLE
from unlearn_bench.leaderboards.records.storage import read_folder

Client = pytest.importorskip("distributed", reason="Dask is not installed: the extra `dask`").Client

pytestmark = [pytest.mark.slow, pytest.mark.large]

CELLS = 6


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Machines]:
    with machines(tmp_path / "cluster") as found:
        yield found


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


def gated(noted: Path, *, after: int) -> str:
    """The body of a method that waits, from its `after`-th call on, until there is a file `gate`."""
    return f"""
import time
while len(list(Path({str(noted)!r}).iterdir())) >= {after} and not Path({str(noted.parent / "gate")!r}).exists():
    time.sleep(0.02)
{NOISE}"""


class Sweep:
    """`run` on the cluster, in a process of its own."""

    def __init__(self, suite_file: Path, cluster: Machines, spec: str) -> None:
        self.folder, self.cluster = cluster.folder.parent, cluster
        self.given = ["run", "--suite", str(suite_file), "--methods", spec, "--out", str(self.out), "--device", "cpu"]
        self.started = 0

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def start(self) -> BaseProcess:
        self.started += 1
        log = self.folder / f"log{self.started}"
        where = ["--backend", "dask", "--scheduler", str(self.cluster.file)]
        return start_cli(*self.given, *where, cwd=self.folder, log=log)

    def said(self, number: int = 0, *, err: bool = False) -> str:
        return (self.folder / f"log{number or self.started}.{'err' if err else 'out'}").read_text()

    def finish(self, process: BaseProcess, *, code: int = 0) -> None:
        process.join(100)
        assert process.exitcode == code, self.said(err=True)

    def finished(self) -> int:
        return len(list((self.out / "cells").glob("*.json")))

    def is_whole(self) -> None:
        """All cells have one record, all are ok, and the table has each once."""
        loaded = read_folder(self.out)
        assert loaded.set_aside == ()
        assert [record.status for record in loaded.records] == ["ok"] * CELLS
        assert len({record.run.place for record in loaded.records}) == CELLS
        assert not list((self.out / "cells").glob("*.broken*"))
        assert "2 forget sets" not in self.said()
        assert f"{CELLS} cells for each method" in (self.out / "leaderboard.md").read_text()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def test_it_gives_what_one_process_gives(suite_file: Path, cluster: Machines, tmp_path: Path, noted: Path) -> None:
    """Relative paths too: the workers were started in another folder."""
    spec = write_method(tmp_path, counting("made = request.synthesize()\n" + NOISE, noted))
    run = Sweep(suite_file, cluster, Path(spec.rpartition(":")[0]).name + ":Mine")
    run.finish(run.start())
    run.is_whole()
    assert Counter(Counter(calls(noted)).values()) == {1: CELLS}
    here = Sweep(suite_file, cluster, spec)
    here.given[6] = str(tmp_path / "here")
    alone = start_cli(*here.given, "--jobs", "1", cwd=tmp_path, log=tmp_path / "log1")
    here.started = 1
    here.finish(alone)
    one, two = ({r.run.key: r for r in read_folder(tmp_path / name).records} for name in ("here", "out"))
    assert one.keys() == two.keys()
    for key, record in one.items():
        for other in (record, two[key]):
            assert other.status == "ok"
        numbers = [[m for m in r.measurements if m.metric != "seconds"] for r in (record, two[key])]
        assert numbers[0] == numbers[1]
    assert {record.provenance["contended"] for record in two.values()} == {True}


def test_a_worker_is_killed_in_the_middle(
    suite_file: Path, cluster: Machines, tmp_path: Path, noted: Path, gate: Path
) -> None:
    run = Sweep(suite_file, cluster, write_method(tmp_path, counting(gated(noted, after=4), noted)))
    process = run.start()
    wait_for(lambda: len(calls(noted)) >= 4)
    kill(cluster.workers[0])
    cluster.start_worker()
    gate.touch()
    run.finish(process)
    run.is_whole()
    assert CELLS <= len(calls(noted)) <= CELLS + 1
    assert f"{CELLS} ok, 0 skipped, 0 failed, 0 done before" in run.said()


def test_the_scheduler_is_killed_in_the_middle(
    suite_file: Path, cluster: Machines, tmp_path: Path, noted: Path, gate: Path
) -> None:
    run = Sweep(suite_file, cluster, write_method(tmp_path, counting(gated(noted, after=4), noted)))
    process = run.start()
    wait_for(lambda: run.finished() >= 2)
    assert cluster.scheduler is not None
    kill(cluster.scheduler)
    run.finish(process, code=2)
    (error,) = [line for line in run.said(err=True).splitlines() if line.startswith("error: ")]
    assert "does not answer any more; finished cells are kept: start it and its workers, then run the same" in error
    assert "Traceback" not in run.said(err=True)
    done = run.finished()
    assert 2 <= done < CELLS
    gate.touch()
    cluster.start_scheduler()
    cluster.start_worker()
    cluster.start_worker()
    run.finish(run.start())
    run.is_whole()
    # What was in flight may have ended after the scheduler did: workers finish what they have in hand.
    assert CELLS <= len(calls(noted)) <= CELLS + 2


def test_the_client_is_killed_and_runs_again_while_workers_are_still_at_it(
    suite_file: Path, cluster: Machines, tmp_path: Path, noted: Path, gate: Path
) -> None:
    run = Sweep(suite_file, cluster, write_method(tmp_path, counting(gated(noted, after=3), noted)))
    process = run.start()
    wait_for(lambda: len(calls(noted)) >= 4)
    kill(process)
    again = run.start()
    gate.touch()
    run.finish(again)
    run.is_whole()
    assert len(calls(noted)) == CELLS
    assert list(run.out.glob(".seen-by-workers*"))  # of the killed one alone


def test_two_sweeps_share_a_cluster_and_a_folder(
    suite_file: Path, cluster: Machines, tmp_path: Path, noted: Path
) -> None:
    run = Sweep(
        suite_file, cluster, write_method(tmp_path, counting(f"import time; time.sleep(0.2)\n{NOISE}", noted))
    )
    both = [run.start(), run.start()]
    for process in both:
        run.finish(process)
    run.is_whole()
    assert Counter(Counter(calls(noted)).values()) == {1: CELLS}


NETWORK = """
import errno, fcntl, os, threading
from pathlib import Path

OUT = {out!r}

def flock(file, how, *, lock=fcntl.flock):
    if os.readlink("/proc/self/fd/%d" % file).startswith(OUT):
        raise OSError(errno.ENOLCK, "No locks available")
    lock(file, how)

def link(*_, **__):
    raise OSError(errno.EPERM, "Operation not permitted")

def replace(path, target, *, at_once=Path.replace):
    if str(target).startswith(OUT) and str(target).endswith(".json"):
        copy = path.with_suffix(".sent")
        copy.write_bytes(path.read_bytes())
        with open(OUT + ".late", "a") as file:
            file.write(copy.name + "\\n")
        threading.Timer(2.0, at_once, (copy, target)).start()
    else:
        at_once(path, target)

if fcntl.flock.__name__ != "flock" or not hasattr(fcntl.flock, "__kwdefaults__"):
    fcntl.flock, os.link, Path.replace = flock, link, replace
"""
"""Run by a worker first: no locks and no hard links in the sweep's folder, and records seen two seconds late."""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="names of open files are asked of Linux")
def test_a_network_folder_without_locks_and_hard_links_that_shows_records_late(
    suite_file: Path, tmp_path: Path, noted: Path
) -> None:
    spec = write_method(tmp_path, counting(NOISE, noted))
    with machines(tmp_path / "cluster", workers=0) as cluster:
        run = Sweep(suite_file, cluster, spec)
        for _ in range(2):
            cluster.start_worker(preload=NETWORK.format(out=str(run.out)))
        cluster.wait_for_workers(2)
        run.finish(run.start())
        run.is_whole()
        assert len(calls(noted)) == CELLS
        assert len(run.out.with_suffix(".late").read_text().splitlines()) == CELLS
        assert f"{CELLS} ok, 0 skipped, 0 failed" in run.said()
        run.finish(run.start())
        assert f"0 ok, 0 skipped, 0 failed, {CELLS} done before" in run.said()


def test_a_cell_that_costs_its_workers_is_a_failed_record(
    suite_file: Path, cluster: Machines, tmp_path: Path, noted: Path
) -> None:
    """As one does for which a machine has too little memory: whoever plays it, the worker is killed."""
    waiting = "if request.forget[0].name == 'red':\n    import time\n    time.sleep(100)\nreturn clip"
    run = Sweep(suite_file, cluster, write_method(tmp_path, counting(waiting, noted)))
    for _ in range(2):
        cluster.start_worker()
    process = run.start()
    for times in (1, 2, 3):
        wait_for(lambda times=times: calls(noted).count("red") == times)  # type: ignore[misc]
        newest = max(noted.glob("red.*"), key=lambda path: path.stat().st_mtime_ns)
        referee_of(int(newest.name.split(".")[1])).kill()
    run.finish(process, code=1)
    records = {record.run.forget[0]: record for record in read_folder(run.out).records}
    assert records.pop("red").reason.startswith("its worker died 3 times (tcp://127.0.0.1:")
    assert {record.status for record in records.values()} == {"ok"}
    assert Counter(calls(noted)) == {**dict.fromkeys(records, 1), "red": 3}


def test_shards_work_on_a_cluster_too(suite_file: Path, cluster: Machines, tmp_path: Path, noted: Path) -> None:
    run = Sweep(suite_file, cluster, write_method(tmp_path, counting(NOISE, noted)))
    usual = list(run.given)
    for part in ("1/2", "2/2"):
        run.given = [*usual, "--shard", part]
        run.finish(run.start())
    assert [record.status for record in read_folder(run.out).records] == ["ok"] * CELLS
    assert len(calls(noted)) == CELLS


OWN_PYTHON = """
import os, subprocess, sys
os.environ.update({env!r})
os.execv({python!r}, [{python!r}, "-m", "distributed.cli.dask_worker", *{arguments!r}])
"""


def environment(folder: Path, *, changed: bool = False) -> str:
    """A virtual environment with a copy of this package of its own; the path of its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    shared = Path(torch.__file__).parent.parent
    (packages / "shared.pth").write_text(f"{shared}\n")
    shutil.copytree(Path(unlearn_bench.__file__).parent, packages / "unlearn_bench")
    if changed:
        (packages / "unlearn_bench" / "seeding.py").write_text("# nothing is random any more\n")
    return str(folder / "bin" / "python")


def test_workers_in_environments_of_their_own(suite_file: Path, tmp_path: Path, noted: Path) -> None:
    """Each with a copy of the package, as if installed; one that was changed is named. Takes long: real imports."""
    spec = write_method(tmp_path, counting(NOISE, noted))
    with machines(tmp_path / "cluster", workers=0) as cluster:
        run = Sweep(suite_file, cluster, spec)
        env = {"UNLEARN_BENCH_CACHE": str(tmp_path / "another cache"), ALLOW_VARIABLE: str(tmp_path)}
        given = ["--scheduler-file", str(cluster.file), "--nthreads", "1", "--no-dashboard", "--no-nanny"]

        def start_own(name: str, *, changed: bool = False) -> None:
            python = environment(tmp_path / name, changed=changed)
            cluster.workers.append(start(OWN_PYTHON.format(env=env, python=python, arguments=given)))

        start_own("first")
        start_own("second")
        run.given += ["--wait", "60"]
        run.finish(run.start())
        run.is_whole()
        versions = {record.provenance["version"] for record in read_folder(run.out).records}
        assert versions == {unlearn_bench.__version__}
        assert (tmp_path / "another cache" / "images").is_dir()
        start_own("changed", changed=True)
        with Client(scheduler_file=str(cluster.file), set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)
        run.finish(run.start(), code=2)
        assert f"the sweep {unlearn_bench.__version__} (code " in run.said(err=True)


def test_settings_are_searched_on_the_cluster_too(
    suite_file: Path, cluster: Machines, tmp_path: Path, noted: Path
) -> None:
    """The trials' records are in the cache, which is the same for all here."""
    file = write_suite(tmp_path, tuning={"folder:warm": ["green", "blue"], "folder:cold": ["yellow", "magenta"]})
    run = Sweep(file, cluster, tunable_method(tmp_path, counting(TURN, noted)))
    run.given += ["--tune", "2", "--classes", "red,cyan"]
    run.finish(run.start())
    assert {record.status for record in read_folder(run.out).records} == {"ok"}
    assert len(read_folder(run.out).records) == 2
    assert (run.out / "presets").is_dir()
    assert {"green", "blue", "yellow", "magenta"} & set(calls(noted))
