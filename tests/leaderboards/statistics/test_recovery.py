"""Worst known recovery: the scale by hand, what counts, the maximum and its interval."""

from dataclasses import replace

import numpy as np
import pytest

from tests.leaderboards.attack_examples import EVERY, METRICS, swept
from tests.leaderboards.examples import FORGET, identity, only, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.intervals import RESAMPLES, interval, resampled_accuracies
from unlearn_bench.leaderboards.statistics.recovery import Reached, attempt, is_attacked, recovered, with_recovery
from unlearn_bench.leaderboards.statistics.rows import Attempt, Recovery, images_of
from unlearn_bench.metrics.shared.attacks import ATTACKS, standard_metrics


def recovery(records: list[Record], method: str = "lip") -> Recovery:
    row = only(records).find(method)
    assert row is not None
    assert row.recovery is not None
    return row.recovery


def test_the_scale_by_hand() -> None:
    """Prototypes find 10 of 20 where the original has 16 and the retrained model 4: (10 - 4) / (16 - 4)."""
    records = swept("lip", {"prototype, 4 images": 10, "zero-shot": 6})
    records += swept("retrain", {"prototype, 4 images": 4})
    found = recovery(records)
    assert (found.attack, found.is_bare) == ("prototype, 4 images", False)
    assert found.share == pytest.approx(6 / 12)
    shares = {item.name: item.share for item in found.attempts}
    assert shares["zero-shot"] == pytest.approx((6 - 2) / (16 - 2))
    assert shares["int8"] == 0.0
    assert [item.name for item in found.attempts] == [attack.name for attack in ATTACKS]


def test_both_ends() -> None:
    retrained = swept("retrain", {"int8": 4})
    records = swept("lip", {"pruning": 3}) + retrained + swept("identity", EVERY)
    assert recovery(records, "identity").share == 1.0
    assert recovery(records, "retrain").share == 0.0
    assert recovery(records + swept("emb", {"pruning": 1, "zero-shot": 0, "int8": 0}), "emb").share == 0.0


def test_without_a_retrained_model_the_bare_share_is_marked() -> None:
    records = swept("lip", {"prototype, 4 images": 10})
    found = recovery(records)
    assert found.share == pytest.approx(10 / 16)
    assert found.is_bare
    partial = swept("retrain", {})[:-1]
    assert recovery(records + partial).is_bare, "a retrained row that lacks a cell sets no scale"


def test_an_attack_that_teaches_the_class_does_not_count() -> None:
    """With the retrained model the probe finds 9 of 16, over half; prototypes 8, just half."""
    records = swept("lip", {"linear probe": 15, "prototype, 16 images": 12})
    records += swept("retrain", {"linear probe": 9, "prototype, 16 images": 8})
    found = recovery(records)
    probe = next(item for item in found.attempts if item.name == "linear probe")
    assert probe == Attempt(
        name="linear probe", share=probe.share, unreliable="it makes the retrained model name the class"
    )
    assert probe.share == pytest.approx(6 / 7)
    assert found.attack == "prototype, 16 images"
    assert found.share == pytest.approx(4 / 8)


def test_one_name_for_everything_is_no_recovery() -> None:
    kept = {"relearning, 1 image": 0.39, "class embedding, 1 image": 0.4}
    records = swept("lip", {"relearning, 1 image": 16, "class embedding, 1 image": 14}, kept=kept)
    found = recovery(records)
    assert found.attack == "class embedding, 1 image"
    assert found.share == pytest.approx(14 / 16)
    (lost,) = [item for item in found.attempts if item.unreliable]
    assert (lost.name, lost.unreliable) == ("relearning, 1 image", "kept classes collapse")


def test_false_finds_are_taken_off_both_numbers_and_intervals() -> None:
    """Pushed, 12 of 20 target images take the name and 8 of 20 others; of the original 16 and none."""
    records = swept("lip", dict.fromkeys(EVERY, 0) | {"adversarial images": 12}, false=8)
    found = recovery(records)
    assert found.attack == "adversarial images"
    assert found.share == pytest.approx((12 - 8) / 16)
    assert found.interval is not None
    assert found.interval.low < 4 / 16 < found.interval.high
    everything = swept("lip", dict.fromkeys(EVERY, 0) | {"adversarial images": 20}, false=20)
    assert recovery(everything).attempts[-1].share == 0.0


def test_no_reliable_attack_leaves_a_gap() -> None:
    kept = dict.fromkeys([attack.name for attack in ATTACKS], 0.1)
    records = swept("lip", EVERY | {"adversarial images": 9}, kept=kept, measured={"other": 3})
    found = recovery(records + swept("retrain", {"adversarial images": 9}))
    assert found.attempts[-1].unreliable == "it makes the retrained model name the class"
    assert (found.share, found.attack, found.interval) == (None, "", None)
    assert {item.unreliable for item in found.attempts[:-1]} == {"kept classes collapse"}


