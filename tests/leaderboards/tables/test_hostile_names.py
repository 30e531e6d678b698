"""Names that would do something if they were not shown as what they are: in files, on screens, in spreadsheets."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.leaderboards.examples import identity, run, sweep
from unlearn_bench.leaderboards.page.page import gathered, one_file
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.regression import compare_runs
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.tables.figure import draw
from unlearn_bench.leaderboards.tables.render import render

NAMES = (
    "a\nb",
    "%\n\\input{/etc/passwd}",
    "\\input{/etc/passwd}",
    "red\x1b[2J\x1b]0;title\x07",
    "=cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "a\rb",
    "a\x00b\x08c\x7f\x9b31m",
    "\u202egnp.exe",
    "one\u2028two",
    "<script>alert(1)</script>",
    "$\\frac$ {x} 100 % a_b^c & d #1 ~",
)
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]")


def named(name: str) -> list[Record]:
    """Records in which everything that has a name has this one."""
    changes: dict[str, Any] = {"suite": name, "model": name}
    records = sweep(name, seconds=1.5, **changes) + identity(**changes)
    cell = run(method="other", forget=(name, "red cube"), **changes)
    records.append(replace(records[0], run=cell, status="failed", reason=name, measurements=()))
    return records


def cells(text: str) -> Sequence[str]:
    return [cell for row in csv.reader(io.StringIO(text, newline=""), strict=True) for cell in row]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_does_anything(name: str) -> None:
    records = named(name)
    for fmt in ("md", "latex", "csv"):
        text = render(records, fmt=fmt)
        assert not _CONTROL.search(text), fmt
        if fmt == "latex":
            live = [line for line in text.splitlines() if not line.startswith("%")]
            assert not [line for line in live if re.search(r"\\(input|frac)", line)]
            assert all(line[:1] in {"", "\\", "}"} or "&" in line for line in live)
        if fmt == "csv":
            assert not [cell for cell in cells(text) if cell[:1] in set("=+@") or re.match(r"-[^\d]", cell)]
    page, harmless = (one_file(gathered(found)) for found in (records, named("a")))
    assert page.count("<script") == harmless.count("<script")
    ElementTree.fromstring(draw(boards(records[:-1]), fmt="svg"))


@pytest.mark.parametrize("name", NAMES)
def test_a_comparison_shows_them_too(name: str) -> None:
    published = named(name)
    measured = [replace(record, status="failed", reason=name, measurements=()) for record in published]
    table = compare_runs(measured, published).table()
    assert not _CONTROL.search(table)
    assert all(line.startswith("|") for line in table.splitlines())
