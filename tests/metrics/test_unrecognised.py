"""Image-from-image precision of the classes that the original model never names."""

import pytest
import torch

from tests.metrics.evidence import by_group, dataset_from_predictions, make_evidence, random_evidence
from unlearn_bench.metrics.base import Evidence
from unlearn_bench.metrics.unrecognised import UnrecognisedRetrieval, never_named


def precision(evidence: Evidence, side: str, query: tuple[str, int, int], k: int) -> float:
    """By a plain sort: the share of the k nearest other images of the pool that show the same class."""
    name, label, index = query
    shown = [
        (other, int(mark), row)
        for other, dataset in evidence.datasets.items()
        if not dataset.control or other == evidence.dataset
        for mark, row in zip(dataset.labels, getattr(dataset, side).images, strict=True)
    ]
    place = [number for number, item in enumerate(shown) if item[:2] == (name, label)][index]
    image = shown[place][2]
    rest = [item for number, item in enumerate(shown) if number != place]
    ranked = sorted(rest, key=lambda item: -float(item[2] @ image))
    return sum(item[:2] == (name, label) for item in ranked[:k]) / k


def test_it_is_the_plain_sort_over_the_images_of_these_classes() -> None:
    assert sum(compare(random_evidence(seed)) for seed in range(6)) > 10, "hardly anything was compared"


def compare(evidence: Evidence) -> int:
    found = by_group(UnrecognisedRetrieval(), evidence)
    looked = 0
    for name, dataset in evidence.datasets.items():
        if dataset.control:
            assert (name, "classes") not in found
            continue
        named = (dataset.before.images @ dataset.before.texts.T).argmax(1)
        labels = dataset.labels.tolist()
        missed = [
            label
            for label in sorted(set(labels))
            if not any(a == b == label for a, b in zip(named.tolist(), labels, strict=True))
        ]
        share = found[name, "classes"]
        assert share.n == len(set(labels))
        assert share.before == pytest.approx(len(missed) / len(set(labels)))
        queries = [
            (label, index) for label in missed for index in range(labels.count(label)) if labels.count(label) > 1
        ]
        looked += len(queries)
        for k in (1, 5, 10):
            item = found[name, f"ifi@{k}"]
            assert item.n == len(queries)
            for side in ("before", "after"):
                expected = [precision(evidence, side, (name, label, index), k) for label, index in queries]
                value = getattr(item, side)
                assert value == (pytest.approx(sum(expected) / len(expected)) if expected else None)
    return looked


def test_by_hand() -> None:
    """Class 1's two images lie together but are called 2: never named, and found by each other."""
    own = dataset_from_predictions("own", [0, 0, 1, 1, 3], before=[0, 1, 2, 2, 3], after=[3, 3, 2, 0, 3])
    found = by_group(UnrecognisedRetrieval(), make_evidence(own))
    assert found["own", "classes"].n == 3
    assert found["own", "classes"].before == pytest.approx(1 / 3)
    assert found["own", "classes"].after == pytest.approx(2 / 3)
    one = found["own", "ifi@1"]
    assert (one.before, one.n) == (1.0, 2)
    assert one.after == pytest.approx(0.25)  # after, all others are equally far: chance, one of four
    assert found["own", "ifi@5"].before is None  # the gallery of a query holds four images


def test_a_model_that_names_every_class_leaves_nothing_to_ask() -> None:
    own = dataset_from_predictions("own", [0, 1, 2, 3], before=[0, 1, 2, 3], after=[0, 0, 0, 0])
    found = by_group(UnrecognisedRetrieval(), make_evidence(own))
    assert (found["own", "classes"].before, found["own", "classes"].after) == (0.0, 0.75)
    assert (found["own", "ifi@1"].before, found["own", "ifi@1"].n) == (None, 0)


def test_never_named_counts_classes_with_images_only() -> None:
    predicted, labels = torch.tensor([1, 4, 0, 2]), torch.tensor([1, 1, 3, 2])
    assert never_named(predicted, labels).tolist() == [3]
    assert never_named(labels, labels).tolist() == []
