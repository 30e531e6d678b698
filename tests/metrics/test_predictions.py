import math

import pytest
import torch

from tests.metrics.evidence import (
    by_group,
    dataset_from_predictions,
    make_evidence,
    random_dataset,
    random_evidence,
)
from unlearn_bench.metrics.accuracy import Accuracy
from unlearn_bench.metrics.base import DatasetEvidence, Embedded, Measurement
from unlearn_bench.metrics.predictions import MOST, Predictions

ANGLES = (0.0, 20.0, 60.0, 180.0)


def compass(before: list[int], after: list[int], labels: list[int]) -> DatasetEvidence:
    """Four classes at angles 0, 20, 60 and 180 degrees; each image lies on its predicted class."""
    radians = [math.radians(angle) for angle in ANGLES]
    texts = torch.tensor([[math.cos(angle), math.sin(angle)] for angle in radians])
    return DatasetEvidence(
        name="own",
        class_names=("a", "b", "c", "d"),
        labels=torch.tensor(labels),
        domains=(),
        control=False,
        before=Embedded(images=texts[before], texts=texts),
        after=Embedded(images=texts[after], texts=texts),
    )


def distance(one: int, two: int) -> float:
    return 1 - math.cos(math.radians(ANGLES[one] - ANGLES[two]))


def sides(item: Measurement) -> tuple[float | None, float | None]:
    return item.before, item.after


def test_by_hand() -> None:
    own = compass(before=[0, 0, 0, 1, 3], after=[1, 1, 2, 0, 3], labels=[0, 0, 0, 0, 3])
    found = by_group(Predictions(), make_evidence(own))
    close = pytest.approx
    assert {group: sides(item) for (_, group), item in found.items()} == {
        "share/a": (0.75, 0.25),
        "distance/a": (0.0, 0.0),
        "share/b": (0.25, 0.5),
        "distance/b": (close(distance(0, 1), abs=1e-6), close(distance(0, 1), abs=1e-6)),
        "share/c": (0.0, 0.25),
        "distance/c": (close(0.5, abs=1e-6), close(0.5, abs=1e-6)),
        "mean-distance": (
            close(distance(0, 1) / 4, abs=1e-6),
            close((2 * distance(0, 1) + 0.5) / 4, abs=1e-6),
        ),
        "wrong-distance": (
            close(distance(0, 1), abs=1e-6),
            close((2 * distance(0, 1) + 0.5) / 3, abs=1e-6),
        ),
        "chance-distance": (
            close((distance(0, 1) + 0.5 + 2) / 3, abs=1e-6),
            close((distance(0, 1) + 0.5 + 2) / 3, abs=1e-6),
        ),
    }
    assert {item.n for (_, group), item in found.items() if group != "chance-distance"} == {4}
    assert found["own", "chance-distance"].n == 3
    assert [group for _, group in found][:5:2] == ["share/a", "share/b", "share/c"]  # most frequent before first


def test_distances_are_those_of_the_original_texts() -> None:
    own = compass(before=[0], after=[1], labels=[0])
    turned = Embedded(images=own.after.images, texts=own.after.texts.roll(1, dims=0))  # text c is now at c - 1
    evidence = make_evidence(DatasetEvidence(**{**vars(own), "after": turned}))
    found = by_group(Predictions(), evidence)
    assert sides(found["own", "share/c"]) == (0.0, 1.0)
    assert found["own", "distance/c"].after == pytest.approx(0.5, abs=1e-6)


def test_of_several_classes_the_nearest_counts_for_a_class_and_each_image_has_its_own() -> None:
    own = compass(before=[0, 3, 3, 3], after=[2, 3, 3, 2], labels=[0, 3, 3, 3])
    found = by_group(Predictions(), make_evidence(own, forget=(0, 3)))
    assert found["own", "distance/c"].after == pytest.approx(0.5, abs=1e-6)  # 60 degrees to a, 120 to d
    assert sides(found["own", "distance/d"]) == (0.0, 0.0)
    assert sides(found["own", "share/c"]) == (0.0, 0.5)
    # class a: its image is .5 away; class d: one of three is 1.5 away
    assert found["own", "mean-distance"].after == pytest.approx((0.5 + 0.5) / 2, abs=1e-6)
    assert found["own", "wrong-distance"].after == pytest.approx((0.5 + 1.5) / 2, abs=1e-6)
    assert found["own", "wrong-distance"].before is None


def test_nothing_wrong_is_a_gap() -> None:
    own = compass(before=[0, 0], after=[0, 0], labels=[0, 0])
    found = by_group(Predictions(), make_evidence(own))
    assert sides(found["own", "wrong-distance"]) == (None, None)
    assert sides(found["own", "mean-distance"]) == (0.0, 0.0)


def test_shares_of_the_target_class_are_its_accuracy() -> None:
    own = dataset_from_predictions("own", [0, 0, 0, 1], before=[0, 0, 2, 1], after=[0, 3, 3, 1])
    evidence = make_evidence(own)
    target = by_group(Accuracy(), evidence)["own", "target"]
    assert sides(by_group(Predictions(), evidence)["own", "share/a"]) == sides(target)


def test_at_most_five_classes_a_side_ties_in_the_dataset_s_order() -> None:
    axes = torch.eye(12)
    labels = torch.zeros(12, dtype=torch.int64)
    own = DatasetEvidence(
        name="own",
        class_names=tuple(f"class {index}" for index in range(12)),
        labels=labels,
        domains=(),
        control=False,
        before=Embedded(images=axes, texts=axes),
        after=Embedded(images=axes[[11, 11, 10, 10, 9, 9, 8, 8, 7, 7, 1, 0]], texts=axes),
    )
    groups = [group for _, group in by_group(Predictions(), make_evidence(own)) if group.startswith("share/")]
    before = [f"share/class {index}" for index in range(MOST)]
    assert groups == [*before, *(f"share/class {index}" for index in (7, 8, 9, 10, 11))]


@pytest.mark.parametrize("seed", range(5))
def test_named_shares_against_a_loop(seed: int) -> None:
    evidence = random_evidence(seed)
    own = evidence.own
    found = by_group(Predictions(), evidence)
    for name in ("before", "after"):
        side: Embedded = getattr(own, name)
        taken = [
            max(range(len(side.texts)), key=lambda label: float(image @ side.texts[label]))
            for image, label in zip(side.images, own.labels.tolist(), strict=True)
            if label in evidence.forget
        ]
        for label in set(taken):
            share = found["own", f"share/{own.class_names[label]}"]
            assert getattr(share, name) == pytest.approx(taken.count(label) / len(taken))
            assert share.n == len(taken)


def test_the_target_without_images_is_a_gap() -> None:
    found = Predictions().measure(make_evidence(random_dataset("own", [1, 2], 3)))
    assert {item.group for item in found} == {"mean-distance", "wrong-distance", "chance-distance"}
    assert {sides(item) for item in found} == {(None, None)}


def test_a_dataset_of_one_class_has_no_chance_level() -> None:
    found = by_group(Predictions(), make_evidence(random_dataset("own", [0, 0], 1)))
    assert sides(found["own", "chance-distance"]) == (None, None)
    assert sides(found["own", "mean-distance"]) == (0.0, 0.0)
