"""The order of the paper's methods, against Table 1 read by hand."""

import pytest

from unlearn_bench.leaderboards.reported.order import printed_scores
from unlearn_bench.leaderboards.reported.printed import METHODS, reported_tables


def test_means_of_the_printed_scores() -> None:
    found = printed_scores(reported_tables())
    assert found.keys() == set(METHODS.values())
    assert found["lip"] == pytest.approx((0.018 + 0.021 + 0.008) / 3)  # its row on StanfordCars breaks off
    assert found["emb"] == pytest.approx((0.060 + 0.121 + 0.061 + 0.122) / 4)
    assert sorted(found, key=lambda name: found[name]) == [
        "lip", "amns-retain", "salun", "emb", "amns", "ulip", "emmn",
    ]  # fmt: skip


def test_the_order_is_the_same_over_the_datasets_that_all_have() -> None:
    tables = reported_tables()
    scores = {
        name: sum(
            row.score or 0 for row in tables.table1 if row.method == name and row.forget_dataset != "StanfordCars"
        )
        for name in METHODS
    }
    found = printed_scores(tables)
    assert sorted(scores, key=lambda name: scores[name]) == sorted(METHODS, key=lambda name: found[METHODS[name]])