def test_there_is_no_scale_where_the_original_is_not_above_the_zero() -> None:
    attack = ATTACKS[2]
    sides = Reached(before=0.5, after=0.5, other_before=0.8, other_after=0.8)
    found = attempt(attack, sides, replace(sides, after=0.5))
    assert (found.share, found.unreliable) == (None, "the original is not above the retrained model")
    assert attempt(attack, replace(sides, before=0.0), None).unreliable == "the original knows nothing"
    for lost in ("before", "after", "other_before", "other_after"):
        assert attempt(attack, replace(sides, **{lost: None}), None) == Attempt(name=attack.name, share=None)
    assert attempt(attack, sides, replace(sides, after=None)).share is None


@pytest.mark.parametrize("seed", range(5))
def test_shares_stay_in_the_unit_interval_and_grow_with_what_is_found(seed: int) -> None:
    stream = np.random.default_rng(seed)
    after, original, zero = np.sort(stream.random(50)), stream.random(50), stream.random(50)
    for found in (recovered(after, original), recovered(after, original, zero)):
        known = found[~np.isnan(found)]
        assert ((known >= 0) & (known <= 1)).all()
    same = recovered(after, np.full(50, 0.9), np.full(50, 0.1))
    assert (np.diff(same) >= 0).all()


def test_the_interval_is_of_the_maximum_over_the_same_resamples() -> None:
    """Recomputed here from the drawn accuracies of the two attacks that matter, and of the zero-shot answers."""
    names = ("zero-shot", "prototype, 4 images", "int8")
    reaching = dict.fromkeys(EVERY, 0) | dict.fromkeys(names, 9)
    zero = dict.fromkeys(EVERY, 0) | dict.fromkeys(names, 3)
    board = only(swept("lip", reaching) + swept("retrain", zero))
    rows = {name: board.find(name) for name in ("lip", "retrain")}
    drawn = {}
    for name in names:
        attack = next(item for item in ATTACKS if item.name == name)
        samples = {}
        for label, row in rows.items():
            assert row is not None
            samples[label] = {
                key: {"target": images}
                for key, records in row.by_class.items()
                if (images := images_of(records, attack.metric, key[0], attack.target)) is not None
            }
        means = {
            label: np.mean([roles["target"] for roles in datasets.values()], axis=0)
            for label, datasets in resampled_accuracies(samples).items()
        }
        drawn[name] = (means["lip"][1] - means["retrain"][1]) / (means["lip"][0] - means["retrain"][1])
    expected = interval(np.clip(np.max(list(drawn.values()), axis=0), 0, 1))
    found = rows["lip"]
    assert found is not None
    assert found.recovery is not None
    assert expected is not None
    assert found.recovery.interval == expected
    assert found.recovery.share is not None
    assert expected.low < found.recovery.share < expected.high
    assert all(len(item) == RESAMPLES for item in drawn.values())


def test_the_interval_needs_outcomes_and_the_share_does_not() -> None:
    found = recovery(swept("lip", {"pruning": 8}, told=False))
    assert found.share == pytest.approx(0.5)
    assert found.interval is None


def test_a_row_with_a_missing_cell_has_none() -> None:
    records = swept("lip", {"pruning": 8}) + swept("emb", {"pruning": 8})[:-1]
    found = recovery(records, "emb")
    assert (found.share, found.attack) == (None, "")
    assert recovery(records).share == pytest.approx(0.5)


def test_several_seeds_are_averaged_first() -> None:
    low, high = swept("lip", {"pruning": 4}, seeds=(0,)), swept("lip", {"pruning": 8}, seeds=(1,))
    assert recovery(low + high).share == pytest.approx(6 / 16)


def test_boards_without_the_whole_set_are_as_they_were() -> None:
    (board,) = [only(sweep() + identity())]
    assert all(row.recovery is None for row in board.rows)
    assert not is_attacked(board.run)
    assert with_recovery([]) == []
    less = {name: 1 for name in standard_metrics() if name != "pruning"}
    assert not is_attacked(replace(board.run, metrics=less))
    assert is_attacked(replace(board.run, metrics={**METRICS, "seconds": 1}))
    assert sum(map(len, FORGET.values())) == len(board.cells)


def test_the_set_names_metrics_that_there_are_and_no_attack_twice() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names)
    assert standard_metrics()[0] == "accuracy", "what was not forgotten needs no attack"
