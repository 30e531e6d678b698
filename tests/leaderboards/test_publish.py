"""Blocks in other files, and whether published files are stale."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.leaderboards.curve_examples import front, nothing
from tests.leaderboards.examples import sweep
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.brief.overview import document
from unlearn_bench.leaderboards.publish import Published, block, publish, replace_between, stale
from unlearn_bench.leaderboards.records.record import CURVE
from unlearn_bench.leaderboards.records.wide_csv import write_csv

TEXT = "before\n<!-- leaderboard:begin -->\nold\n<!-- leaderboard:end -->\nafter\n"


@pytest.fixture
def paths(tmp_path: Path) -> Published:
    readme = tmp_path / "README.md"
    table, picture = tmp_path / "table.md", tmp_path / "front.svg"
    found = Published(suite="mini", records=tmp_path / "records.csv", table=table, picture=picture, readme=readme)
    write_csv(found.records, sweep() + sweep("emb", targets=(9,)))
    readme.write_text(TEXT)
    return found


@pytest.fixture
def readme(paths: Published) -> Path:
    assert paths.readme is not None
    return paths.readme


def test_a_block_is_replaced_and_nothing_else() -> None:
    changed = replace_between(TEXT, "leaderboard", "new\nlines\n")
    assert changed == ("before\n<!-- leaderboard:begin -->\n\nnew\nlines\n\n<!-- leaderboard:end -->\nafter\n")
    assert block(changed) == "new\nlines"
    assert replace_between(changed, "leaderboard", "new\nlines") == changed
    assert replace_between(TEXT, "leaderboard", r"\1 \g<0>").count(r"\1 \g<0>") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "found 0 times"),
        (TEXT + TEXT, "found 2 times"),
        (TEXT.replace("end", "stop"), "found 0 times"),
        ("<!-- leaderboard:end --> <!-- leaderboard:begin -->", "swap"),
    ],
)
def test_markers_that_do_not_fit(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        replace_between(text, "leaderboard", "x")


def test_published_files_are_fresh(paths: Published, readme: Path) -> None:
    assert stale(paths) == (paths.table, paths.picture, paths.dark, readme)
    publish(paths)
    assert stale(paths) == ()
    assert paths.table.read_text() == document(sweep() + sweep("emb", targets=(9,)))
    shown = block(readme.read_text())
    assert shown.startswith("mini-rn: lip leads with a score of")
    assert 'srcset="front-dark.svg"' in shown
    assert '<a href="table.md">' in shown
    assert readme.read_text().startswith("before\n")
    assert readme.read_text().endswith("after\n")


def test_any_edit_makes_them_stale(paths: Published, readme: Path) -> None:
    publish(paths)
    readme.write_text(readme.read_text().replace("before\n<", "elsewhere\n<"))
    assert stale(paths) == ()  # outside the block
    paths.table.write_text(paths.table.read_text().replace("0.042", "0.041"))
    assert stale(paths) == (paths.table,)
    publish(paths)
    readme.write_text(readme.read_text().replace(".042", ".041"))
    assert stale(paths) == (readme,)
    publish(paths)
    write_csv(paths.records, sweep())
    assert stale(paths) == (paths.table, paths.picture, paths.dark, readme)


def test_nothing_is_written_into_a_readme_without_markers(paths: Published, readme: Path) -> None:
    readme.write_text("no block")
    with pytest.raises(InputError, match="marker"):
        publish(paths)
    assert not paths.table.exists()
    readme.unlink()
    with pytest.raises(InputError, match="can't be read"):
        stale(paths)


def test_a_leaderboard_of_its_own_touches_no_readme(paths: Published, readme: Path) -> None:
    alone = replace(paths, readme=None)
    assert alone.pages == (paths.table, paths.picture, paths.dark)
    publish(alone)
    assert stale(alone) == ()
    assert readme.read_text() == TEXT
    alone.table.unlink()
    assert stale(alone) == (alone.table,)


def test_a_picture_may_differ_by_half_a_pixel_and_no_more(paths: Published) -> None:
    publish(paths)
    text = paths.picture.read_text()
    match = re.search(r'<path d="M (\d+\.\d+)', text)
    assert match is not None

    def moved(by: float) -> str:
        return f"{text[: match.start(1)]}{float(match[1]) + by:.6f}{text[match.end(1) :]}"

    paths.picture.write_text(moved(0.4))
    assert stale(paths) == ()
    paths.picture.write_text(moved(0.6))
    assert stale(paths) == (paths.picture,)
    paths.picture.write_text(text.replace(">emb<", ">amb<"))
    assert stale(paths) == (paths.picture,)


def test_what_is_written_in_a_picture_is_exact(paths: Published) -> None:
    publish(paths)
    text = paths.picture.read_text()
    label = re.search(r"<text [^>]*>(\d\.\d+)</text>", text)  # of an axis
    place = re.search(r'<text [^>]*\bx="(\d+\.\d+)"', text)
    assert label is not None
    assert place is not None

    def moved(match: re.Match[str]) -> str:
        return f"{text[: match.start(1)]}{float(match[1]) + 0.1:.6f}{text[match.end(1) :]}"

    paths.picture.write_text(moved(place))
    assert stale(paths) == ()
    paths.picture.write_text(moved(label))
    assert stale(paths) == (paths.picture,)


def test_a_suite_that_is_not_published_yet_is_not_stale(paths: Published, readme: Path) -> None:
    paths.records.unlink()
    assert stale(paths) == ()
    paths.table.write_text("left behind")
    assert stale(paths) == (paths.table,)
    assert readme.read_text() == TEXT


def test_curves_are_published_with_their_own_table_and_picture(paths: Published) -> None:
    alone = replace(paths, suite=f"mini{CURVE}", readme=None)
    write_csv(alone.records, front("lip", (12, 30, 45), (2, 27, 40)) + nothing())
    publish(alone)
    assert stale(alone) == ()
    assert alone.table.read_text().count("measured again on the reported classes") == 1
    assert "beaten by another" not in alone.picture.read_text()
    assert "reference" in alone.picture.read_text()
    write_csv(alone.records, front("lip", (12, 30, 45), (4, 27, 40)) + nothing())
    assert stale(alone) == (alone.table, alone.picture, alone.dark)
