"""The end of a sweep: a table that fits 100 columns whatever names there are, and the sentence."""

import pytest
from rich.cells import cell_len

from tests.leaderboards.curve_examples import front, nothing
from tests.leaderboards.examples import ended, identity, only, sweep
from tests.leaderboards.page.page_examples import LONG, many_kinds, nasty
from unlearn_bench.leaderboards.brief.headline import headline
from unlearn_bench.leaderboards.brief.terminal import WIDTH, leader, of_board, summary, wrapped
from unlearn_bench.leaderboards.records.record import Record

WIDE = "忘却学習法" * 12


@pytest.mark.parametrize(
    "records",
    [
        many_kinds(),
        nasty(),
        sweep(LONG) + sweep(WIDE, model=LONG) + identity(),
        front(LONG, (12, 30, 45), (2, 27, 40)) + nothing(),
        [ended(item, "failed", "x") for item in sweep()],
    ],
    ids=["all kinds", "nasty", "long", "curves", "failed"],
)
def test_every_line_fits(records: list[Record]) -> None:
    lines = summary(records).splitlines()
    assert len(lines) > 5
    assert max(cell_len(line) for line in lines) <= WIDTH


def test_the_table_says_what_the_rows_say() -> None:
    board = only(sweep("lip") + sweep("amns", targets=(12,)) + identity())
    lines = of_board(board).splitlines()
    assert lines[0] == "mini-rn, suite mini"
    headers = "rank method access score (95 %) forgetting retention irreversibility"
    assert " ".join(lines[2].split()) == headers
    lip = next(line for line in lines if " lip " in line)
    assert lip.split() == ["1", "lip", "ZS", ".042", *lip.split()[4:7], ".875", "1.000", "-"]
    assert next(line for line in lines if " amns " in line).split()[-3:] == [".250*", "1.000", "-"]
    assert next(line for line in lines if " identity " in line).startswith("-     identity")
    assert lines.index(next(line for line in lines if " identity " in line)) > lines.index(lip) + 1
    assert "* did not forget" in of_board(board)
    assert " ".join(of_board(board).split()).endswith(headline(board))
    assert "did not forget" not in of_board(only(sweep("lip") + identity()))


def test_each_model_has_its_table() -> None:
    text = summary(many_kinds())
    assert text.index("mini-rn, suite mini") < text.index("mini-vit, suite mini")
    assert summary([]) == ""


def test_the_leader_so_far() -> None:
    assert leader(only(sweep("lip") + sweep("amns", targets=(12,)) + identity())) == "lip leads on mini-rn (.042)"
    assert leader(only(identity())) == ""
    assert leader(only(front("lip", (12, 30, 45)) + nothing())) == ""


def test_wrapping() -> None:
    assert wrapped("") == []
    assert wrapped("a b") == ["a b"]
    assert "".join(wrapped("x" * 250)) == "x" * 250
    assert [len(line) for line in wrapped("x" * 250)] == [100, 100, 50]
    assert wrapped(f"{'y' * 99} z") == ["y" * 99, "z"]
