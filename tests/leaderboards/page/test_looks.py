"""How the page looks and behaves: no width breaks it, it prints, and an accessibility check finds nothing serious."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.leaderboards.page.opened import Opened, Scheme
from tests.leaderboards.page.page_examples import crowd
from unlearn_bench.leaderboards.page.page import gathered, one_file, site

PARTS = ("", "#method-lip", "#dataset-mini-shapes")


def serious(opened: Opened) -> list[str]:
    """What axe finds that keeps somebody from using the page."""
    found = Axe().run(opened.page).response["violations"]
    return [
        f"{item['id']}: {item['nodes'][0]['html']}" for item in found if item["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_check_finds_nothing_serious(browser: Browser, page_file: Path, scheme: Scheme) -> None:
    forget = re.findall(r'id="(class-[^"]+)"', page_file.read_text(encoding="utf-8"))[0]
    for part in (*PARTS, f"#{forget}"):
        with Opened(browser, page_file, part, scheme=scheme) as opened:
            for closed in opened.page.locator(".view.on details:not(.menu) > summary:visible").all()[:3]:
                closed.click()
            assert serious(opened) == [], part


@pytest.mark.parametrize("width", [380, 1000, 1600])
def test_no_width_makes_the_page_scroll_sideways(browser: Browser, page_file: Path, width: int) -> None:
    for part in PARTS:
        with Opened(browser, page_file, part, width=width) as opened:
            assert opened.sideways() <= 0
            assert opened.complaints == []


def test_the_name_stays_in_sight_while_a_narrow_table_scrolls(browser: Browser, page_file: Path) -> None:
    with Opened(browser, page_file, width=380) as opened:
        table = opened.page.locator("table.ranked:visible")
        opened.page.locator(".board.on .wide").evaluate("element => { element.scrollLeft = 400; }")
        name = table.locator("tbody th.method").first.bounding_box()
        assert name is not None
        assert 0 <= name["x"] < 40


def test_the_first_screen_holds_the_sentence_the_plot_and_the_table(browser: Browser, page_file: Path) -> None:
    with Opened(browser, page_file, width=1600, height=950) as opened:
        for what in (".headline", ".chart svg", "table.ranked tbody tr"):
            box = opened.page.locator(f".board.on {what}").first.bounding_box()
            assert box is not None
            assert box["y"] < 500, what


def test_the_charts_follow_the_scheme(browser: Browser, page_file: Path) -> None:
    with Opened(browser, page_file) as opened:
        dot = opened.page.locator(".board.on .dots path[aria-label^='lip:']")
        expect(dot).to_have_attribute("fill", "#0072b2")
        opened.page.emulate_media(color_scheme="dark")
        expect(dot).to_have_attribute("fill", "#56b4e9")


def test_it_prints_without_what_is_only_for_a_screen(browser: Browser, page_file: Path, tmp_path: Path) -> None:
    with Opened(browser, page_file) as opened:
        opened.page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
        pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes()))
        assert 1 <= pages <= 6
        opened.page.emulate_media(media="print")
        for control in (".tools", ".board.on .dt-column-order", ".glossary", "[data-chart]", "#measured"):
            expect(opened.page.locator(control).first).to_be_hidden()
        # Chromium may never end a PDF of a page whose cells have gradients of hard edges.
        for cell in ("td.bar", "td.whisker"):
            drawn = opened.page.locator(f".board.on {cell}").first
            assert drawn.evaluate("node => getComputedStyle(node).backgroundImage") == "none"
        wide = opened.page.locator(".board.on .wide")
        assert wide.evaluate("node => getComputedStyle(node).overflowX") == "visible", "no column is cut off"
        assert opened.page.locator("table.ranked").first.is_visible()
        assert opened.page.locator(".chart svg").first.is_visible()
        assert opened.complaints == []


def test_without_scripts_all_is_there(browser: Browser, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    for part in ("#table-0", "#table-1", "#method-lip h1", "#remains table"):
        assert page.locator(part).first.is_visible(), part
    assert not page.locator(".tools").first.is_visible()
    context.close()


def test_a_site_is_whole_and_each_page_of_it_works(browser: Browser, tmp_path: Path) -> None:
    files = site(gathered(crowd(3, 1)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with Opened(browser, tmp_path / "index.html") as opened:
        opened.page.locator(".board.on .dots path[aria-label^='method-1:']").click()
        opened.page.wait_for_url("**/methods/method-1.html")
        opened.page.locator("table.heat a").first.click()
        opened.page.wait_for_url("**/classes/*.html")
        opened.settle()
        opened.page.locator("table.sortable thead th", has_text="Forgetting").click()
        opened.page.get_by_role("link", name="Leaderboard").last.click()
        opened.page.wait_for_url("**/index.html")
        assert opened.complaints == []


@pytest.mark.large
def test_a_hundred_methods_and_ten_thousand_records_are_shown(browser: Browser, tmp_path: Path) -> None:
    records = crowd(100, 34)
    assert len(records) == 10_200
    path = tmp_path / "page.html"
    path.write_text(one_file(gathered(records)), encoding="utf-8")
    with Opened(browser, path) as opened:
        heading = opened.page.locator("table.ranked:visible thead th", has_text="Retention")
        heading.click()
        for _ in range(4):
            heading.click()
        opened.page.locator(".tools:visible [type=search]").fill("method-9")
        expect(opened.names()).to_have_count(11)
        # By the keyboard: among a hundred marks a click may well meet one that lies above.
        opened.page.locator(".board.on .dots path[aria-label^='method-9:']").press("Enter")
        opened.page.wait_for_url("**#method-method-9")
        assert opened.complaints == []
