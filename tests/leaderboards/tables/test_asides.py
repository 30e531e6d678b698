"""Records of other settings are named in a sentence, and printed in full only where that is asked."""

from dataclasses import replace

import pytest

from tests.leaderboards.examples import DIGITS, ended, run, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.settings import main_settings
from unlearn_bench.leaderboards.tables.asides import in_words, section_of
from unlearn_bench.leaderboards.tables.render import render

FEW = {"accuracy": 1}
MORE = {"accuracy": 1, "linear-probe": 2, "predictions": 1, "retrieval": 1, "seconds": 1}
HEADING = "Also in these records, measured in other settings"


def said_of(records: list[Record]) -> str:
    (aside,) = main_settings(records)[1]
    return in_words(aside)


def test_the_usual_case_an_older_run_with_fewer_metrics() -> None:
    old = [replace(item, provenance={"time": "2025-01-02T03:04:05+00:00"}) for item in sweep(metrics=FEW)]
    assert said_of(old + sweep(metrics=MORE)) == (
        "mini-rn, suite mini: 3 cells of lip with other metrics (accuracy only), the last on 2025-01-02."
    )
    bare = [replace(item, provenance={}) for item in old]
    bare[0] = ended(bare[0], "failed", "x")
    assert said_of(bare + sweep(metrics=MORE)) == (
        "mini-rn, suite mini: 3 cells (2 ok) of lip with other metrics (accuracy only)."
    )


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({**MORE, "accuracy": 2}, "other metrics (accuracy at version 2)"),
        ({name: 1 for name in MORE if name != "linear-probe"}, "other metrics (without linear-probe)"),
        ({"accuracy": 1, "quantisation": 1}, "linear-probe, predictions, retrieval and 1 more, with quantisation)"),
    ],
)
def test_metrics_in_words(metrics: dict[str, int], said: str) -> None:
    assert said in said_of(sweep(metrics=MORE) + sweep(metrics=MORE, seeds=(1,)) + sweep(metrics=metrics))


def test_other_settings_in_words() -> None:
    sets = tuple(replace(item, template="{}") if item.name == DIGITS else item for item in run().evaluation)
    twice = sweep(seeds=(0, 1))
    assert f"other settings (evaluation.{DIGITS}.template={{}})" in said_of(twice + sweep(evaluation=sets))
    both = said_of(twice + sweep(metrics=FEW, precision="bf16", train_split="val"))
    assert "1 cells" not in both
    assert "with other metrics (accuracy only) and other settings (train_split=val, precision=bf16)" in both
    one = said_of(twice + sweep(train_split="val")[:1])
    assert "1 cell of lip with other settings (train_split=val)" in one


def test_the_section() -> None:
    assert section_of(()) == ()
    (section,) = section_of(main_settings(sweep(metrics=FEW) + sweep(metrics=MORE))[1])
    assert section.headers == ()
    assert section.paragraphs[-1] == "Show them in full with --all-settings."


@pytest.mark.parametrize("fmt", ["md", "latex"])
def test_a_page_has_one_report_and_a_word_on_the_rest(fmt: str) -> None:
    alone = render(sweep(metrics=MORE), fmt=fmt)
    page = render(sweep(metrics=FEW) + sweep(metrics=MORE), fmt=fmt)
    assert HEADING not in alone
    assert page.startswith(alone.removesuffix("\n"))
    assert HEADING in page[len(alone) - 20 :]
    everything = render(sweep(metrics=FEW) + sweep(metrics=MORE), fmt=fmt, all_settings=True)
    assert HEADING not in everything
    assert [text.count("Overall: ") for text in (alone, page, everything)] == [1, 1, 2]


def test_two_models_of_one_name_are_two_full_reports() -> None:
    page = render(sweep(metrics=FEW) + sweep(metrics=MORE, fingerprint="beef"), fmt="md")
    assert HEADING not in page
    assert "fingerprint=beef" in page


def test_two_models_are_two_full_reports() -> None:
    page = render(sweep(metrics=FEW) + sweep(metrics=MORE, model="mini-vit"), fmt="md")
    assert HEADING not in page
    for name in ("mini-rn", "mini-vit"):
        assert f"## {name}, suite mini\n" in page


def test_a_table_for_programs_holds_the_main_ones_unless_all_are_asked_for() -> None:
    records = sweep(metrics=FEW, targets=(5,)) + sweep(metrics=MORE)
    assert render(records, fmt="csv") == render(sweep(metrics=MORE), fmt="csv")
    assert len(render(records, fmt="csv", all_settings=True).splitlines()) > len(
        render(records, fmt="csv").splitlines()
    )
