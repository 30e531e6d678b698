"""Tables while a sweep runs: only what compares, never half a row, and little of the time."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.benchmarks.support import CONDITIONS, NOISE, plan, write_method
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep.so_far import LEADERBOARD, SoFar
from unlearn_bench.benchmarks.sweep.tasks import in_turn
from unlearn_bench.benchmarks.sweep.work import Done, work


@pytest.fixture
def cells(tmp_path: Path, suite_file: Path) -> list[Cell]:
    """Two methods on the suite's forget sets, class by class."""
    return plan(suite_file, [write_method(tmp_path, NOISE), write_method(tmp_path, NOISE, name="other")])


def done_in(cells: Sequence[Cell], out: Path) -> Iterator[tuple[Cell, Done]]:
    for cell in cells:
        yield cell, work(cell, out, CONDITIONS)


def forgotten(cells: Sequence[Cell]) -> int:
    return len({(cell.run.dataset, cell.run.forget, cell.run.seed) for cell in cells})


def test_a_forget_set_is_shown_once_all_methods_are_through(cells: list[Cell], tmp_path: Path) -> None:
    out, board = tmp_path / "out", tmp_path / "out" / LEADERBOARD
    total = forgotten(cells)
    assert total > 1
    so_far, ended = SoFar(cells, (), out, clock=lambda: 0.0), []
    for cell, done in done_in(cells, out):
        so_far.note(done)
        ended.append(cell)
        complete = [
            item for item in cells if all(other in ended for other in cells if other.run.forget == item.run.forget)
        ]
        if not complete:
            assert not board.exists()
            continue
        text = board.read_text()
        assert text.startswith(f"**So far: {forgotten(complete)} of {total} forget sets.**")
        for item in cells:
            assert bool(re.search(rf"\b{item.run.forget[0]}\b", text)) == (item in complete)
        assert "mine" in text
        assert "other" in text
        assert so_far.leader.startswith(f"{forgotten(complete)} of {total} forget sets: ")
        assert " leads on colours (" in so_far.leader


def test_what_was_done_before_counts(cells: list[Cell], tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = [cell for cell in cells if cell.run.forget == cells[0].run.forget]
    for _ in done_in(first, out):
        pass
    rest = [cell for cell in cells if cell not in first]
    second = [cell for cell in rest if cell.run.forget == rest[0].run.forget]
    so_far = SoFar(cells, {cell.run.key for cell in first}, out, clock=lambda: 0.0)
    for _, done in done_in(second, out):
        so_far.note(done)
    assert (out / LEADERBOARD).read_text().startswith("**So far: 2 of ")


def test_a_failed_cell_ends_its_forget_set_and_a_record_that_is_not_there_is_left_out(
    cells: list[Cell], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, second = [cell for cell in cells if cell.run.forget == cells[0].run.forget]
    so_far = SoFar(cells, (), out, clock=lambda: 0.0)
    so_far.note(work(first, out, CONDITIONS))
    so_far.note(Done(key=second.run.key, label="other", status="failed", reason="killed"))
    assert "mine" in (out / LEADERBOARD).read_text()
    so_far.note(Done(key="of another sweep", label="x", status="ok"))


def test_tables_take_little_of_the_time(cells: list[Cell], tmp_path: Path) -> None:
    """Each takes a second by this clock: so the next one is due twenty seconds later."""
    out, now = tmp_path / "out", 0.0
    board = out / LEADERBOARD

    def clock() -> float:
        nonlocal now
        now += 0.5 if board.exists() else 0.0
        return now

    so_far, seen = SoFar(cells, (), out, clock=clock), set()
    for _, done in done_in(cells, out):
        so_far.note(done)
        if board.exists():
            seen.add(board.read_text().partition("forget sets")[0])
    assert len(seen) == 1
    now += 20.0
    so_far.note(Done(key=cells[-1].run.key, label="again", status="ok"))
    assert board.read_text().startswith(f"**So far: {forgotten(cells)} of {forgotten(cells)} ")


def test_a_table_that_can_not_be_written_ends_nothing(
    cells: list[Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unlearn_bench.benchmarks.sweep.so_far.write_text", full)
    so_far = SoFar(cells, (), tmp_path / "out", clock=lambda: 0.0)
    for _, done in done_in(cells, tmp_path / "out"):
        so_far.note(done)
    assert not (tmp_path / "out" / LEADERBOARD).exists()


def test_datasets_take_turns() -> None:
    tasks = [("a", ("1",)), ("a", ("2",)), ("a", ("3",)), ("b", ("1",)), ("c", ("1",)), ("c", ("2",))]
    assert [name + forget[0] for name, forget in in_turn(tasks)] == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert in_turn([]) == []
