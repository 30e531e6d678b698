import csv
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

import unlearn_bench.leaderboards
from tests.metrics.evidence import by_group, dataset_from_predictions, make_evidence, random_dataset
from unlearn_bench.metrics.score import (
    AverageScore,
    ClassAccuracies,
    Pair,
    UndefinedScore,
    average_score,
    class_averaged_score,
    class_averages,
)

PUBLISHED = Path(unlearn_bench.leaderboards.__file__).parent / "reported" / "table1.csv"
OTHERS = ("other", "StanfordCars", "StanfordDogs", "Caltech101", "OxfordFlowers")


def published_rows() -> list[dict[str, str]]:
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def others_of(row: dict[str, str]) -> list[Pair]:
    """The own dataset's column is empty and left out; any other gap is a missing accuracy."""
    names = [name for name in OTHERS if name != row["forget_dataset"]]
    return [(float(row[f"{name}_bf"] or "nan"), float(row[f"{name}_af"] or "nan")) for name in names]


def target_of(row: dict[str, str]) -> Pair:
    return float(row["target_bf"]), float(row["target_af"])


COMPLETE = [row for row in published_rows() if row["avg_score"]]


def test_the_published_table_is_whole() -> None:
    rows = published_rows()
    assert (len(rows), len(COMPLETE)) == (28, 27)
    assert PUBLISHED.read_text(encoding="utf-8").startswith("# Reported, not measured. Source: Alexey Kravets")
    assert {(row["method"], row["forget_dataset"]) for row in rows if not row["avg_score"]} == {
        ("Lip", "StanfordCars")
    }


@pytest.mark.parametrize("row", COMPLETE, ids=lambda row: f"{row['method']}-{row['forget_dataset']}")
def test_published_scores_are_reproduced(row: dict[str, str]) -> None:
    assert len(others_of(row)) == 4
    assert average_score(target=target_of(row), others=others_of(row)) == pytest.approx(
        float(row["avg_score"]), abs=0.001
    )


def test_published_scores_lie_within_the_rounding_of_what_they_are_made_of() -> None:
    half = 0.0005
    for row in COMPLETE:
        target, others = target_of(row), others_of(row)
        least = average_score(
            target=(target[0] + half, max(0.0, target[1] - half)),
            others=[(before - half, after + half) for before, after in others],
        )
        most = average_score(
            target=(target[0] - half, target[1] + half),
            others=[(before + half, max(0.0, after - half)) for before, after in others],
        )
        assert least - half <= float(row["avg_score"]) <= most + half


def test_without_the_clip_eleven_rows_come_out_wrong() -> None:
    def unclipped(target: Pair, others: Sequence[Pair]) -> float:
        terms = [(before - after) / before for before, after in others]
        return (target[1] / target[0] + sum(terms)) / (len(terms) + 1)

    wrong = [
        row for row in COMPLETE if abs(unclipped(target_of(row), others_of(row)) - float(row["avg_score"])) > 0.001
    ]
    assert len(wrong) == 11


def test_the_incomplete_row_has_no_score() -> None:
    row = next(row for row in published_rows() if not row["avg_score"])
    with pytest.raises(UndefinedScore, match=r"others\[2\] lacks an accuracy"):
        average_score(target=target_of(row), others=others_of(row))


def test_by_hand() -> None:
    score = average_score(target=(0.8, 0.2), others=[(0.5, 0.4), (0.6, 0.7), (0.4, 0.0)])
    assert score == pytest.approx((0.25 + 0.2 + 0.0 + 1.0) / 4)


@pytest.mark.parametrize("others", [1, 4, 7])
def test_doing_nothing_scores_one_over_the_number_of_terms(others: int) -> None:
    pairs = [(0.1 + 0.1 * index, 0.1 + 0.1 * index) for index in range(others)]
    assert average_score(target=(0.37, 0.37), others=pairs) == 1 / (others + 1)


def test_perfect_forgetting_scores_nought_and_a_gain_elsewhere_buys_nothing() -> None:
    assert average_score(target=(0.9, 0.0), others=[(0.5, 0.5)]) == 0.0
    assert average_score(target=(0.9, 0.0), others=[(0.5, 0.9)]) == 0.0


def test_a_target_that_got_better_is_not_clipped() -> None:
    assert average_score(target=(0.2, 0.8), others=[(0.5, 0.5)]) == pytest.approx(2.0)


def test_the_scale_of_the_accuracies_does_not_matter() -> None:
    fractions = average_score(target=(0.8, 0.1), others=[(0.5, 0.4)])
    assert average_score(target=(80, 10), others=[(50, 40)]) == pytest.approx(fractions)


