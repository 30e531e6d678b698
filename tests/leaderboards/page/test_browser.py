"""The page in a real browser: it sorts, filters, explains itself, leads on, and says nothing on the console."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.leaderboards.examples import identity, sweep
from tests.leaderboards.page.opened import Opened, Scheme
from tests.leaderboards.page.page_examples import LONG, NASTY, RIGHT_TO_LEFT
from unlearn_bench.leaderboards.page.addresses import slug
from unlearn_bench.leaderboards.page.page import gathered, one_file

RANKED = ["slug", "lip", "emb", "graddiff", "amns", "broken"]


def test_it_opens_ranked_with_its_sentence_and_its_plot(opened: Opened) -> None:
    opened.expect_methods(RANKED)
    text = opened.page.locator(".board.on").inner_text()
    assert "slug leads with a score of" in text
    assert "1 of 5 methods did not forget" in text
    assert "mini-rn: 3 forget sets of 2 datasets, 1 seed, 6 methods and 2 references" in text
    expect(opened.page.locator(".board.on .dots path")).to_have_count(7)  # broken has no numbers
    expect(opened.page.locator("table.ranked:visible tfoot bdi")).to_have_text(["retrain", "identity"])


def test_headings_sort_by_mouse_and_by_keyboard(opened: Opened) -> None:
    heading = opened.page.locator("table.ranked:visible thead th", has_text="Forgetting")
    heading.click()
    expect(opened.names().first).to_have_text("amns")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.click()
    expect(opened.names().first).to_have_text("slug")
    name = opened.page.locator("table.ranked:visible thead th", has_text="Method")
    name.locator("[tabindex]").first.focus()
    opened.page.keyboard.press("Enter")
    opened.expect_methods(sorted(RANKED))
    expect(opened.page.locator("table.ranked:visible tfoot bdi")).to_have_count(2)  # references stay apart


def test_filters_and_search(opened: Opened) -> None:
    tools = opened.page.locator(".tools:visible")
    tools.locator("[name=access][value=ZS]").uncheck()
    opened.expect_methods(["slug", "graddiff"])
    tools.locator("[name=access][value=ZS]").check()
    tools.locator("[name=forgot]").check()
    opened.expect_methods(["slug", "lip", "emb", "graddiff"])
    tools.locator("[name=standing]").select_option("not tuned")
    opened.expect_methods(["emb"])
    tools.locator("[name=standing]").select_option("")
    tools.locator("[name=forgot]").uncheck()
    tools.locator("[type=search]").fill("grad")
    opened.expect_methods(["graddiff"])
    tools.locator("[type=search]").fill("nobody")
    expect(opened.page.locator("[data-empty='0']")).to_be_visible()
    tools.locator("[type=search]").fill("")
    opened.expect_methods(RANKED)
    expect(opened.page.locator("[data-empty='0']")).to_be_hidden()


def test_columns_are_chosen(opened: Opened) -> None:
    heads = opened.page.locator("table.ranked:visible thead th")
    before = heads.count()
    opened.page.locator(".tools:visible summary", has_text="Columns").click()
    opened.page.get_by_label("Target after").first.check()
    opened.page.get_by_label("Irreversible").first.uncheck()
    expect(heads.filter(has_text="Target after")).to_have_count(1)
    expect(heads.filter(has_text="Irreversible")).to_have_count(0)
    expect(heads).to_have_count(before)
    cells = opened.page.locator("table.ranked:visible tfoot tr").first.locator("th:visible, td:visible")
    expect(cells).to_have_count(before)  # references have the same columns
    opened.page.keyboard.press("Escape")


def test_downloads_are_what_is_shown(opened: Opened, tmp_path: Path) -> None:
    heading = opened.page.locator("table.ranked:visible thead th", has_text="Retention")
    heading.click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    opened.page.locator(".tools:visible [type=search]").fill("em")
    opened.expect_methods(["emb", "graddiff"])

    def got(kind: str) -> list[str]:
        opened.page.locator(".tools:visible summary", has_text="Download").click()
        with opened.page.expect_download() as coming:
            opened.page.locator(f".tools:visible [data-get={kind}]").click()
        coming.value.save_as(tmp_path / kind)
        opened.page.keyboard.press("Escape")
        return (tmp_path / kind).read_text(encoding="utf-8").splitlines()

    lines = got("csv")
    assert lines[0] == "Rank,Method,Score,Forgetting,Retention,Irreversible,Seconds"
    assert [line.split(",")[1] for line in lines[1:]] == [*opened.methods(), "retrain", "identity"]
    table = got("latex")
    assert table[3] == r"\begin{tabular}{rlrrrrr}"
    assert table[5] == r"Rank & Method & Score & Forgetting & Retention & Irreversible & Seconds \\"
    assert table[7].startswith(f"{lines[1].split(',')[0]} & {opened.methods()[0]} & ")


def test_tabs_change_the_model(opened: Opened) -> None:
    first, second = opened.page.get_by_role("tab").all()
    second.click()
    opened.settle()
    opened.expect_methods(["slug", "lip"])
    expect(opened.page.locator(".of-board[data-board='1']")).to_be_visible()
    second.press("ArrowRight")
    expect(first).to_be_focused()
    expect(first).to_have_attribute("aria-selected", "true")
    opened.expect_methods(RANKED)


def test_headings_and_cells_explain_themselves(opened: Opened) -> None:
    tip = opened.page.locator("#tip")
    expect(tip).to_be_hidden()
    heading = opened.page.locator("table.ranked:visible thead th", has_text="Irreversible")
    heading.hover()
    expect(tip).to_contain_text("the largest share of the target that an audit brings back")
    heading.locator("[tabindex]").first.focus()
    expect(tip).to_be_visible()
    opened.page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    opened.page.locator("table.ranked:visible td.whisker").first.hover()
    expect(tip).to_contain_text("95 % interval")
    opened.page.locator(".glossary summary").click()
    expect(opened.page.locator(".glossary dd").first).to_be_visible()


def test_the_plot_tells_names_and_numbers_and_leads_on(opened: Opened) -> None:
    dot = opened.page.locator(".board.on .dots path[aria-label^='lip:']")
    dot.hover()
    tip = opened.page.locator("#tip")
    expect(tip).to_contain_text("lip, rank")
    expect(tip).to_contain_text("forgetting 0.875")
    bars = opened.page.locator(".board.on .chart g.bars-x line, .board.on .chart g.bars-y line")
    expect(bars).to_have_count(0)
    opened.page.locator(".board.on [data-chart=bars]").check()
    opened.settle()
    expect(bars).to_have_count(14)
    opened.page.locator(".board.on .dots path[aria-label^='lip:']").click()
    opened.page.wait_for_url("**#method-lip")
    expect(opened.page.get_by_role("heading", level=1, name="lip", exact=True)).to_be_visible()
    expect(opened.page).to_have_title("lip")
    opened.page.go_back()
    expect(opened.page.locator("#table-0")).to_be_visible()


def test_who_lies_far_below_the_rest_is_named_under_the_plot_until_asked_for(
    browser: Browser, tmp_path: Path
) -> None:
    wrecked = sweep("wrecked", targets=(0,), measured={"other": 2, "rest": 3})
    path = tmp_path / "page.html"
    path.write_text(one_file(gathered([*sweep("lip"), *wrecked, *identity()])), encoding="utf-8")
    with Opened(browser, path) as opened:
        words, dot = opened.page.locator(".outside"), opened.page.locator(".dots path[aria-label^='wrecked:']")
        expect(words).to_have_text("not shown: wrecked (forgetting 1.00, retention .07)")
        expect(dot).to_have_count(0)
        expect(opened.page.locator(".chart svg", has_text="0.95")).to_be_visible()
        opened.page.locator("[data-chart=whole]").check()
        expect(dot).to_have_count(1)
        expect(words).to_be_hidden()
        opened.page.locator("[data-chart=whole]").uncheck()
        expect(words).to_be_visible()
        assert opened.complaints == []


def test_the_plot_is_one_stop_of_the_keyboard(opened: Opened) -> None:
    dots = opened.page.locator(".board.on .dots path")
    expect(dots.locator("xpath=self::*[@tabindex='0']")).to_have_count(1)
    dots.first.focus()
    expect(opened.page.locator("#tip")).to_contain_text("slug, rank 1")
    opened.page.keyboard.press("ArrowRight")
    expect(opened.page.locator("#tip")).to_contain_text("lip, rank")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_url("**#method-lip")


def test_the_page_of_a_method(browser: Browser, page_file: Path) -> None:
    with Opened(browser, page_file, "#method-lip") as found:
        page = found.page
        view = page.locator("#method-lip")
        expect(view).to_contain_text("make clean images and their text embed like noisy images")
        expect(view.get_by_role("link", name="https://arxiv.org/abs/2407.07485")).to_be_visible()
        expect(view.locator(".chart svg")).to_have_count(3)  # trials, and histories on both models
        view.locator("summary", has_text="Every run: 3").first.click()
        cells = view.locator("details.cells[open] tbody tr")
        expect(cells).to_have_count(3)
        assert cells.first.locator("td").all_text_contents()[:4] == ["mini-digits", "three", "0", "ok"]
        view.locator("table.heat a", has_text="red cube").first.click()
        expect(page.get_by_role("heading", level=1, name="red cube")).to_be_visible()
        line = page.locator("table.sortable:visible tbody tr", has_text="slug").first
        expect(line).to_contain_text("red sphere 0.750")
        heads = page.locator("table.sortable:visible thead").first
        expect(heads).to_contain_text("near: red sphere")
        heads.locator("th", has_text="Target after").click()
        first = page.locator("table.sortable:visible").first.locator("tbody tr th bdi").first
        expect(first).to_have_text("slug")
        page.locator(".view.on .lead a").click()
        expect(page.get_by_role("heading", level=1, name="mini-shapes")).to_be_visible()
        page.locator(".view.on .trail a").click()
        expect(page.locator("#table-0")).to_be_visible()
        assert found.complaints == []


def test_what_remains_is_shaded_against_the_references(opened: Opened) -> None:
    opened.page.get_by_role("link", name="What remains").first.click()
    expect(opened.page.locator("#remains")).to_be_visible()
    lines = opened.page.locator("#remains .of-board.on table.heat tbody tr")
    assert lines.locator("th bdi").all_text_contents()[:2] == ["identity", "retrain"]
    shades = [lines.nth(place).locator("td").nth(1).get_attribute("style") for place in (0, 1)]
    assert shades == ["--s:100%", "--s:43%"]  # probe: .8 of .8, and (.4 - .1) / (.8 - .1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_that_try_to_be_markup_are_text(browser: Browser, nasty_file: Path, scheme: Scheme) -> None:
    with Opened(browser, nasty_file, width=380, scheme=scheme) as found:
        names = (NASTY, RIGHT_TO_LEFT, LONG)
        assert set(found.methods()) == set(names)
        for name in names:
            found.page.goto(f"{nasty_file.as_uri()}#method-{slug(name)}")
            heading = found.page.locator(".view.on h1")
            expect(heading).to_have_text(name)
            assert found.sideways() <= 0
        for link in found.page.locator("#sets .chips a").all():
            found.page.goto(f"{nasty_file.as_uri()}{link.get_attribute('href')}")
            expect(found.page.locator(f"{link.get_attribute('href')} h1")).to_be_visible()
            assert found.page.locator(".view.on h1").text_content() in names
            assert found.sideways() <= 0
        found.page.goto(f"{nasty_file.as_uri()}#leaderboard")
        found.page.locator(".board.on .dots path").first.focus()
        assert found.page.evaluate("() => window.broken") is None
        assert found.complaints == []
