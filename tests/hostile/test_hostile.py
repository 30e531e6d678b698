"""A method, however wrong, hostile or unlucky, can spoil its own cell and nothing else."""

import hashlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from tests.benchmarks.support import CONDITIONS, NOISE, plan, ready, write_method, write_suite
from tests.hostile.methods import ENDS, PATCHES, REACHES, TRACES, Hostile, all_of_them
from unlearn_bench.benchmarks.isolation.fence import ALLOW_VARIABLE
from unlearn_bench.benchmarks.isolation.landlock import version
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.leaderboards.records.record import Record

ALL = all_of_them()


class Stage:
    """An innocent method's cell, what it comes to, and what lies on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.suite = write_suite(folder)
        self.innocent = self.cell(NOISE, "innocent")
        self.alone = self.play(self.innocent)
        self.disk = self.on_the_disk()
        assert self.alone.status == "ok"

    def cell(self, body: str, name: str) -> Cell:
        spec = write_method(self.folder / "methods", body, name=name)
        return plan(self.suite, [spec], classes=["red"], metrics=["accuracy", "average-score"])[0]

    def play(self, cell: Cell) -> Record:
        return run_cell(cell, open_workbench(cell.setting), CONDITIONS).record

    def on_the_disk(self) -> dict[str, str]:
        """A hash of each file of the cache and the data."""
        files = [path for part in ("cache", "data") for path in sorted((self.folder / part).rglob("*"))]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "methods").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("UNLEARN_BENCH_CACHE", str(folder / "cache"))
        ready()
        patched.delenv(ALLOW_VARIABLE)
        open_workbench.cache_clear()
        yield Stage(folder)
        open_workbench.cache_clear()


@pytest.mark.parametrize("name", ALL)
def test_the_next_one_s_numbers_are_what_they_were(name: str, stage: Stage) -> None:
    hostile: Hostile = ALL[name]
    said = stage.play(stage.cell(hostile.body, f"hostile-{name}"))
    assert stage.play(stage.innocent).measurements == stage.alone.measurements
    assert stage.on_the_disk() == stage.disk
    if name in ENDS:
        assert said.status == ("failed" if hostile.reason else "ok"), said.reason
        assert re.search(hostile.reason, said.reason)
    assert "\n" not in said.reason
    assert len(said.reason) < 3000


def test_no_process_is_left(stage: Stage) -> None:
    """Of the method's own or below it: neither one that sleeps nor one that keeps a core busy for all later cells."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    body = f"import subprocess\nsubprocess.Popen(['sleep', '600'])\n{TRACES['busy-thread']}\nreturn clip"
    assert stage.play(stage.cell(body, "busy")).status == "ok"
    end = time.monotonic() + 20
    while (left := _players(before)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left


def _players(before: set[int]) -> list[psutil.Process]:
    """Processes that were begun since then and live: but for what starts and tracks processes."""
    found = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    lasting = ("resource_tracker", "forkserver")
    return [
        child
        for child in found
        if child.is_running()
        and child.status() != psutil.STATUS_ZOMBIE
        and not any(word in " ".join(child.cmdline()) for word in lasting)
    ]


def test_a_patched_clock_counts_nobody_s_seconds(stage: Stage) -> None:
    """Its own neither: the referee's watch is in another process."""
    body = f"{PATCHES['clock']}\ntime.sleep(0.3)\nreturn clip"
    for name, cell in (("clock", stage.cell(body, "clock")), ("innocent", stage.innocent)):
        timed = replace(cell, metric_targets=(*cell.metric_targets, "unlearn_bench.metrics.cost:Seconds"))
        found = stage.play(timed).find("seconds", group="method")
        assert found is not None
        assert found.after is not None
        assert (found.after > 0.29) == (name == "clock")


def test_there_are_many(stage: Stage) -> None:
    assert len(ALL) == len(PATCHES) + len(TRACES) + len(REACHES) + len(ENDS) >= 81
    assert stage.innocent.run.method == "innocent"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux fences")
def test_test_images_are_out_of_reach(stage: Stage) -> None:
    """By the cache, by the data's own folder, by open files of the referee."""
    pid = os.getpid()
    tries = {
        "cache": f"[p.read_bytes() for p in Path({str(stage.folder / 'cache')!r}).rglob('*') if p.is_file()][0]",
        "referee's files": f"[os.readlink(p) for p in Path('/proc/{pid}/fd').iterdir()][0]",
        "referee's memory": f"open('/proc/{pid}/mem', 'rb').close()",
        "referee": f"os.kill({pid}, signal.SIGTERM)",
    }
    body = "found = []\n" + "".join(
        f"try:\n    {line}\n    found.append({name!r})\nexcept (OSError, IndexError):\n    pass\n"
        for name, line in tries.items()
    )
    cell = stage.cell(f"{body}if found:\n    raise ValueError(str(found))\nreturn clip", "peeking")
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        said = stage.play(cell)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (said.status, said.reason) == ("ok", "")


@pytest.mark.skipif(not version(), reason="this system has no Landlock")
@pytest.mark.usefixtures("stage")
def test_test_images_behind_links_and_drawn_ones_are_out_of_reach_too(tmp_path: Path) -> None:
    """People keep photographs once and link to them: what the folder of the data links to is hidden with it."""
    suite, pool = write_suite(tmp_path), tmp_path / "pool"
    (tmp_path / "data" / "warm").rename(pool)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("mine")
    for path in sorted(pool.rglob("*.png")):
        link = tmp_path / "data" / "warm" / path.relative_to(pool)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    body = f"""
    from unlearn_bench.errors import CellFailure
    found = []
    for name, read in {{
        "link": lambda: [p.read_bytes() for p in Path({str(tmp_path / "data" / "warm")!r}).rglob("*.png")][0],
        "file": lambda: Path({str(path)!r}).read_bytes(),
        "neighbour": lambda: Path({str(tmp_path / "other" / "notes")!r}).read_bytes(),
        "drawn": lambda: __import__("unlearn_bench.benchmarks.data.sources").benchmarks.data.sources.open_dataset(
            "mini-shapes").picture("test", 0),
    }}.items():
        try:
            read()
            found.append(name)
        except (OSError, IndexError, CellFailure):
            pass
    request.report(0, found=",".join(found))
    return clip
    """
    target = write_method(tmp_path / "other", body, name="peeking")
    cell = plan(suite, [target], classes=["red"], metrics=["accuracy"])[0]
    outcome = run_cell(cell, open_workbench(cell.setting), CONDITIONS)
    assert (outcome.record.status, outcome.record.reason) == ("ok", "")
    assert outcome.history == ({"step": 0, "found": "neighbour"},)


def test_a_method_s_threads_and_dtypes_are_not_the_referee_s(stage: Stage) -> None:
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert stage.play(stage.innocent).measurements == stage.alone.measurements