@pytest.mark.parametrize(
    ("target", "others", "message"),
    [
        ((0.0, 0.0), [(0.5, 0.5)], "target must be above 0 before"),
        ((0.5, 0.5), [(0.5, 0.5), (0.0, 0.1)], r"others\[1\] must be above 0 before"),
        ((math.nan, 0.5), [(0.5, 0.5)], "target lacks an accuracy"),
        ((0.5, math.nan), [(0.5, 0.5)], "target lacks an accuracy"),
        ((0.5, 0.1), [(0.5, math.nan)], r"others\[0\] lacks an accuracy"),
        ((0.5, 0.1), [(math.inf, 0.1)], r"others\[0\] lacks an accuracy"),
        ((0.5, -0.1), [(0.5, 0.5)], "not negative after"),
        ((0.5, 0.1), [], "at least one accuracy besides the target's"),
    ],
)
def test_undefined_scores_say_why(target: Pair, others: list[Pair], message: str) -> None:
    with pytest.raises(UndefinedScore, match=message):
        average_score(target=target, others=others)
    assert issubclass(UndefinedScore, ValueError)


def test_class_averaged_score_is_a_ratio_of_means() -> None:
    rows = [
        ClassAccuracies(target=(0.8, 0.0), others=((0.5, 0.4), (0.6, 0.6))),
        ClassAccuracies(target=(0.2, 0.2), others=((0.5, 0.6), (0.6, 0.3))),
    ]
    averages = class_averages(rows)
    assert averages.target == (0.5, 0.1)
    assert [pytest.approx(pair) for pair in averages.others] == [(0.5, 0.5), (0.6, 0.45)]
    ratio_of_means = (0.1 / 0.5 + 0.0 + 0.15 / 0.6) / 3
    assert class_averaged_score(rows) == pytest.approx(ratio_of_means)
    own_scores = [average_score(target=row.target, others=row.others) for row in rows]
    assert class_averaged_score(rows) != pytest.approx(sum(own_scores) / 2, abs=0.01)


def test_class_averaged_score_of_one_class_is_its_score() -> None:
    row = ClassAccuracies(target=(0.7, 0.2), others=((0.5, 0.4),))
    assert class_averaged_score([row]) == average_score(target=row.target, others=row.others)


def test_class_averaged_score_bears_a_class_that_was_never_recognised() -> None:
    rows = [
        ClassAccuracies(target=(0.0, 0.0), others=((0.5, 0.5),)),
        ClassAccuracies(target=(0.8, 0.4), others=((0.5, 0.5),)),
    ]
    assert class_averaged_score(rows) == pytest.approx(0.25)


def test_class_averages_refuse_no_rows_and_uneven_rows() -> None:
    with pytest.raises(UndefinedScore, match="at least one class"):
        class_averages([])
    one, two = ((0.5, 0.5),), ((0.5, 0.5), (0.5, 0.5))
    with pytest.raises(UndefinedScore, match=r"different numbers of other accuracies: \[1, 2\]"):
        class_averages([ClassAccuracies(target=(1, 0), others=one), ClassAccuracies(target=(1, 0), others=two)])


def test_a_missing_accuracy_of_one_class_leaves_the_average_without_score() -> None:
    rows = [
        ClassAccuracies(target=(0.5, 0.1), others=((0.5, math.nan),)),
        ClassAccuracies(target=(0.5, 0.1), others=((0.5, 0.5),)),
    ]
    with pytest.raises(UndefinedScore, match="lacks an accuracy"):
        class_averaged_score(rows)


def test_average_score_of_a_run() -> None:
    own = dataset_from_predictions("own", [0, 0, 1, 2], before=[0, 0, 1, 2], after=[1, 0, 1, 1])
    rest = dataset_from_predictions("rest", [0, 1, 2, 3], before=[0, 1, 0, 0], after=[0, 0, 0, 0])
    unrelated = dataset_from_predictions("unrelated", [1], before=[1], after=[0], control=True)
    found = by_group(AverageScore(), make_evidence(own, rest, unrelated))
    item = found["own", "all"]
    assert len(found) == 1
    assert item.before is None
    assert item.after == pytest.approx((0.5 + 0.5 + 0.5) / 3)
    assert item.n == 3


@pytest.mark.parametrize(
    ("labels", "before"),
    [([0, 0], [0, 0]), ([1, 2], [1, 2]), ([0, 1], [1, 1]), ([0, 1], [0, 2])],
    ids=["no other images", "no target images", "target never right", "others never right"],
)
def test_average_score_of_a_run_is_a_gap_where_undefined(labels: list[int], before: list[int]) -> None:
    own = dataset_from_predictions("own", labels, before=before, after=before)
    assert by_group(AverageScore(), make_evidence(own))["own", "all"].after is None


def test_an_empty_dataset_leaves_no_score_rather_than_a_nought() -> None:
    own = dataset_from_predictions("own", [0, 1], before=[0, 1], after=[1, 1])
    empty = random_dataset("empty", [], 4)
    item = by_group(AverageScore(), make_evidence(own, empty))["own", "all"]
    assert (item.after, item.n) == (None, 3)
