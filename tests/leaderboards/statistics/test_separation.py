"""Whether an attack parts the original from retrained models: by loops, at both ends, and with its interval."""

import numpy as np
import pytest

from tests.leaderboards.attack_examples import EVERY, swept
from tests.leaderboards.examples import only, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.separation import Separation, auc, separations
from unlearn_bench.metrics.shared.attacks import ATTACKS


def test_it_is_the_share_of_pairs_in_the_right_order() -> None:
    stream = np.random.default_rng(0)
    known, unknown = stream.integers(0, 6, (9, 4)) / 5, stream.integers(0, 6, (7, 4)) / 5
    found = auc(known, unknown)
    for column in range(4):
        wins = [(a > b) + 0.5 * (a == b) for a in known[:, column] for b in unknown[:, column]]
        assert found[column] == pytest.approx(sum(wins) / len(wins))
    assert found == pytest.approx(1 - auc(unknown, known))


def named(found: tuple[Separation, ...]) -> dict[str, Separation]:
    return {item.attack: item for item in found}


def test_both_ends_and_an_attack_that_says_nothing() -> None:
    """On three forget sets the original always reaches 16 of 20; the retrained model 2, 16 and 20 of them."""
    retrained = swept("retrain", {"int8": 16, "pruning": 20})
    found = named(separations([only(swept("identity", EVERY) + retrained)]))
    assert set(found) == {attack.name for attack in ATTACKS}
    for name, value in (("zero-shot", 1.0), ("int8", 0.5), ("pruning", 0.0)):
        item = found[name]
        assert (item.auc, item.pairs, item.tells_apart) == (value, 3, value == 1.0)
        assert item.interval == Interval(low=value, high=value)


def test_forget_sets_of_all_boards_are_pooled_and_classes_need_not_be_alike() -> None:
    """Zero-shot, one model's original has 16, 10, 16 of 20 on its sets, another's 16; retrained 8, 12, 8 and 12."""
    one = sweep("identity", targets=(16, 10, 16), kind="reference", metrics=dict.fromkeys(["accuracy"], 1))
    one += sweep("retrain", targets=(8, 12, 8), kind="reference", metrics=dict.fromkeys(["accuracy"], 1))
    two = sweep("identity", targets=(16,), kind="reference", metrics=dict.fromkeys(["accuracy"], 1), model="other")
    two += sweep("retrain", targets=(12,), kind="reference", metrics=dict.fromkeys(["accuracy"], 1), model="other")
    (found,) = separations([only(one), only(two)])
    # 10 loses to the four retrained models at 12 and wins against the two at 8; the five others always win
    assert (found.attack, found.pairs) == ("zero-shot", 6)
    assert found.auc == pytest.approx((5 * 6 + 2) / 36)
    assert found.interval is not None
    assert found.interval.low < found.auc < found.interval.high
    assert found.tells_apart


def test_boards_without_both_references_say_nothing() -> None:
    records: list[Record] = swept("identity", EVERY) + swept("lip", {})
    assert separations([only(records)]) == ()
    assert separations([]) == ()


def test_false_finds_are_taken_off() -> None:
    """All images of every model take the name when pushed; of the retrained one alone all others do too."""
    both = {"adversarial images": 20}
    found = named(separations([only(swept("identity", both) + swept("retrain", both, false=20))]))
    assert found["adversarial images"].auc == 1.0
    alike = named(separations([only(swept("identity", both, false=20) + swept("retrain", both, false=20))]))
    assert alike["adversarial images"].auc == 0.5
    assert not alike["adversarial images"].tells_apart
