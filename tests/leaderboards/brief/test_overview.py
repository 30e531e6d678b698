"""Leaderboards in Markdown: what stands open, what is folded, and that names stay text in both."""

import re

from tests.leaderboards.curve_examples import front, nothing
from tests.leaderboards.examples import identity, only, sweep
from tests.leaderboards.page.page_examples import NASTY, audited, many_kinds, nasty
from unlearn_bench.leaderboards.brief.headline import headline
from unlearn_bench.leaderboards.brief.overview import document
from unlearn_bench.leaderboards.brief.readme import ROWS, Links, short_form
from unlearn_bench.leaderboards.tables.render import render

LINKS = Links(light="light.svg", dark="dark.svg", table="table.md")


def open_part(text: str) -> str:
    """What a reader sees before unfolding anything."""
    while "<details>" in text:
        text = re.sub(r"<details>(?:(?!<details>).)*?</details>\n?", "", text, flags=re.DOTALL)
    return text


def tables(text: str) -> list[list[str]]:
    """The lines of each table."""
    return [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)]


def test_what_stands_open_is_short_and_narrow() -> None:
    text = document(many_kinds())
    seen = open_part(text)
    assert [line for line in seen.splitlines() if line.startswith("#")] == [
        "# Leaderboard", "## mini-rn, suite mini", "## mini-vit, suite mini",
    ]  # fmt: skip
    assert len(tables(seen)) == 2
    assert {line.count("|") for table in tables(seen) for line in table} == {9}
    assert max(map(len, (line for table in tables(seen) for line in table))) < 130
    assert len([line for line in seen.splitlines() if line.strip()]) < 30


def test_nothing_is_lost_by_folding() -> None:
    text = document(many_kinds(), baseline="lip")
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
    whole = [line for line in render(many_kinds(), fmt="md", baseline="lip").splitlines() if line.startswith("|")]
    assert {line for line in whole if line not in text} == set()
    assert "<summary>Forget sets, one by one (6 tables)</summary>" in text
    assert "<summary>How to read the tables</summary>" in text
    assert text.endswith("</details>\n")


def test_the_open_table_says_what_the_rows_say() -> None:
    records = audited(sweep("lip"), 0.6, 0.5) + sweep("amns", targets=(12,)) + identity()
    (table,) = tables(open_part(document(records)))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    lip = cells[2]
    assert lip[:3] == ["1", "lip", "ZS"]
    assert lip[3].startswith(".042 (")
    assert lip[4:] == [".875", "1.000", ".250", ""]
    assert [line[-1] for line in cells[3:]] == ["did not forget", "did not forget"]
    assert headline(only(records)) in " ".join(document(records).split())


def test_curves_show_their_table_once() -> None:
    text = document(front("lip", (12, 30, 45), (2, 27, 40)) + nothing())
    (table,) = tables(open_part(text))
    assert "area" in table[0]
    assert text.count(table[0]) == 1
    assert "mini-rn: 3 forget sets of 2 datasets, 1 seed, 1 method and 1 reference." in text


def test_names_are_text() -> None:
    text = document(nasty())
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;" in text
    assert NASTY not in short_form(nasty(), LINKS)


def test_no_name_gives_orders_to_a_terminal() -> None:
    records = sweep("lip\x1b[2J\r", model="mini\x1b[2J") + sweep("emb", model="mini\x1b[2J")
    assert "\x1b" not in document(records)
    assert "\r" not in document(records)


def test_the_readme_has_the_best_of_each_model() -> None:
    many = [item for place in range(15) for item in sweep(f"m{place}", targets=(place,))]
    retrained = sweep("retrain", targets=(3,), kind="reference", hyperparameters={})
    other = [item for place in range(3) for item in sweep(f"m{place}", model="mini-vit", fingerprint="beef")]
    text = short_form([*many, *retrained, *other], LINKS)
    (table,) = tables(text)
    assert len(table) - 2 <= ROWS
    assert {line.count("|") for line in table} == {8}
    names = [line.split("|")[3].strip() for line in table[2:]]
    assert names == [
        *(f"m{place}" for place in range(5)),
        "retrain (reference)",
        *(f"m{place}" for place in range(3)),
    ]
    assert text.startswith("mini-rn: m0 leads with a score of")
    assert "\n\nmini-vit: m0 leads" in text
    assert '<source media="(prefers-color-scheme: dark)" srcset="dark.svg">' in text
    assert 'src="light.svg"' in text
