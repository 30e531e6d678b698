"""The plot of forgetting against retention: what is in it, and what drawing leaves behind."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from PIL import Image

from tests.leaderboards.examples import ended, identity, svg_of, sweep
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.tables.figure import draw
from unlearn_bench.leaderboards.tables.front_plot import marks, shown

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "a<b> & 50% $x_1$ \\frac"


def all_kinds() -> list[Record]:
    return [
        *sweep("lip"),
        *sweep("amns", targets=(0,), access="semi-ZS", measured={"other": 20, "rest": 40}),
        *sweep("worse", targets=(9,), access="not-ZS", measured={"other": 20, "rest": 40}),
        *sweep("mine", targets=(5,), preset={"source": "given"}),
        *identity(),
    ]


def words(svg: str) -> list[str]:
    return ["".join(item.itertext()) for item in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_marks_are_the_rows_with_both_numbers() -> None:
    broken = sweep("broken")
    broken[0] = ended(broken[0], "failed", "x")
    (board,) = boards(all_kinds() + broken)
    found = {mark.name: mark for mark in marks(board)}
    assert found.keys() == {"lip", "amns", "worse", "mine (not tuned)", "identity"}
    assert {name for name, mark in found.items() if mark.on_front} == {"lip", "amns"}
    assert [name for name, mark in found.items() if mark.is_reference] == ["identity"]
    row = board.find("amns")
    assert row is not None
    assert found["amns"].across == row.overall.intervals["forgetting"]
    assert found["amns"].along == row.overall.intervals["retention"]
    assert (found["amns"].forgetting, found["amns"].retention) == (row.overall.forgetting, row.overall.retention)


def test_the_drawing_names_everything_and_is_the_same_again() -> None:
    (board,) = boards(all_kinds())
    text = svg_of(board)
    assert text.startswith("<svg")
    said = words(text)
    for name in ("lip", "amns", "worse", "mine (not tuned)", "identity", "mini-rn, suite mini"):
        assert said.count(name) == 1
    for name in ("ZS", "semi-ZS", "not-ZS", "reference", "front", "not on the front"):
        assert name in said
    assert text == svg_of(board)
    assert not re.search(r"<dc:date>|matplotlib v", text)


def test_a_reference_below_all_methods_is_named_under_the_picture() -> None:
    noise = sweep("random-weights", targets=(0,), kind="reference", measured={"other": 2, "rest": 3})
    (board,) = boards(all_kinds() + noise)
    drawn, below = shown(board)
    assert [mark.name for mark in below] == ["random-weights"]
    assert {mark.name for mark in drawn} == {"lip", "amns", "worse", "mine (not tuned)", "identity"}
    assert "not shown: random-weights (forgetting 1.00, retention .07)" in words(svg_of(board))
    (alone,) = boards(noise)
    assert [mark.name for mark in shown(alone)[0]] == ["random-weights"]


def test_a_method_far_below_the_rest_is_named_under_the_picture_too() -> None:
    wrecked = sweep("wrecked", targets=(0,), measured={"other": 2, "rest": 3})
    (board,) = boards(all_kinds() + wrecked)
    _, below = shown(board)
    assert [mark.name for mark in below] == ["wrecked"]
    said = words(svg_of(board))
    assert "not shown: wrecked (forgetting 1.00, retention .07)" in said
    assert "wrecked" not in said
    ticks = [float(text) for text in said if re.fullmatch(r"0\.\d+|1\.0+", text)]
    assert min(tick for tick in ticks if tick > 0) >= 0.2  # of both axes: that of retention goes no further down
    (alone,) = boards(wrecked)
    assert [mark.name for mark in shown(alone)[0]] == ["wrecked"]


def test_many_that_are_not_shown_take_several_lines() -> None:
    many = [item for place in range(5) for item in sweep(f"wrecked-{place}", measured={"other": 2, "rest": 3})]
    (board,) = boards(all_kinds() + many)
    lines = [text for text in words(svg_of(board)) if "retention ." in text]
    assert len(lines) > 1
    assert all(f"wrecked-{place}" in " ".join(lines) for place in range(5))


def test_names_can_hold_anything() -> None:
    (board,) = boards(sweep(NASTY))
    assert NASTY in words(svg_of(board))


def test_a_panel_for_each_board() -> None:
    found = boards(all_kinds() + sweep(model="mini-vit", fingerprint="beef") + sweep(suite="other"))
    said = words(draw(found, fmt="svg").decode())
    for title in ("mini-rn, suite mini", "mini-vit, suite mini", "mini-rn, suite other"):
        assert said.count(title) == 1
    assert said.count("reference") == 1  # one legend for all


def test_a_png_is_a_picture() -> None:
    found = boards(all_kinds())
    with Image.open(io.BytesIO(draw(found, fmt="png"))) as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height > 500
        assert len(picture.convert("RGB").getcolors(10**7) or []) > 20


def test_references_have_a_colour_of_their_own() -> None:
    def colours(records: list[Record]) -> set[str]:
        (board,) = boards(records)
        return set(re.findall(r"stroke: (#[0-9a-f]{6})", svg_of(board)))

    alone = colours(sweep(access="ZS"))
    assert "#0072b2" in alone
    assert colours(sweep(access="not-ZS")) - alone == {"#009e73"}
    assert colours(sweep() + identity()) >= alone | {"#6b6b6b"}


def test_rows_without_intervals_are_points() -> None:
    bare = [
        replace(item, measurements=tuple(replace(said, outcomes="") for said in item.measurements))
        for item in sweep()
    ]
    (board,) = boards(bare)
    (mark,) = marks(board)
    assert mark.across.low == mark.across.high == mark.forgetting
    assert svg_of(board)


def test_nothing_to_draw() -> None:
    (board,) = boards([ended(item, "failed", "x") for item in sweep()])
    with pytest.raises(InputError, match="nothing to draw"):
        draw([board])
    with pytest.raises(InputError, match=r"unknown format 'pngg'.*did you mean 'png'"):
        draw([board], fmt="pngg")


def test_drawing_leaves_no_figure_and_no_settings_behind() -> None:
    code = (
        "import sys, matplotlib; names = ['font.size', 'svg.fonttype', 'svg.hashsalt', 'axes.facecolor']; "
        "matplotlib.rcParams['axes.facecolor'] = 'red'; before = [matplotlib.rcParams[name] for name in names]; "
        "from tests.leaderboards.examples import sweep; "
        "from unlearn_bench.leaderboards.statistics.aggregate import boards; "
        "from unlearn_bench.leaderboards.tables.figure import draw; draw(boards(sweep()), fmt='svg'); "
        "print('matplotlib.pyplot' in sys.modules, before == [matplotlib.rcParams[name] for name in names])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_reader_s_own_style_changes_nothing() -> None:
    (board,) = boards(sweep())
    plain = svg_of(board)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "path"}):
        assert svg_of(board) == plain


def test_text_leaderboards_do_without_matplotlib() -> None:
    code = "import sys, unlearn_bench.leaderboards.tables.render; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
