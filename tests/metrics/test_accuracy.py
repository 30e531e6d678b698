import pytest
import torch

from tests.metrics.evidence import (
    by_group,
    dataset_from_predictions,
    make_evidence,
    random_dataset,
    random_evidence,
)
from unlearn_bench.errors import CellFailure
from unlearn_bench.metrics.accuracy import Accuracy
from unlearn_bench.metrics.base import DatasetEvidence, Embedded
from unlearn_bench.metrics.shared.outcomes import unpack


def test_groups_by_hand() -> None:
    own = dataset_from_predictions("own", [0, 0, 0, 1, 2], before=[0, 0, 1, 1, 0], after=[1, 2, 0, 1, 2])
    rest = dataset_from_predictions("rest", [3, 3], before=[3, 0], after=[3, 3])
    unrelated = dataset_from_predictions("unrelated", [1], before=[1], after=[0], control=True)
    found = by_group(Accuracy(), make_evidence(own, rest, unrelated))
    sides = {key: (item.before, item.after, item.n) for key, item in found.items()}
    assert sides == {
        ("own", "target"): (2 / 3, 1 / 3, 3),
        ("own", "other"): (0.5, 1.0, 2),
        ("rest", "all"): (0.5, 1.0, 2),
        ("unrelated", "control"): (1.0, 0.0, 1),
    }
    assert list(sides) == [("own", "target"), ("own", "other"), ("rest", "all"), ("unrelated", "control")]


def test_several_forget_classes_weigh_alike() -> None:
    own = dataset_from_predictions("own", [0, 1, 1, 1, 1], before=[0, 1, 0, 0, 0], after=[0, 0, 0, 0, 0])
    target = by_group(Accuracy(), make_evidence(own, forget=(0, 1)))["own", "target"]
    assert (target.before, target.after, target.n) == ((1 + 0.25) / 2, 0.5, 5)


def test_the_forgotten_class_stays_a_candidate_for_the_others() -> None:
    own = dataset_from_predictions("own", [0, 1, 2], before=[0, 1, 2], after=[0, 0, 2])
    assert by_group(Accuracy(), make_evidence(own))["own", "other"].after == 0.5


def test_outcomes_are_the_images_in_the_datasets_order() -> None:
    own = dataset_from_predictions("own", [1, 0, 1, 2], before=[1, 0, 0, 2], after=[3, 0, 1, 1])
    found = by_group(Accuracy(), make_evidence(own, forget=(1, 0)))
    target, other = found["own", "target"], found["own", "other"]
    assert [side.tolist() for side in unpack(target.outcomes, target.n)] == [
        [True, True, False],
        [False, True, True],
    ]
    assert [side.tolist() for side in unpack(other.outcomes, other.n)] == [[True], [False]]


@pytest.mark.parametrize("seed", range(3))
def test_random_evidence_against_a_loop(seed: int) -> None:
    evidence = random_evidence(seed)
    found = by_group(Accuracy(), evidence)

    def recall(dataset: DatasetEvidence, side: Embedded, classes: set[int]) -> float:
        right = total = 0
        for image, label in zip(side.images, dataset.labels.tolist(), strict=True):
            if label in classes:
                total += 1
                right += int((side.texts @ image).argmax()) == label
        return right / total

    own = evidence.own
    for side, name in ((own.before, "before"), (own.after, "after")):
        recalls = [recall(own, side, {label}) for label in (1, 3)]
        assert getattr(found["own", "target"], name) == pytest.approx(sum(recalls) / 2)
        assert getattr(found["own", "other"], name) == pytest.approx(recall(own, side, {0, 2, 4}))
    third = evidence.datasets["third"]
    assert found["third", "all"].after == pytest.approx(recall(third, third.after, {0, 1, 2}))
    for item in found.values():
        if item.group != "target":
            before, after = unpack(item.outcomes, item.n)
            assert (item.before, item.after) == (before.mean(), after.mean())


def test_a_group_without_images_is_a_gap() -> None:
    own = random_dataset("own", [0, 0], 2)
    empty = random_dataset("empty", [], 3)
    found = by_group(Accuracy(), make_evidence(own, empty))
    for key in (("own", "other"), ("empty", "all")):
        assert (found[key].before, found[key].after, found[key].n, found[key].outcomes) == (None, None, 0, "")
    assert found["own", "target"].n == 2


def test_a_forget_class_without_images_leaves_the_target_a_gap() -> None:
    target = by_group(Accuracy(), make_evidence(random_dataset("own", [0, 0, 2], 3), forget=(0, 1)))
    item = target["own", "target"]
    assert (item.before, item.after, item.outcomes) == (None, None, "")


def test_embeddings_that_are_not_finite_fail_the_cell() -> None:
    own = random_dataset("own", [0, 1], 2)
    own.after.images[0, 0] = torch.nan
    with pytest.raises(CellFailure, match="not finite"):
        Accuracy().measure(make_evidence(own))
