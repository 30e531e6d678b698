"""A cell in other hands, records that others would rewrite, workers that die: what is on the disk stays true."""

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import (
    CONDITIONS,
    HERE,
    NOISE,
    counting,
    no_warning,
    plan,
    write_method,
)
from unlearn_bench.benchmarks.engines.engine import Lost
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.isolation import landlock
from unlearn_bench.benchmarks.referee.cell import Cell, label
from unlearn_bench.benchmarks.sweep import runner as module
from unlearn_bench.benchmarks.sweep.runner import carry_out, sweep
from unlearn_bench.benchmarks.sweep.work import Done, hold
from unlearn_bench.leaderboards.records.endings import endings
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def warm_cells(suite_file: Path, *specs: str) -> list[Cell]:
    return plan(suite_file, list(specs), datasets=["folder:warm"])


def run(cells: list[Cell], out: Path) -> list[Done]:
    heard: list[Done] = []
    sweep(cells, out, engine=HERE, warn=no_warning, listener=heard.append)
    return heard


def records(out: Path) -> dict[str, Record]:
    return {"+".join(record.run.forget): record for record in read_folder(out).records}


def test_whom_is_waited_for_is_said_once(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_POLL_S", 0.05)
    (cell, *_) = warm_cells(suite_file, write_method(tmp_path, counting("return clip", noted)))
    said: list[str] = []
    asked: list[str] = []

    with ExitStack() as held:
        held.enter_context(hold(out, cell.run.key))

        def end_the_other(text: str) -> None:
            said.append(text)
            threading.Timer(0.3, held.close).start()

        carry_out([cell], out, HERE, listener=lambda done: asked.append(done.status), say=end_the_other)
    assert asked == ["ok"]
    (line,) = said
    assert line == (
        f"{label(cell)} is in the hands of another sweep (process {os.getpid()} of {platform.node()}); "
        "waiting for it to end"
    )
    assert not list((out / "cells").glob(".*.holder"))


def test_fresh_after_a_dead_worker_leaves_no_old_record(suite_file: Path, tmp_path: Path, out: Path) -> None:
    (cell, *_) = warm_cells(suite_file, write_method(tmp_path, NOISE))
    run([cell], out)
    assert records(out)[cell.run.forget[0]].status == "ok"

    @dataclass(frozen=True, kw_only=True)
    class Dying(Local):
        def each(self, task: Any, items: Any, *, folder: Path) -> Iterator[Any]:
            yield from (Lost(item=item, reason="killed twice") for item in items)

    engine = Dying(conditions=CONDITIONS)
    carry_out([cell], out, engine, listener=lambda _: None, fresh=True)
    found = records(out)[cell.run.forget[0]]
    assert (found.status, found.reason, found.measurements) == ("failed", "killed twice", ())
    assert endings(out).by_key[cell.run.key].status == "failed"


@pytest.mark.skipif(not landlock.version(), reason="this system has no Landlock")
@pytest.mark.usefixtures("strict")
def test_records_on_the_disk_are_out_of_a_method_s_reach(suite_file: Path, tmp_path: Path, out: Path) -> None:
    (first, *_) = warm_cells(suite_file, write_method(tmp_path, NOISE))
    run([first], out)
    before = {path: path.read_bytes() for path in sorted((out / "cells").glob("*.json"))}
    rewrite = f"""
found = []
for path in {[str(path) for path in before]!r}:
    for act in (lambda p: open(p), lambda p: open(p, "w"), os.unlink, lambda p: os.rename(p, p + ".away")):
        try:
            act(path)
            found.append(path)
        except OSError:
            pass
if found:
    raise ValueError(str(found))
return clip
"""
    (forger, *_) = warm_cells(suite_file, write_method(tmp_path, rewrite, name="forger"))
    (told,) = run([forger], out)
    assert (told.status, told.reason) == ("ok", "")
    assert {path: path.read_bytes() for path in before} == before
