"""What a worker says of itself, and what it does with a task."""

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import unlearn_bench
from unlearn_bench import __version__
from unlearn_bench.benchmarks.engines import workers
from unlearn_bench.benchmarks.engines.workers import (
    Expected,
    Found,
    Raised,
    Unfit,
    carry,
    code_digest,
    expecting,
    in_short,
    look,
    question,
)
from unlearn_bench.errors import InputError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as a worker of one thread, that does not wait long."""
    monkeypatch.setattr(workers, "_threads", lambda: 1)
    monkeypatch.setattr(workers, "_SEEN_WITHIN_S", 0.1)


def said(expected: Expected) -> Found | Unfit:
    return look(json.dumps(asdict(expected)))


def test_the_question_is_answered_by_who_fits(tmp_path: Path) -> None:
    with expecting(tmp_path / "new") as expected:
        answer = eval(question(expected))
        assert isinstance(answer, Found)
        assert Path(expected.token).parent == tmp_path / "new"
    assert (answer.cpus >= 1, answer.free_bytes > 0, answer.cpu.startswith("cpu ")) == (True, True, True)
    assert len(answer.cores) >= 1
    assert list((tmp_path / "new").iterdir()) == []


def test_a_plan_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with expecting(None) as expected:
        assert isinstance(said(expected), Found)
        assert list(tmp_path.iterdir()) == []


def test_who_has_not_this_package_says_so_and_nothing_of_it_is_needed_to_read_the_question() -> None:
    asked = question(Expected(version="1", code="2"))
    assert isinstance(asked, str)
    with pytest.raises(ModuleNotFoundError):
        eval(asked.replace("unlearn_bench.benchmarks", "unlearn_bench_of_old"))


def test_other_versions_other_code_and_more_threads_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Expected(version=__version__, code=code_digest())
    older = said(replace(own, version="0.0.9"))
    assert isinstance(older, Unfit)
    assert older.reason.startswith(f"it has unlearn-bench {__version__} (code {code_digest()}), the sweep 0.0.9")
    assert isinstance(said(replace(own, code="0" * 12)), Unfit)
    monkeypatch.setattr(workers, "_threads", lambda: 8)
    many = said(own)
    assert isinstance(many, Unfit)
    assert "it runs 8 tasks at a time in one process" in many.reason


def test_who_does_not_see_the_folder_or_can_t_write_there_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with expecting(tmp_path) as expected:
        blind = said(replace(expected, token=str(tmp_path / "elsewhere" / "token")))
        other = said(replace(expected, secret="another folder of the same name"))
        for answer in (blind, other):
            assert isinstance(answer, Unfit)
            assert answer.reason.startswith("it does not see the sweep's folder ")

        def refuse(**_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("tempfile.TemporaryFile", refuse)
        guest = said(expected)
    assert isinstance(guest, Unfit)
    assert "it can't write to the sweep's folder" in guest.reason
    assert "(Permission denied)" in guest.reason


def test_whatever_goes_wrong_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise RuntimeError("no worker here\nmore")

    monkeypatch.setattr(workers, "_threads", broken)
    answer = said(Expected(version=__version__, code=code_digest()))
    assert answer == Unfit(reason="it can't say what it is (RuntimeError: no worker here); see its log")


def test_code_is_the_same_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout's rooms are links; a wheel's are folders. One line more is other code."""
    own = code_digest()
    copy = tmp_path / "unlearn_bench"
    shutil.copytree(
        Path(unlearn_bench.__file__).parent, copy, ignore=shutil.ignore_patterns("*.npz", "*.safetensors")
    )
    monkeypatch.setattr(unlearn_bench, "__file__", str(copy / "__init__.py"))
    assert code_digest.__wrapped__() == own
    with (copy / "methods" / "lip.py").open("a") as file:
        file.write("# one more line\n")
    assert code_digest.__wrapped__() != own


def test_a_task_runs_in_the_sweep_s_folder_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert carry(1, task=lambda _: os.getcwd(), folder=tmp_path / "there") == str(tmp_path / "there")
    assert carry(1, task=lambda _: os.getcwd(), folder=tmp_path / "not there") == str(tmp_path)
    assert Path.cwd() == tmp_path


def test_errors_are_results(tmp_path: Path) -> None:
    def wrong(kind: type[Exception]) -> None:
        raise kind("first line\nsecond")

    assert carry(InputError, task=wrong, folder=tmp_path) == Raised(said="first line\\nsecond", by_task=True)
    assert carry(ValueError, task=wrong, folder=tmp_path) == Raised(said="ValueError: first line", by_task=False)
    assert in_short(ValueError()) == "ValueError: no message"
