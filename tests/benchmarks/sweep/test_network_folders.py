"""Folders of several machines: no locks, no hard links, files that are seen late; records are right all the same."""

import errno
import fcntl
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import CONDITIONS, HERE, NOISE, calls, counting, no_warning, plan, write_method
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep import runner
from unlearn_bench.benchmarks.sweep.removal import remove
from unlearn_bench.benchmarks.sweep.runner import Tally, sweep, wait_until_seen
from unlearn_bench.benchmarks.sweep.work import Done, hold, work
from unlearn_bench.cache import locked, take_lock
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder, write_record


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def take_locks_away(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int = errno.ENOLCK) -> None:
    """As on a file system that has neither locks nor hard links; other folders keep theirs."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("names of open files are asked of Linux")
    lock = fcntl.flock

    def flock(file: int, how: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{file}")).is_relative_to(folder):
            raise OSError(number, os.strerror(number))
        lock(file, how)

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(os, "link", link)


def one_cell(suite_file: Path, tmp_path: Path, noted: Path) -> Cell:
    spec = write_method(tmp_path, counting(NOISE, noted))
    return plan(suite_file, [spec], classes=["red"])[0]


def record_of(cell: Cell, time: str) -> Record:
    return Record(run=cell.run, status="ok", preset={}, provenance={"time": time})


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_cell_runs_where_there_are_no_locks_and_leaves_none(
    suite_file: Path, noted: Path, out: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    cell = one_cell(suite_file, out.parent, noted)
    take_locks_away(monkeypatch, out, number)
    with hold(out, cell.run.key) as first, hold(out, cell.run.key) as second:
        assert (first, second) == (True, True)
    assert work(cell, out, CONDITIONS).status == "ok"
    assert work(cell, out, CONDITIONS).status == "ok"
    assert calls(noted) == ["red"]
    assert all(path.stat().st_size == 0 for path in (out / "cells").glob(".*.lock"))  # none says "locked"
    (record,) = read_folder(out).records
    assert remove(out, [record]).records == 1


def test_two_who_run_the_same_cell_leave_one_record(
    suite_file: Path, tmp_path: Path, noted: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker that was taken for dead and its successor do; the last one's record stands, and says the same."""
    cell = one_cell(suite_file, tmp_path, noted)
    first = work(cell, out, CONDITIONS)
    before = read_folder(out).records[0]
    take_locks_away(monkeypatch, out)
    second = work(cell, out, CONDITIONS, fresh=True)
    (after,) = read_folder(out).records
    assert calls(noted) == ["red", "red"]
    assert (first.key, first.status) == (second.key, second.status)
    numbers = [[m for m in record.measurements if m.metric != "seconds"] for record in (before, after)]
    assert numbers[0] == numbers[1]
    assert len(list((out / "cells").glob("*.json"))) == 1


def test_what_is_made_in_parts_wants_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_locks_away(monkeypatch, tmp_path / "a")
    assert take_lock(tmp_path / "a" / "thing") is None
    with (
        pytest.raises(InputError, match=r"without locks.*set UNLEARN_BENCH_CACHE to a folder on each machine's own"),
        locked(tmp_path / "a" / "thing"),
    ):
        pass


def test_other_errors_of_a_lock_are_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output error"):
        take_lock(tmp_path / "thing")


def test_a_record_that_comes_late_is_waited_for(suite_file: Path, tmp_path: Path, noted: Path, out: Path) -> None:
    cell = one_cell(suite_file, tmp_path, noted)
    told = Done(key=cell.run.key, label="red", status="ok", written="2026-01-01T00:00:05+00:00")
    late = threading.Timer(0.3, write_record, (out, record_of(cell, told.written)))
    late.start()
    wait_until_seen([told], out, seconds=20)
    assert not late.is_alive()


def test_an_old_record_in_its_place_is_not_taken_for_it(
    suite_file: Path, tmp_path: Path, noted: Path, out: Path
) -> None:
    cell = one_cell(suite_file, tmp_path, noted)
    old, new = "2026-01-01T00:00:04+00:00", "2026-01-01T00:00:05+00:00"
    write_record(out, record_of(cell, old))
    told = Done(key=cell.run.key, label="red", status="ok", written=new)
    with pytest.raises(InputError, match=r"^1 records that workers wrote are not to be seen in .*after 0 s; see"):
        wait_until_seen([told], out, seconds=0)
    threading.Timer(0.3, write_record, (out, record_of(cell, new))).start()
    wait_until_seen([told], out, seconds=20)
    wait_until_seen([replace(told, written=old)], out, seconds=0)  # one that came after it will do
    wait_until_seen([], out, seconds=0)


def test_only_records_of_other_machines_are_waited_for(
    suite_file: Path, tmp_path: Path, noted: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(runner, "wait_until_seen", lambda finished, _: asked.append(len(finished)))
    cells = [one_cell(suite_file, tmp_path, noted)]
    given: dict[str, Any] = {"listener": lambda _: None, "warn": no_warning, "fresh": True}
    assert sweep(cells, out, HERE, **given) == Tally(ok=1)
    assert asked == []
    assert sweep(cells, out, replace(HERE, is_remote=True), **given) == Tally(ok=1)
    assert asked == [1]


def test_a_file_that_was_replaced_while_it_was_read_is_read_again(
    suite_file: Path, tmp_path: Path, noted: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(out, record_of(one_cell(suite_file, tmp_path, noted), "now"))
    read, times = Path.read_text, [0]

    def stale(path: Path, *args: Any, **more: Any) -> str:
        times[0] += 1
        if times[0] == 1:
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(path, *args, **more)

    monkeypatch.setattr(Path, "read_text", stale)
    assert len(read_folder(out).records) == 1
    monkeypatch.setattr(Path, "read_text", _always_stale)
    with pytest.raises(InputError, match="Stale file handle"):
        read_folder(out)


def _always_stale(*_: object, **__: object) -> str:
    raise OSError(errno.ESTALE, "Stale file handle")


def test_another_model_or_other_data_than_planned_end_the_sweep(
    suite_file: Path, tmp_path: Path, noted: Path, out: Path
) -> None:
    """As on a machine with other weights under the same name: its record would say what is not so."""
    cell = one_cell(suite_file, tmp_path, noted)
    model = replace(cell, run=replace(cell.run, fingerprint="0" * 16))
    with pytest.raises(InputError, match=r"^colours: not what the sweep was planned with .*see that all machines"):
        work(model, out, CONDITIONS)
    first, *rest = cell.run.evaluation
    data = replace(cell, run=replace(cell.run, evaluation=(replace(first, version="older"), *rest)))
    with pytest.raises(InputError, match=f"^{first.name}: not what the sweep was planned with"):
        work(data, out, CONDITIONS)
    assert calls(noted) == []
    assert not list((out / "cells").glob("*.json"))
