"""Retrieval examples on the page of a forget set: pictures where they are there, words in any case."""

import base64
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect

from tests.leaderboards.examples import DIGITS, SHAPES, identity, sweep
from tests.leaderboards.page.opened import Opened
from tests.leaderboards.page.page_examples import NASTY
from tests.leaderboards.page.test_extras import png
from unlearn_bench.leaderboards.page.addresses import class_slug
from unlearn_bench.leaderboards.page.extras import Extras, Place
from unlearn_bench.leaderboards.page.page import gathered, one_file, site
from unlearn_bench.leaderboards.page.retrieved import Retrieved
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.metrics.shared.rankings import Found, Ranking

CONTENT = {SHAPES: "aa", DIGITS: "bb"}
KEY = (SHAPES, ("red cube",))
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange", "black")


def images(*rows: int) -> tuple[Found, ...]:
    """Rows below 3 show the class; the others a class of another dataset."""
    return tuple(
        Found(dataset=SHAPES, row=row, shows="red cube") if row < 3 else Found(dataset=DIGITS, row=row, shows=NASTY)
        for row in rows
    )


def records() -> list[Record]:
    found = [*sweep("lip"), *sweep("emb", targets=(0,)), *identity()]
    return [replace(item, provenance={**item.provenance, "content": CONTENT}) for item in found]


def extras(pictures: Mapping[Place, bytes]) -> Extras:
    found = [record for record in records() if record.run.forget == KEY[1]]
    after = {"lip": images(3, 4, 5, 6, 0), "emb": images(3, 4, 5, 6, 4), "identity": images(0, 1, 2, 1, 0)}
    rankings = {
        record.run.key: (
            Ranking(dataset=SHAPES, query="red cube", before=images(0, 1, 2, 1, 0), after=after[record.run.method]),
        )
        for record in found
    }
    return Extras(rankings=rankings, pictures=pictures)


def all_pictures() -> dict[Place, bytes]:
    return {(CONTENT[SHAPES if row < 3 else DIGITS], row): png(64, 48, COLOURS[row]) for row in range(7)}


def shown(pictures: Mapping[Place, bytes]) -> Retrieved:
    view = gathered(records(), extras=extras(pictures))
    (page,) = (page for page in view.forget_sets if page.key == KEY)
    ((found,),) = (board.retrieved for board in page.boards)
    return found


def test_hits_are_counted_before_and_after_each_method() -> None:
    found = shown(all_pictures())
    assert found.query == "red cube"
    assert {answer.label: answer.hits for answer in found.answers} == {"": 5, "lip": 1, "emb": 0, "identity": 5}
    assert found.answers[0].label == ""
    assert [answer.label for answer in found.answers if answer.reference] == ["identity"]


def test_each_picture_is_in_the_page_once() -> None:
    found = shown(all_pictures())
    places = {(image.dataset, image.shows, image.place) for answer in found.answers for image in answer.images}
    assert len({place for _, _, place in places}) == 7
    sheet = Image.open(io.BytesIO(base64.b64decode(found.sheet.partition(",")[2]))).convert("RGB")
    assert sheet.size == (7 * 44, 44)
    first = found.answers[0].images[0].place
    assert first is not None
    red, green, blue = sheet.getpixel((44 * first[0] + 22, 22))  # type: ignore[misc]
    assert (red > 200, green < 60, blue < 60) == (True, True, True)


def test_a_picture_that_is_not_there_leaves_its_words() -> None:
    some = all_pictures()
    del some[CONTENT[SHAPES], 0]
    found = shown(some)
    assert [image.place is None for image in found.answers[0].images] == [True, False, False, False, True]
    bare = shown({})
    assert bare.sheet == ""
    assert {answer.label: answer.hits for answer in bare.answers}["lip"] == 1


def test_the_page_shows_pictures_and_says_hits_in_words(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(one_file(gathered(records(), extras=extras(all_pictures()))), encoding="utf-8")
    with Opened(browser, path, f"#class-{class_slug(KEY)}", width=380) as opened:
        view = opened.page.locator(".view.on")
        table = view.locator("table.found")
        expect(table).to_be_hidden()
        view.locator(".retrieval summary").click()
        expect(table).to_be_visible()
        lip = table.locator("tr", has=opened.page.get_by_role("link", name="lip", exact=True))
        expect(lip.locator("td").first).to_have_text("1 of 5")
        assert lip.locator(".shows").all_inner_texts() == [*([NASTY] * 4), "✓ hit"]
        assert [name.get_attribute("aria-label") for name in lip.locator(".pic").all()][
            -1
        ] == f"Test image of {SHAPES}"
        drawn = lip.locator(".pic").first.evaluate("node => getComputedStyle(node).backgroundImage")
        assert drawn.startswith('url("data:image/webp;base64,')
        box = lip.locator(".pic").first.bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (44, 44)
        assert opened.sideways() <= 0
        assert opened.complaints == []


def test_what_is_missing_is_said() -> None:
    without = site(gathered(records(), extras=extras({})))
    (page,) = (text for name, text in without.items() if name == f"classes/{class_slug(KEY)}.html")
    assert "The images are not on this machine, or are others by now" in page
    assert 'class="pic"' not in page
    assert re.search(r"<td class=\"hit\">\s*<span", page) or '<td class="hit"><span' in page
    plain = one_file(gathered(records()))
    assert plain.count("Which images its words find was not recorded in these runs.") == 3
    assert '<details class="retrieval"' not in plain
