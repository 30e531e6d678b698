"""How final forgetting is, wherever a leaderboard is short: what the standard attack recovers, where it ran."""

from tests.leaderboards.attack_examples import swept
from tests.leaderboards.examples import identity, only, sweep
from tests.leaderboards.page.page_examples import audited
from unlearn_bench.leaderboards.brief.finality import attacked, cell, heading, number_of
from unlearn_bench.leaderboards.brief.headline import sentences
from unlearn_bench.leaderboards.brief.overview import document
from unlearn_bench.leaderboards.brief.readme import Links, short_form
from unlearn_bench.leaderboards.brief.terminal import of_board
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.findings import findings

LINKS = Links(light="light.svg", dark="dark.svg", table="table.md")


def records() -> list[Record]:
    """Of 20 target images the original knows 16, the retrained model 2; `hidden` gives back 10, `slug` 4."""
    found = swept("hidden", {"int8": 10}) + swept("slug", {"pruning": 4}) + swept("retrain", {})
    return [*found, *swept("identity", {"zero-shot": 16})]


def line(text: str, method: str) -> list[str]:
    """The cells of a Markdown table's first line about a method."""
    found = next(line for line in text.splitlines() if line.startswith("|") and f" {method} " in line)
    return [part.strip() for part in found.strip("|").split("|")]


def test_the_cell_says_what_was_recovered_and_by_what() -> None:
    board = only(records())
    slug, kept = board.find("slug"), board.find("retrain")
    assert slug is not None
    assert kept is not None
    assert attacked([board])
    assert (number_of(slug, recovered=True), cell(slug, recovered=True)) == (".143", ".143 by pruning")  # 2 of 14
    assert number_of(kept, recovered=True) == ".000"
    assert (heading(recovered=True), heading(recovered=False)) == ("recovered", "irreversible")


def test_without_the_attack_it_is_irreversibility() -> None:
    board = only(audited(sweep("lip"), 0.6, 0.5) + identity())
    lip = board.find("lip")
    assert lip is not None
    assert not attacked([board])
    assert not attacked([only(records()), board]), "a table of both shows what both have"
    assert cell(lip, recovered=False) == ".250"
    assert cell(lip, recovered=True) == "-"


def test_short_tables_show_it() -> None:
    said = document(records())
    assert line(said, "method")[6] == "recovered"
    assert line(said, "hidden")[6] == ".571 by int8"  # 8 of 14
    assert line(short_form(records(), LINKS), "method")[-1] == "recovered"
    assert line(short_form(records(), LINKS), "slug")[-1] == ".143 by pruning"
    mixed = [*records(), *sweep("slug", model="mini-vit"), *identity(model="mini-vit")]
    assert line(short_form(mixed, LINKS), "method")[-1] == "irreversible"


def test_the_terminal_shows_the_share() -> None:
    lines = of_board(only(records())).splitlines()
    assert " ".join(lines[2].split()).endswith("retention worst recovery")
    assert next(line for line in lines if " slug " in line).split()[-1] == ".143"
    weak = only([*records(), *swept("amns", {"zero-shot": 12})])
    said = " ".join(of_board(weak).split())
    assert "Of scores and of what the worst known attack recovers, lower is better; of the other two, higher." in said


def test_the_headline_names_who_gives_least_back_and_how_many_most_of_it() -> None:
    board = only(records())
    found = findings(board)
    assert [row.label for row in found.attacked] == ["slug", "hidden"]
    assert found.regained == 1
    last = sentences(board)[-1]
    assert last.startswith(
        "Of those that forgot with less harm than good, slug gives least back: the worst known attack recovers .143 ("
    )
    assert last.endswith(") of it (pruning). 1 of these 2 give back more than half.")


def test_without_a_retrained_model_it_is_marked() -> None:
    records = swept("slug", {"pruning": 4}) + swept("identity", {"zero-shot": 16})
    assert line(document(records), "slug")[6] == ".250 (bare) by pruning"
    assert next(line for line in of_board(only(records)).splitlines() if " slug " in line).endswith(".250 (bare)")
    assert not attacked([])


def test_without_a_retrained_model_the_headline_says_so() -> None:
    last = sentences(only(swept("slug", {"pruning": 4}) + swept("identity", {"zero-shot": 16})))[-1]
    assert "recovers .250" in last  # 4 of 16
    assert "of it, with no retrained model as zero (pruning)." in last
