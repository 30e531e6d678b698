"""Leaderboards as files: against golden ones, and with names that try to break out of their cell."""

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.leaderboards.examples import DIGITS, SHAPES, ended, identity, record, run, sweep
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.wide_csv import read_csv, write_csv
from unlearn_bench.leaderboards.tables.render import FORMATS, render

GOLDEN = Path(__file__).parent / "golden"
NASTY = "a|b <script>alert(1)</script> & 50% $x_1$ #{~^\\} *`"


def all_kinds() -> list[Record]:
    """Ranked, tied, worse, tuned on reported classes, untuned, failed, skipped, missing, and a reference."""
    broken = sweep("broken", seconds=1.0)
    broken[0] = ended(broken[0], "failed", "loss is nan at step 3")
    broken[1] = ended(broken[1], "skipped", "needs a joint projection | none here")
    outside = sweep("outside", targets=(0,), seconds=4.0, preset={"source": "default"})
    apart = sweep("apart", targets=(1,), preset={"source": "tuned", "classes": {SHAPES: ["red cube"]}}, seconds=1.0)
    return [
        *sweep("lip", seconds=1.0),
        *sweep("emb", targets=(3, 1, 2), seconds=2.0, access="semi-ZS", preset={"source": "paper"}),
        *sweep("amns", targets=(12, 11, 13), measured={"other": 20, "rest": 40}, seconds=3.0),
        *apart,
        *outside,
        *broken[:2],
        *identity(seconds=0.01),
    ]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("full.md", lambda records: render(records, fmt="md", baseline="emb")),
        ("full.tex", lambda records: render(records, fmt="latex")),
    ],
)
def test_golden(name: str, make: Callable[[list[Record]], str]) -> None:
    """To renew after a wanted change: write what `make` gives to the file, and read the difference."""
    assert make(all_kinds()) == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_table_of_the_csv_is_the_table_of_the_records(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", all_kinds())
    assert render(read_csv(tmp_path / "a.csv"), fmt="md") == render(all_kinds(), fmt="md")


def test_the_order_of_the_records_changes_nothing() -> None:
    assert render(all_kinds()[::-1], fmt="md") == render(all_kinds(), fmt="md")


def table_after(text: str, heading: str) -> list[list[str]]:
    part = text[text.index(heading) :]
    lines = [line for line in part[part.index("\n|") :].split("\n\n")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_table_of_a_dataset_has_the_columns_of_the_paper() -> None:
    rows = table_after(render(all_kinds(), fmt="md"), f"### Forgetting from {DIGITS}")
    assert rows[0][:10] == [
        "method", "access", "target BF", "target AF", "other BF", "other AF",
        f"{SHAPES} BF", f"{SHAPES} AF", f"{DIGITS} BF", f"{DIGITS} AF",
    ]  # fmt: skip
    amns = next(row for row in rows if row[0] == "amns")
    assert amns[2:10] == ["0.800", "0.650", "0.750", "0.500", "0.750", "0.667", "-", "-"]
    score = (0.65 / 0.8 + 0.25 / 0.75 + (0.75 - 40 / 60) / 0.75) / 3
    assert amns[10] == f"{score:.3f}"
    assert amns[-1] == "did not forget"


def test_an_incomplete_row_has_counts_and_no_mean() -> None:
    rows = table_after(render(all_kinds(), fmt="md"), "### Overall: mini-rn")
    broken = next(row for row in rows if row[1] == "broken")
    assert rows[0][-4:] == ["irreversibility", "front", "cells", "note"]
    assert broken == ["", "broken", "ZS", *[""] * 9, "-", "", "0 of 3", ""]


def test_the_baseline_is_the_best_unless_chosen() -> None:
    assert "### Differences to emb" in render(all_kinds(), fmt="md", baseline="emb")
    assert "### Differences to lip" in render(all_kinds(), fmt="md", baseline="lip")
    best = next(row[1] for row in table_after(render(all_kinds(), fmt="md"), "### Overall") if row[0] == "1")
    assert f"### Differences to {best}:" in render(all_kinds(), fmt="md")
    untuned = sweep("outside", preset={"source": "default"})
    assert "### Differences to outside:" in render([*untuned, *identity()], fmt="md")  # the best of what there is


def test_nothing_to_compare_no_table_of_differences() -> None:
    assert "Differences" not in render(sweep(), fmt="md")
    failed = [ended(item, "failed", "x") for item in sweep()]
    assert "Differences" not in render(failed, fmt="md")
    assert "0 of 3" in render(failed, fmt="md")


def test_bad_requests() -> None:
    with pytest.raises(InputError, match="no records"):
        render([], fmt="md")
    with pytest.raises(InputError, match="did you mean 'latex'"):
        render(sweep(), fmt="latx")
    with pytest.raises(InputError, match=r"unknown baseline 'lib'.*did you mean 'lip'"):
        render(sweep(), fmt="md", baseline="lib")


def nasty() -> list[Record]:
    of = run(forget=(NASTY,), method="<b>lip</b>")
    return [record(of), ended(record(replace(of, seed=1)), "failed", f"line one\nline two {NASTY}")]


def test_markdown_cells_hold_any_name() -> None:
    text = render(nasty(), fmt="md")
    assert "<script>" not in text
    assert "<b>" not in text
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert "line one line two" in text


def test_latex_escapes_what_it_reads_as_commands() -> None:
    text = render(nasty(), fmt="latex")
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("%"))
    assert r"50\% \$x\_1\$ \#\{\textasciitilde{}\textasciicircum{}\textbackslash{}\}" in body
    assert not re.search(r"(?<!\\)[$#_]", body)
    for rule in ("toprule", "midrule", "bottomrule"):
        assert body.count(f"\\{rule}") == body.count("\\begin{tabular}") == 6
    assert body.count("\\begin{table}") == body.count("\\end{table}")


def test_csv_is_a_long_table_of_what_the_others_show() -> None:
    rows = list(csv.DictReader(io.StringIO(render(all_kinds(), fmt="csv"))))
    overall = {row["method"]: row for row in rows if row["scope"] == "overall" and row["metric"] == "average-score"}
    assert overall["identity"]["after"] == "0.333333"
    assert (overall["broken"]["after"], overall["broken"]["done"]) == ("", "0")
    assert overall["lip"]["rank"] == "1"
    assert float(overall["lip"]["low"]) < float(overall["lip"]["after"]) < float(overall["lip"]["high"])
    accuracies = [row for row in rows if row["scope"] == "forget set" and row["method"] == "amns"]
    assert all(row["low"] for row in accuracies if row["metric"] == "average-score")
    assert {row["forget"] for row in accuracies} == {"red cube", "blue cone", "three"}


def test_csv_says_what_a_row_forgets_keeps_and_costs() -> None:
    loud = [replace(item, provenance={**item.provenance, "contended": True}) for item in sweep("loud", seconds=2.0)]
    rows = list(csv.DictReader(io.StringIO(render([*all_kinds(), *loud], fmt="csv"))))

    def of(method: str) -> dict[tuple[str, str], dict[str, str]]:
        mine = [row for row in rows if row["method"] == method and row["scope"] == "overall"]
        assert len(mine) == len({(row["metric"], row["group"]) for row in mine})
        return {(row["metric"], row["group"]): row for row in mine}

    amns = of("amns")
    gone, kept = (float(amns[name, ""]["after"]) for name in ("forgetting", "retention"))
    assert gone == pytest.approx(1 - (11.5 / 20 + 13 / 20) / 2 / 0.8, abs=1e-5)  # classes, then datasets
    assert kept == pytest.approx((0.5 / 0.75 + 40 / 45) / 2, abs=1e-5)
    assert float(amns["harmonic-mean", ""]["after"]) == pytest.approx(2 / (1 / gone + 1 / kept), abs=1e-5)
    for name in ("forgetting", "retention", "harmonic-mean"):
        assert float(amns[name, ""]["low"]) < float(amns[name, ""]["after"]) < float(amns[name, ""]["high"])
    assert amns["irreversibility", ""]["after"] == ""
    assert (amns["seconds", "method"]["after"], of("loud")["seconds", "method, not comparable"]["after"]) == (
        "3",
        "2",
    )
    assert amns["tuning-trials", ""]["after"] == "40"
    front = {name: of(name)["pareto-front", ""]["after"] for name in ("outside", "emb", "lip", "amns", "identity")}
    assert front == {"outside": "1", "emb": "0", "lip": "0", "amns": "0", "identity": "0"}
    assert of("outside")["average-score", ""]["rank"] == ""


@pytest.mark.parametrize("fmt", FORMATS)
def test_two_models_have_tables_of_their_own(fmt: str) -> None:
    text = render(sweep() + sweep(model="mini-vit", fingerprint="beef"), fmt=fmt)
    assert "mini-rn" in text
    assert "mini-vit" in text
    assert text.endswith("\n")


def test_seconds_that_do_not_compare_are_marked() -> None:
    quiet = sweep("quiet", seconds=1.0)
    loud = [replace(item, provenance={**item.provenance, "contended": True}) for item in sweep("loud", seconds=2.0)]
    threads = [replace(item, provenance={**item.provenance, "threads": 1}) for item in sweep("one", seconds=3.0)]
    mixed = sweep("mixed", seconds=4.0)
    mixed[0] = replace(mixed[0], provenance={**mixed[0].provenance, "contended": True})
    text = render([*quiet, *loud, *threads, *mixed], fmt="md")
    rows = table_after(text, "### Costs")
    place = rows[0].index("method, s")
    seconds = {row[0]: row[place] for row in rows[2:]}
    assert seconds == {"quiet": "1.00", "loud": r"2.00\*", "one": r"3.00\*", "mixed": "4.00"}


def test_tables_are_made_without_torch() -> None:
    modules = "unlearn_bench.leaderboards.tables.render, unlearn_bench.leaderboards.regression"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
