"""Intervals against what is known analytically."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from unlearn_bench.leaderboards.statistics.intervals import (
    Floats,
    Images,
    Interval,
    Samples,
    interval,
    resampled_accuracies,
    resampled_class_accuracies,
    resampled_class_means,
    scores,
)
from unlearn_bench.metrics.score import average_score


def images(n: int, before: int, after: int, seeds: int = 1) -> Images:
    order = np.arange(n)
    return Images(
        before=(order < before).astype(np.int64) * seeds, after=(order < after).astype(np.int64) * seeds, seeds=seeds
    )


def resampled_scores(rows: Mapping[str, Samples], *, resamples: int = 1000) -> dict[str, dict[str, Floats]]:
    """What a leaderboard makes of the resampled accuracies."""
    return {
        label: {dataset: scores(*np.stack(list(roles.values()), axis=1)) for dataset, roles in found.items()}
        for label, found in resampled_accuracies(rows, resamples=resamples).items()
    }


def drawn(target: Images, *others: Images, resamples: int = 4000) -> Floats:
    groups = {"target": target, **{f"d{number}": item for number, item in enumerate(others)}}
    return resampled_scores({"m": {("own", ("a",)): groups}}, resamples=resamples)["m"]["own"]


def test_the_formula_is_the_metric_s() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        before, after = generator.uniform(0.05, 1, size=(2, 5))
        expected = average_score(target=(before[0], after[0]), others=list(zip(before[1:], after[1:], strict=True)))
        assert float(scores(before, after)) == pytest.approx(expected, abs=1e-12)


def test_the_formula_by_hand_for_many_at_once() -> None:
    before = np.array([[0.5, 0.4], [0.8, 0.8]])
    after = np.array([[0.1, 0.4], [0.6, 0.9]])
    assert scores(before, after).tolist() == pytest.approx([(0.2 + 0.25) / 2, (1.0 + 0.0) / 2])


@pytest.mark.parametrize("side", [0, 1])
def test_nothing_right_before_is_undefined(side: int) -> None:
    before = np.array([0.5, 0.5])
    before[side] = 0.0
    assert math.isnan(float(scores(before, np.array([0.1, 0.1]))))
    before[side] = np.nan
    assert math.isnan(float(scores(before, np.array([0.1, 0.1]))))


def test_doing_nothing_has_no_width() -> None:
    found = drawn(images(30, 20, 20), images(40, 30, 30), images(50, 10, 10), images(50, 49, 49), images(9, 8, 8))
    assert np.abs(found - 0.2).max() < 1e-15


def test_a_binomial_has_its_width() -> None:
    # All right before, a third after, nothing lost elsewhere: the score is half of a binomial share.
    n = 300
    found = drawn(images(n, n, n // 3), images(50, 50, 50))
    share = 1 / 3
    deviation = math.sqrt(share * (1 - share) / n) / 2
    assert found.mean() == pytest.approx(share / 2, abs=4 * deviation / math.sqrt(len(found)))
    assert found.std() == pytest.approx(deviation, rel=0.05)
    width = interval(found)
    assert width is not None
    assert width.high - width.low == pytest.approx(2 * 1.96 * deviation, rel=0.08)


def test_a_paired_ratio_is_narrower_than_an_unpaired_one() -> None:
    # Before, 100 of 200; after, 90 of the same: only the 10 lost images are uncertain.
    n, before, after = 200, 100, 90
    found = drawn(images(n, n, 0), images(n, before, after)) * 2  # the loss (BF - AF) / BF alone
    lost = (before - after) / before
    deviation = math.sqrt(lost * (1 - lost) / before)  # of a share among those that were right before
    assert found.std() == pytest.approx(deviation, rel=0.1)


def test_classes_are_resampled_too() -> None:
    # Two classes without any uncertainty in images, AF/BF of 0 and 1: the mean of two draws is 0, 1/2 or 1.
    certain = images(10, 10, 10)
    found = resampled_scores(
        {
            "m": {
                ("own", ("a",)): {"target": images(10, 10, 0), "other": certain},
                ("own", ("b",)): {"target": certain, "other": certain},
            }
        },
        resamples=4000,
    )["m"]["own"]
    values, counts = np.unique(found, return_counts=True)
    assert values.tolist() == [0.0, 0.25, 0.5]
    assert (counts / 4000).tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_equal_methods_differ_by_nothing_in_every_resample() -> None:
    groups = {"target": images(30, 20, 3), "other": images(40, 30, 28), "elsewhere": images(50, 20, 19)}
    found = resampled_scores({"a": {("own", ("x",)): groups}, "b": {("own", ("x",)): dict(groups)}})
    assert (found["a"]["own"] == found["b"]["own"]).all()
    assert found["a"]["own"].std() > 0


def test_draws_do_not_depend_on_who_else_is_there() -> None:
    mine: Samples = {("own", ("x",)): {"target": images(30, 20, 3), "other": images(40, 30, 28)}}
    theirs: Samples = {("own", ("x",)): {"target": images(30, 20, 9), "other": images(40, 30, 1)}}
    alone = resampled_scores({"a": mine})["a"]["own"]
    assert (resampled_scores({"z": theirs, "a": mine})["a"]["own"] == alone).all()


def test_an_image_set_is_drawn_alike_whatever_was_forgotten() -> None:
    shared = images(50, 40, 20)
    target = images(10, 10, 0)
    found = resampled_scores(
        {"m": {("a", ("x",)): {"target": target, "c": shared}, ("b", ("y",)): {"target": target, "c": shared}}}
    )["m"]
    assert (found["a"] == found["b"]).all()


def test_seeds_are_averaged_image_by_image() -> None:
    one = images(30, 20, 5)
    three = Images(before=one.before * 3, after=one.after * 3, seeds=3)
    other = images(20, 15, 14)
    assert drawn(three, other).tolist() == drawn(one, other).tolist()


def test_large_sets_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = drawn(images(30, 20, 5), images(20, 15, 14), resamples=50)
    monkeypatch.setattr("unlearn_bench.leaderboards.statistics.intervals._CHUNK", 64)
    parts = drawn(images(30, 20, 5), images(20, 15, 14), resamples=50)
    assert len(parts) == 50
    assert parts.tolist() == whole.tolist()


def test_an_interval_holds_the_middle_of_the_draws() -> None:
    assert interval(np.arange(1001, dtype=np.float64)) == Interval(low=25.0, high=975.0)
    assert interval(None) is None
    assert interval(np.full(10, np.nan)) is None
    assert interval(np.array([1.0, 1.0, np.nan])) == Interval(low=1.0, high=1.0)
    assert interval(np.array([1.0, np.nan, np.nan])) is None
    assert 0.0 in Interval(low=-1, high=0.0)
    assert 0.1 not in Interval(low=-1, high=0.0)


def test_no_images_give_no_interval() -> None:
    assert interval(drawn(images(0, 0, 0), images(10, 10, 10))) is None


def test_accuracies_are_what_scores_are_made_of() -> None:
    groups = {"other": images(40, 30, 28), "target": images(20, 16, 4), "planets": images(50, 45, 44)}
    rows: dict[str, Samples] = {"m": {("own", ("a",)): groups, ("own", ("b",)): groups}}
    found = resampled_accuracies(rows, resamples=200)["m"]["own"]
    assert list(found) == ["target", "other", "planets"]
    sides = [np.stack([found[role][side] for role in found]) for side in (0, 1)]
    assert (scores(*sides) == resampled_scores(rows, resamples=200)["m"]["own"]).all()
    assert found["target"].shape == (2, 200)
    assert found["planets"][0].mean() == pytest.approx(0.9, abs=0.01)


def test_a_class_s_accuracies_are_those_of_its_dataset_if_it_is_the_only_one() -> None:
    groups = {"target": images(20, 16, 4), "other": images(40, 30, 28)}
    rows: dict[str, Samples] = {"m": {("own", ("a",)): groups}}
    by_class = resampled_class_accuracies(rows, resamples=100)["m"]["own", ("a",)]
    by_dataset = resampled_accuracies(rows, resamples=100)["m"]["own"]
    assert list(by_class) == list(by_dataset) == ["target", "other"]
    assert all((by_class[role] == by_dataset[role]).all() for role in by_class)


def test_a_class_s_accuracies_vary_with_its_images_alone() -> None:
    certain, half = images(200, 200, 200), images(200, 200, 100)
    rows: dict[str, Samples] = {
        "m": {("own", ("a",)): {"target": certain, "other": half}, ("own", ("b",)): {"target": half, "other": half}}
    }
    found = resampled_class_accuracies(rows, resamples=4000)["m"]
    assert np.ptp(found["own", ("a",)]["target"]) == 0  # its dataset's, with b drawn or not, would move
    assert found["own", ("b",)]["target"][1].std() == pytest.approx(math.sqrt(0.25 / 200), rel=0.05)
    assert np.ptp(resampled_accuracies(rows)["m"]["own"]["target"][1]) > 0.4


def test_class_means_have_the_width_of_drawn_classes() -> None:
    found = resampled_class_means({"one": [0.0, 1.0, 0.5], "two": [0.2, 0.2, 0.2]}, resamples=4000)
    assert found.shape == (4000,)
    assert found.mean() == pytest.approx((0.5 + 0.2) / 2, abs=0.01)
    # The mean of three draws from (0, 1, .5) has variance 1/6 / 3; half of it enters the mean of two datasets.
    assert found.std() == pytest.approx(math.sqrt(1 / 18) / 2, rel=0.05)
    same = resampled_class_means({"two": [0.2, 0.2, 0.2]})
    assert np.ptp(same) == pytest.approx(0)
