"""A sweep resumes, runs in parallel, and loses nothing to failures, cut files and killed workers."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from joblib.externals.loky.process_executor import TerminatedWorkerError

from tests.benchmarks.support import (
    CONDITIONS,
    HERE,
    NOISE,
    WARM,
    calls,
    counting,
    no_warning,
    plan,
    start,
    write_method,
    write_skipper,
)
from unlearn_bench.benchmarks.engines import local
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.referee.cell import Cell, label
from unlearn_bench.benchmarks.sweep import runner as module
from unlearn_bench.benchmarks.sweep.repeats import recorded
from unlearn_bench.benchmarks.sweep.runner import Tally, spread, sweep
from unlearn_bench.benchmarks.sweep.work import Done, claim_slot, work
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder, weights_file

TWO = Local(conditions=dataclasses.replace(CONDITIONS, jobs=2))


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def warm_cells(suite_file: Path, *specs: str) -> list[Cell]:
    return plan(suite_file, list(specs), datasets=["folder:warm"])


def run(cells: list[Cell], out: Path, **more: object) -> tuple[Tally, list[Done]]:
    heard: list[Done] = []
    given = {"engine": HERE, "warn": no_warning, **more}
    tally = sweep(cells, out, listener=heard.append, **given)  # type: ignore[arg-type]
    return tally, heard


def records(out: Path) -> dict[str, Record]:
    return {"+".join(record.run.forget): record for record in read_folder(out).records}


def test_every_cell_leaves_a_record_and_a_history(suite_file: Path, noted: Path, tmp_path: Path, out: Path) -> None:
    cells = warm_cells(suite_file, write_method(tmp_path, counting(NOISE, noted)))
    tally, heard = run(cells, out)
    assert tally == Tally(ok=3)
    assert [done.key for done in heard] == [cell.run.key for cell in cells]
    assert [done.label for done in heard] == [label(cell) for cell in cells]
    assert label(cells[0]).endswith("mine folder:warm/blue seed 0")
    assert {name: record.status for name, record in records(out).items()} == dict.fromkeys(WARM, "ok")
    for cell in cells:
        lines = (out / "cells" / f"{cell.run.key}.history.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == [{"step": 1, "sigma": 0.5}]
        stored = next(r for r in records(out).values() if r.run.key == cell.run.key)
        assert stored.run.hyperparameters == {"strength": 0.5}
        assert stored.provenance["threads"] == 1
    assert calls(noted) == ["blue", "green", "red"]


def test_finished_cells_do_not_run_again_and_failed_ones_do(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path
) -> None:
    flag = tmp_path / "mended"
    gate = f"request.forget[0].name == 'red' and not Path({str(flag)!r}).exists()"
    body = counting(f"if {gate}:\n    raise OSError('x')\nreturn clip", noted)
    cells = warm_cells(suite_file, write_method(tmp_path, body))
    assert run(cells, out)[0] == Tally(ok=2, failed=1)
    assert "OSError: x" in records(out)["red"].reason
    assert run(cells, out)[0] == Tally(resumed=2, failed=1)
    flag.touch()
    assert run(cells, out)[0] == Tally(resumed=2, ok=1)
    assert run(cells, out)[0] == Tally(resumed=3)
    assert calls(noted) == ["blue", "green", "red", "red", "red"]
    assert records(out)["red"].status == "ok"


def test_one_method_more_costs_that_method_only(suite_file: Path, noted: Path, tmp_path: Path, out: Path) -> None:
    first = write_method(tmp_path, counting("return clip", noted), name="first")
    second = write_method(tmp_path, "return clip", name="second")
    run(warm_cells(suite_file, first), out)
    assert run(warm_cells(suite_file, first, second), out)[0] == Tally(resumed=3, ok=3)
    assert len(calls(noted)) == 3


def test_fresh_runs_all_again(suite_file: Path, noted: Path, tmp_path: Path, out: Path) -> None:
    cells = warm_cells(suite_file, write_method(tmp_path, counting("return clip", noted)))
    run(cells, out)
    assert run(cells, out, fresh=True)[0] == Tally(ok=3)
    assert len(calls(noted)) == 6


def test_skips_are_records_and_are_asked_again(suite_file: Path, noted: Path, tmp_path: Path, out: Path) -> None:
    flag = tmp_path / "weights"
    cells = warm_cells(suite_file, write_skipper(tmp_path, flag, counting("return clip", noted)))
    tally, heard = run(cells, out)
    assert tally == Tally(skipped=3)
    assert {done.reason for done in heard} == {"no weights"}
    assert records(out)["red"].status == "skipped"
    assert set(recorded(out, warn=no_warning).values()) == {"skipped"}
    assert run(cells, out)[0] == Tally(skipped=3)
    assert calls(noted) == []
    flag.touch()
    assert run(cells, out)[0] == Tally(ok=3)
    assert {name: record.status for name, record in records(out).items()} == dict.fromkeys(WARM, "ok")
    assert run(cells, out)[0] == Tally(resumed=3)
    assert calls(noted) == ["blue", "green", "red"]


def test_a_record_cut_in_half_is_named_and_its_cell_runs_again(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path
) -> None:
    cells = warm_cells(suite_file, write_method(tmp_path, counting("return clip", noted)))
    run(cells, out)
    path = out / "cells" / f"{cells[1].run.key}.json"
    path.write_text(path.read_text()[:100])
    told: list[str] = []
    tally, _ = run(cells, out, warn=told.append)
    assert tally == Tally(resumed=2, ok=1)
    (message,) = told
    assert path.name in message
    assert "set aside" in message
    assert (
        path.with_name(f"{path.name}.broken").read_text() == (path.with_name(f"{path.name}.broken").read_text())[:100]
    )
    assert calls(noted).count(cells[1].run.forget[0]) == 2
    assert len(records(out)) == 3


def test_nothing_is_recorded_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert recorded(tmp_path / "nowhere", warn=no_warning) == {}


def test_two_jobs_give_what_one_gives(suite_file: Path, tmp_path: Path, out: Path, pool: None) -> None:
    """Also: a method from a file runs in workers, which know nothing of this process."""
    body = "made = request.synthesize()\n" + NOISE
    cells = warm_cells(
        suite_file, write_method(tmp_path, body), write_method(tmp_path, "raise ValueError('no')", name="bad")
    )
    assert run(cells, tmp_path / "one")[0] == Tally(ok=3, failed=3)
    assert run(cells, tmp_path / "two", engine=TWO)[0] == Tally(ok=3, failed=3)
    one, two = (
        {record.run.key: record for record in read_folder(tmp_path / name).records} for name in ("one", "two")
    )
    assert one.keys() == two.keys()
    for key, first in one.items():
        second = two[key]
        assert (first.run, first.status, first.reason) == (second.run, second.status, second.reason)
        timeless = [
            [m for m in record.measurements if m.metric not in {"seconds", "peak-memory"}]
            for record in (first, second)
        ]
        assert timeless[0] == timeless[1]
        assert (first.provenance["contended"], second.provenance["contended"]) == (False, True)
        same = [(tmp_path / name / "cells" / f"{key}.history.jsonl").read_text() for name in ("one", "two")]
        assert same[0] == same[1]


def test_workers_keep_weights_and_measure_them(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path, pool: None
) -> None:
    """And what a worker has to say of a broken file reaches the user."""
    spec = write_method(tmp_path, counting(NOISE, noted))
    run(warm_cells(suite_file, spec), out, engine=TWO, keep=True)
    more = plan(suite_file, [spec], datasets=["folder:warm"], metrics=["accuracy", "predictions"])
    broken = weights_file(out, more[0].run)
    broken.write_bytes(b"")
    said: list[str] = []
    assert run(more, out, engine=TWO, warn=said.append)[0] == Tally(ok=3)
    assert calls(noted) == sorted(["blue", "green", "red", more[0].run.forget[0]])
    (warning,) = said
    assert broken.name in warning
    found = [record.provenance.get("kept_weights") for record in read_folder(out).records]
    assert len([origin for origin in found if origin]) == 2


def test_neighbours_forget_different_classes(suite_file: Path, tmp_path: Path) -> None:
    """Three classes, two methods: each pair of neighbours can work at once without sharing synthetic images."""
    specs = [write_method(tmp_path, "return clip", name=name) for name in ("first", "second")]
    cells = warm_cells(suite_file, *specs)
    one, two, three = dict.fromkeys(cell.run.forget for cell in cells)

    def drawn(jobs: int) -> list[tuple[tuple[str, ...], str]]:
        return [(cell.run.forget, cell.run.method) for cell in spread(cells, jobs)]

    assert drawn(1) == [(name, method) for name in (one, two, three) for method in ("first", "second")]
    pairs = [(one, "first"), (two, "first"), (one, "second"), (two, "second")]
    assert drawn(2) == [*pairs, (three, "first"), (three, "second")]
    assert drawn(3) == drawn(8) == [(name, method) for method in ("first", "second") for name in (one, two, three)]
    uneven = [cell for cell in cells if (cell.run.forget, cell.run.method) != (one, "second")]
    assert sorted(cell.run.key for cell in spread(uneven, 2)) == sorted(cell.run.key for cell in uneven)


def test_what_all_cells_need_is_made_once_before_the_first(suite_file: Path, tmp_path: Path) -> None:
    """Test images of each dataset; training images only of datasets whose methods may see them."""
    blind = write_method(tmp_path, "return clip", name="blind")
    seeing = write_method(tmp_path, "return clip", name="seeing", access="not-ZS")
    everywhere = {("folder:warm", "before"), ("folder:cold", "before")}

    def parts(*specs: str) -> list[tuple[str, str]]:
        return [(name, part) for _, name, part in module._parts(warm_cells(suite_file, *specs))]

    assert sorted(parts(blind)) == sorted(everywhere)
    assert sorted(parts(blind, seeing)) == sorted({*everywhere, ("folder:warm", "train")})


def test_methods_that_are_killed_fail_their_cells_alone(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path, pool: None
) -> None:
    """Each with its true reason: native code that crashed is not "out of memory"."""
    ends = {"red": "os.kill(os.getpid(), signal.SIGKILL)", "blue": "import ctypes; ctypes.string_at(0)"}
    body = "\n".join(f"if request.forget[0].name == {name!r}:\n    {end}" for name, end in ends.items())
    cells = warm_cells(suite_file, write_method(tmp_path, counting(f"{body}\nreturn clip", noted)))
    tally, heard = run(cells, out, engine=TWO)
    assert tally == Tally(ok=1, failed=2), {name: item.reason for name, item in records(out).items()}
    assert sorted(done.status for done in heard) == ["failed", "failed", "ok"]
    assert "ended by SIGKILL: most often that means out of memory" in records(out)["red"].reason
    assert "ended by SIGSEGV: native code crashed" in records(out)["blue"].reason
    assert records(out)["red"].provenance["jobs"] == 2
    assert calls(noted).count("red") == 1


def test_errors_of_the_user_cross_processes(suite_file: Path, tmp_path: Path, out: Path, pool: None) -> None:
    cells = warm_cells(suite_file, write_method(tmp_path, "return clip"))
    for path in (tmp_path / "data" / "cold" / "cyan").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"cyan/\d+.png' can't be read"):
        run(cells, out, engine=TWO)


def test_workers_that_die_at_once_do_not_loop_for_ever(
    suite_file: Path, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def dies(*_: object, **__: object) -> Iterator[Done]:
        tried.append(1)
        raise TerminatedWorkerError("gone")

    monkeypatch.setattr(local.Local, "_pool", dies)
    with pytest.raises(InputError, match=r"worker processes die before they finish a cell.*fewer --jobs"):
        run(warm_cells(suite_file, write_method(tmp_path, "return clip")), out, engine=TWO)
    assert len(tried) == 3


def test_a_full_disk_is_one_line_and_leaves_no_half_record(
    suite_file: Path, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = warm_cells(suite_file, write_method(tmp_path, "return clip"))
    run(cells[:1], out)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(InputError, match=r"can't be written to .* \(No space left on device\); free space"):
            run(cells, out)
    assert list(records(out)) == [cells[0].run.forget[0]]
    assert not [path for path in (out / "cells").iterdir() if path.suffix == ".part"]
    assert run(cells, out)[0] == Tally(resumed=1, ok=2)


def test_a_cell_in_other_hands_is_left_alone(suite_file: Path, noted: Path, tmp_path: Path, out: Path) -> None:
    (cell, *_) = warm_cells(suite_file, write_method(tmp_path, counting("return clip", noted)))
    (out / "cells").mkdir(parents=True)
    with FileLock(out / "cells" / f".{cell.run.key}.lock"):
        assert work(cell, out, CONDITIONS).holder == "another process"
    assert calls(noted) == []
    assert work(cell, out, CONDITIONS).status == "ok"
    assert work(cell, out, CONDITIONS).status == "ok"  # finished meanwhile, by another sweep perhaps
    assert calls(noted) == ["blue"]


_CLAIM = """
import time
from pathlib import Path
from unlearn_bench.benchmarks.sweep.work import claim_slot
slot, lock = claim_slot(Path({folder!r}), 3)
Path({folder!r}, "slot-%d-%s" % (slot, lock is not None)).touch()
while not Path({folder!r}, "enough").exists():
    time.sleep(0.02)
"""


def test_gpu_slots_are_exclusive_between_processes(tmp_path: Path) -> None:
    slot, lock = claim_slot(tmp_path, 3)
    assert (slot, lock is not None) == (0, True)
    others = [start(_CLAIM.format(folder=str(tmp_path))) for _ in range(2)]
    try:
        while len(list(tmp_path.glob("slot-*"))) < 2 and any(process.is_alive() for process in others):
            others[0].join(0.05)
        assert sorted(path.name for path in tmp_path.glob("slot-*")) == ["slot-1-True", "slot-2-True"]
        assert claim_slot(tmp_path, 3) == (0, None)  # sharing is better than stopping
    finally:
        (tmp_path / "enough").touch()
        for process in others:
            process.join(30)
    again, held = claim_slot(tmp_path, 3)
    assert (again, held is not None) == (1, True)


def test_the_switch_that_keeps_workers_alive_is_still_there() -> None:
    """It is private to loky: if it goes, workers are ended in mid-sweep again, and this says so."""
    from joblib.externals.loky import process_executor

    assert isinstance(process_executor._USE_PSUTIL, bool)
