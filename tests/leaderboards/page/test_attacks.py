"""What the standard attack gets back, on the page: a column, the plot's words, a shaded table, facts of a method."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.leaderboards.attack_examples import swept
from tests.leaderboards.examples import only
from tests.leaderboards.page.opened import Opened
from tests.leaderboards.page.page_examples import many_kinds
from unlearn_bench.leaderboards.page.heat import what_attacks_find
from unlearn_bench.leaderboards.page.page import gathered, one_file
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.metrics.shared.attacks import ATTACKS


def records() -> list[Record]:
    """Of 20 target images the original knows 16, the retrained model 2, and 10 by pruning: that attack teaches."""
    found = swept("hidden", {"int8": 10}) + swept("slug", {"pruning": 16, "weight noise": 4})
    return [*found, *swept("retrain", {"pruning": 10}), *swept("identity", {"zero-shot": 16})]


def test_shares_are_shaded_and_what_does_not_count_is_in_brackets() -> None:
    found = what_attacks_find(only(records()))
    assert found is not None
    assert [heading.title for heading in found.headings] == ["worst", *(attack.name for attack in ATTACKS)]
    names = [line.label for line in found.lines]
    assert [line.reference for line in found.lines] == [True, True, False, False]
    assert names[2:] == ["slug", "hidden"]
    place = 1 + next(number for number, attack in enumerate(ATTACKS) if attack.name == "int8")
    hidden, slug = found.lines[3].cells, found.lines[2].cells
    assert (hidden[place].text, hidden[0].text) == ("0.571", "0.571")
    assert hidden[place].shade == pytest.approx(8 / 14)
    pruned = 1 + next(number for number, attack in enumerate(ATTACKS) if attack.name == "pruning")
    assert (slug[pruned].text, slug[pruned].shade) == ("(1.000)", None)
    assert slug[0].text != "1.000"


def test_boards_without_the_attack_have_no_such_table() -> None:
    assert what_attacks_find(only([item for item in many_kinds() if item.run.model == "mini-rn"])) is None
    page = one_file(gathered(many_kinds()))
    assert "Recovered" not in page
    assert "What attacks get back" not in page


def test_the_page_shows_it(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(one_file(gathered(records())), encoding="utf-8")
    with Opened(browser, path) as opened:
        heads = opened.page.locator("table.ranked:visible thead th")
        expect(heads.filter(has_text="Recovered")).to_have_count(1)
        expect(heads.filter(has_text="Irreversible")).to_have_count(0)
        row = opened.page.locator("table.ranked:visible tbody tr", has_text="hidden")
        row.locator("td", has_text="0.571").hover()
        expect(opened.page.locator("#tip")).to_contain_text("by int8; 95 % interval")
        opened.page.locator(".board.on .dots path[aria-label^='hidden:']").focus()  # retrain's mark lies above
        expect(opened.page.locator("#tip")).to_contain_text("recovered 0.571, by int8")
        table = opened.page.get_by_role("table", name="What attacks get back")
        expect(table.locator("tbody tr", has_text="slug")).to_contain_text("(1.000)")
        opened.page.goto(f"{path.as_uri()}#method-hidden")
        expect(opened.page.locator("#method-hidden")).to_contain_text("0.571 (")
        expect(opened.page.locator("#method-hidden")).to_contain_text(", by int8")
        assert opened.sideways() <= 0
        assert opened.complaints == []
