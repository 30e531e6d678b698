"""What stands beside records: pictures small enough, histories of any kind, trials."""

import base64
import io
import math
from pathlib import Path

import pytest
from PIL import Image

from tests.leaderboards.examples import SHAPES, record, sweep
from unlearn_bench.leaderboards.page import charts
from unlearn_bench.leaderboards.page.extras import Example, Extras, Trial
from unlearn_bench.leaderboards.page.page import gathered, one_file
from unlearn_bench.leaderboards.page.pictures import first_row, small
from unlearn_bench.leaderboards.records.histories import read_histories
from unlearn_bench.leaderboards.records.storage import CELLS, write_record

REACHED = "that are not reported here; there it reached forgetting 0.900, retention 0.800, score 0.100."

KEY = (SHAPES, ("red cube",))


def png(width: int, height: int, colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, format="PNG")
    return file.getvalue()


def shown(source: str) -> Image.Image:
    kind, _, text = source.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_pictures_are_small() -> None:
    assert shown(small(png(200, 100))).size == (64, 32)
    assert shown(small(png(20, 10))).size == (20, 10)
    assert shown(first_row(png(8 * 66 - 2, 2 * 66 - 2))).size == (526, 64)
    assert shown(first_row(png(30, 30))).size[0] == 30, "a sheet of another layout"


def test_pictures_are_on_the_page_of_their_forget_set() -> None:
    records = sweep("lip", targets=(2,)) + sweep("emb", targets=(0,))
    examples = (Example(place=0, of=20, image=png(64, 64)), Example(place=18, of=20, image=png(64, 64, "blue")))
    extras = Extras(sheets={("mini-rn", KEY): png(526, 130)}, examples={KEY: examples})
    view = gathered(records, extras=extras)
    (page,) = (page for page in view.forget_sets if page.key == KEY)
    (board,) = page.boards
    assert board.synthetic
    first, second = board.images
    assert (first.before, first.still, first.asked) == (True, ("lip",), 2)  # of lip the first two are right
    assert (second.before, second.still, second.asked) == (False, (), 2)
    assert one_file(view).count('class="sheet"') == 1
    other = Extras(examples={KEY: (Example(place=0, of=19, image=png(9, 9)),)})
    (page,) = (page for page in gathered(records, extras=other).forget_sets if page.key == KEY)
    assert page.boards[0].images == (), "images of another test set than the records are about"


def test_a_history_has_a_line_for_each_number() -> None:
    steps: list[dict[str, object]] = [{"step": place, "loss": place / 7, "note": "x"} for place in range(1000)]
    steps += [{"step": 1000, "loss": math.nan, "once": 1.0, "flag": True}]
    chart = charts.history(steps)
    assert chart is not None
    assert {point["series"] for point in chart["points"]} == {"loss"}
    assert 100 <= len(chart["points"]) <= 120
    assert charts.history([{"step": 0, "loss": 1.0}]) is None
    assert charts.history(()) is None
    unnumbered = charts.history([{"loss": 2.0}, {"loss": 1.0}])
    assert unnumbered is not None
    assert [point["step"] for point in unnumbered["points"]] == [0.0, 1.0]


def test_trials() -> None:
    assert charts.trials(()) is None
    chart = charts.trials((Trial(forgetting=0.5, retention=0.91234, chosen=True),))
    assert chart == {"kind": "trials", "points": [{"forgetting": 0.5, "retention": 0.9123, "chosen": True}]}


def test_histories_are_read_beside_records(tmp_path: Path) -> None:
    found = record()
    path = write_record(tmp_path, found).with_suffix(".history.jsonl")
    assert read_histories([tmp_path], [found]) == {}
    path.write_text('{"step": 0, "loss": 1.5}\n{"step": 1, "lo')
    assert read_histories([tmp_path, tmp_path / "gone"], [found]) == {found.run.key: ({"step": 0, "loss": 1.5},)}
    path.write_bytes(b"\xff\xfe")
    assert read_histories([tmp_path], [found]) == {}
    path.write_text("[1]\n")
    assert read_histories([tmp_path], [found]) == {}
    assert path.parent.name == CELLS


def test_the_history_that_is_shown_says_of_what_it_is() -> None:
    records = sweep("lip", seeds=(0, 1))
    extras = Extras(histories={records[1].run.key: ({"loss": 2.0}, {"loss": 1.0})})
    (board,) = gathered(records, extras=extras).methods[0].boards
    assert board.of == "red cube, seed 1"
    assert board.history is not None
    (bare,) = gathered(records).methods[0].boards
    assert (bare.of, bare.history) == ("", None)


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ({"source": "default"}, "By default, not tuned."),
        ({"source": "given"}, "Given by hand."),
        ({"source": "paper"}, "As its paper says."),
        ({"source": "tuned", "trials": 64, "classes": ["a", "b"], "forgetting": 0.9, "retention": 0.8, "score": 0.1},
         f"Tuned with 64 trials on 2 classes {REACHED}"),
    ],
)  # fmt: skip
def test_how_settings_were_found(preset: dict[str, object], said: str) -> None:
    (board,) = gathered(sweep("lip", preset=preset)).methods[0].boards
    assert board.how == said
