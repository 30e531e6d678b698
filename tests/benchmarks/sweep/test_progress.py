"""What a user sees while a sweep runs: bars of methods, who leads, plain lines in a log."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from unlearn_bench.benchmarks.sweep import progress
from unlearn_bench.benchmarks.sweep.work import Done


def heard(total: int, ends: list[Done], *, terminal: bool = False) -> str:
    stream = io.StringIO()
    with progress.showing(Console(file=stream, force_terminal=terminal, width=60), total, Path()) as listen:
        for done in ends:
            listen(done)
    return stream.getvalue()


OK = Done(key="a", label="mini-rn lip digits/one seed 0", status="ok")
BAD = Done(key="b", label="mini-rn [bold]lip[/bold] digits/two seed 0", status="failed", reason="x" * 100)


def test_plain_lines_in_a_log() -> None:
    lines = heard(3, [OK, BAD, OK]).splitlines()
    assert lines == [
        f"failed: mini-rn [bold]lip[/bold] digits/two seed 0: {'x' * 100}",  # whole, no mark-up, not wrapped
        "3/3 cells, 1 failed, about 0 s left",
    ]


def test_plain_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    lines = heard(2, [OK, OK]).splitlines()
    assert [re.sub(r"\d+ s", "N s", line) for line in lines] == [
        "1/2 cells, 0 failed, about N s left",
        "2/2 cells, 0 failed, about N s left",
    ]


def test_a_bar_on_a_terminal() -> None:
    text = heard(2, [OK, BAD], terminal=True)
    assert "2/2" in text
    assert "1 failed" in text
    assert "[bold]lip[/bold]" in text


def test_a_bar_for_each_method_and_the_leader_so_far() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, height=20)
    methods = {"a": "lip", "b": "[red]emb", "c": "lip"}
    leads = "1 of 2 forget sets: lip leads"
    with progress.showing(console, 3, Path(), methods=methods, leader=lambda: leads) as listen:
        listen(OK)
        listen(BAD)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    last = text[text.rindex("cells ") :].splitlines()
    assert "2/3" in last[0]
    assert f"1 failed; {leads}" in last[0]
    assert [line.split()[0] for line in last[1:3]] == ["lip", "[red]emb"]
    assert "1/2" in last[1]
    assert "1/1" in last[2]


def test_a_low_terminal_has_one_bar() -> None:
    stream = io.StringIO()
    methods = {str(place): f"method-{place}" for place in range(30)}
    console = Console(file=stream, force_terminal=True, height=24)
    with progress.showing(console, 30, Path(), methods=methods) as listen:
        listen(OK)
    assert "method-" not in stream.getvalue()


def test_a_log_says_who_leads_so_far() -> None:
    stream = io.StringIO()
    with progress.showing(Console(file=stream, width=60), 1, Path(), leader=lambda: "lip leads") as listen:
        listen(OK)
    assert stream.getvalue().splitlines() == ["1/1 cells, 0 failed, about 0 s left; lip leads"]
