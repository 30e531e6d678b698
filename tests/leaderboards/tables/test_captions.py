"""How settings came about, what tuning did not find, and how far the order of methods is the paper's."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.leaderboards.examples import DIGITS, SHAPES, cell, identity, only, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.reported.order import printed_scores
from unlearn_bench.leaderboards.reported.printed import reported_tables
from unlearn_bench.leaderboards.statistics.agreement import agreement
from unlearn_bench.leaderboards.tables.captions import about, settings
from unlearn_bench.leaderboards.tables.render import render
from unlearn_bench.leaderboards.tables.scores import for_class, for_dataset, overall
from unlearn_bench.leaderboards.tables.section import two_decimals

TUNED = {
    "source": "tuned",
    "trials": 64,
    "sampler": "TPE, seed 0",
    "pruner": "median of the trials so far",
    "classes": [f"{SHAPES}/green ball"],
    "images": "val",
}
NOT_FOUND = {**TUNED, "found": False, "doing_nothing": 0.2}
NOTHING = "no setting of 64 forgot without more harm than good"
BEST = {"best_that_forgot": {"score": 0.4, "forgetting": 0.812, "retention": 0.55}}


def tuned(name: str = "lip", **changes: Any) -> list[Record]:
    return sweep(name, preset={key: value for key, value in (TUNED | changes).items() if value is not None})


def said(*records: Record) -> str:
    return " ".join(settings(only([*records, *identity(preset={"source": "default"})])))


def test_settings_in_one_sentence() -> None:
    assert said(*tuned(), *tuned("emb")) == (
        "Settings: 64 trials for each tuned method with the same sampler (TPE, seed 0) and pruner (median of the "
        "trials so far), on tuning classes and validation images that no table here reports."
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pruner": "none"}, "64 trials for each tuned method with the same sampler (TPE, seed 0), on tuning"),
        ({"trials": 16}, "16 to 64 trials for a tuned method, not as many for each with"),
        ({"trials": None}, "Settings: tuned with the same sampler (TPE, seed 0) and pruner"),
        ({"sampler": None, "pruner": None}, "64 trials for each tuned method, on tuning classes"),
        ({"classes": None}, "(median of the trials so far)."),
        ({"images": None}, "on tuning classes that no table here reports."),
        ({"classes": [f"{DIGITS}/three"]}, "on tuning classes and validation images."),
    ],
)
def test_what_differs_or_is_not_there_is_not_said(changes: Mapping[str, Any], expected: str) -> None:
    assert expected in said(*tuned(), *tuned("emb", **changes))


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert said() == ""
    assert said(*sweep(preset={"source": "tuned"})) == ""
    assert said(*sweep(preset={"source": "paper"})) == ""
    assert "1 trial for each" in said(*tuned(trials=1))


def test_the_sentence_is_in_the_caption() -> None:
    board = only(tuned() + identity(preset={"source": "default"}))
    assert any("Presets: lip tuned (64 trials)" in text and "Settings: 64 trials" in text for text in about(board))


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        (NOT_FOUND, NOTHING),
        (
            NOT_FOUND | BEST,
            f"{NOTHING}; the best that forgot: forgetting .81, retention .55 on the tuning classes",
        ),
        (
            {"source": "tuned", "found": False, "best_that_forgot": {"score": 0.4, "target_ratio": 0.0}},
            "no setting forgot without more harm than good",
        ),
        (TUNED | BEST, ""),  # an older record
        (TUNED | BEST | {"found": True}, ""),
    ],
)
def test_what_tuning_did_not_find(preset: Mapping[str, Any], expected: str) -> None:
    board = only(sweep("lip", targets=(12,), preset=preset) + tuned("emb") + identity())
    forgot_nothing = "; ".join(filter(None, ["did not forget", expected]))
    for section in (overall(board)[0], for_dataset(board, DIGITS)):
        assert cell(section, "lip", "note") == forgot_nothing
        assert cell(section, "emb", "note") == ""
    assert cell(for_class(board, board.classes[0]), "lip", "note") == "did not forget"


def test_the_note_is_on_pages_and_changes_no_rank() -> None:
    records = sweep("lip", preset=NOT_FOUND | BEST) + tuned("emb") + identity()
    for fmt in ("md", "latex"):
        assert "the best that forgot: forgetting .81, retention .55" in render(records, fmt=fmt)
    row = only(records).find("lip")
    assert row is not None
    assert (row.place, row.standing) == (1, "ranked")


def test_records_that_tell_different_things_tell_nothing() -> None:
    mixed = sweep("lip", preset=NOT_FOUND)[:2] + tuned("lip")[2:]
    assert cell(overall(only(mixed + identity()))[0], "lip", "note") == ""


def test_tau_against_the_paper_s_order() -> None:
    names = ["amns-retain", "lip", "salun", "emb", "amns", "ulip", "emmn"]  # the first two are the other way round
    records = [item for place, name in enumerate(names) for item in sweep(name, targets=(place,))] + identity()
    board = only(records)
    found = agreement(board, printed_scores(reported_tables()))
    assert found is not None
    assert found.tau == pytest.approx(19 / 21)  # one of 21 pairs against: (20 - 1) / 21
    assert found.interval is not None
    low, high = two_decimals(found.interval.low), two_decimals(found.interval.high)
    (text,) = (text for text in about(board) if "Kendall" in text)
    assert f"in the paper's Table 1: .90 ({low} to {high})." in text
    assert not any("Kendall" in text for text in about(only(records[3:])))
