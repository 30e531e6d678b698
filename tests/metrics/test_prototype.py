"""Nearest class means: against loops, on embeddings that hide a name or lose a class, and parted by domain."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from tests.metrics.test_parted_audits import FORGET, nearest_of_own_domain, parted_evidence, recall
from unlearn_bench.errors import CellFailure
from unlearn_bench.metrics.base import Embedded
from unlearn_bench.metrics.prototype import Prototype, nearest_mean
from unlearn_bench.metrics.shared.shots import SHOTS, few


def cosine(one: list[float], two: list[float]) -> float:
    product = sum(a * b for a, b in zip(one, two, strict=True))
    return float(product / (sum(a * a for a in one) * sum(b * b for b in two)) ** 0.5)


def scores(seen: Embedded, labels: Tensor, shown: Embedded, classes: int) -> list[list[float]]:
    """By loops: each shown image's cosine with the mean of each class's images."""
    means = []
    for label in range(classes):
        mine = [row for row, own in zip(seen.images.tolist(), labels.tolist(), strict=True) if own == label]
        means.append([sum(column) / len(mine) for column in zip(*mine, strict=True)])
    return [[cosine(image, mean) for mean in means] for image in shown.images.tolist()]


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_nearest_mean_of_few_images(seed: int) -> None:
    evidence = random_evidence(seed)
    own, train, labels = evidence.own, evidence.train, evidence.own.labels.tolist()
    assert train is not None
    found = by_group(Prototype(), evidence)
    for shots in SHOTS:
        rows = few(train.labels, shots, "own", seed)
        for side in ("before", "after"):
            seen, shown = getattr(train, side).at(rows), getattr(own, side)
            table = scores(seen, train.labels[rows], shown, len(own.class_names))
            guesses = [max(range(len(row)), key=row.__getitem__) for row in table]
            kept = [guess == label for guess, label in zip(guesses, labels, strict=True) if label not in (1, 3)]
            target, other = (found["own", f"shots@{shots}/{group}"] for group in ("target", "other"))
            assert getattr(target, side) == pytest.approx(recall(guesses, labels, (1, 3)))
            assert getattr(other, side) == pytest.approx(sum(kept) / len(kept))


def test_a_class_is_compared_within_its_domain() -> None:
    evidence = parted_evidence(0)
    train, own, labels = evidence.train, evidence.own, evidence.own.labels.tolist()
    assert train is not None
    rows = few(train.labels, 4, "own", 0)
    table = torch.tensor(scores(train.after.at(rows), train.labels[rows], own.after, 6))
    found = by_group(Prototype(), evidence)["own", "shots@4/target"].after
    assert found == pytest.approx(recall(nearest_of_own_domain(table, labels), labels, FORGET))


def test_a_name_that_leads_elsewhere_hides_nothing_and_a_merged_class_is_gone() -> None:
    labels, axes = torch.tensor([0, 1, 2] * 6), torch.eye(3)
    whole, merged = (Embedded(images=images[labels], texts=axes.flip(0)) for images in (axes, axes[[1, 1, 2]]))
    blank = random_dataset("own", labels.tolist(), 3)
    for after, target in ((whole, 1.0), (merged, 0.0)):
        own = replace(blank, before=replace(whole, texts=axes), after=after)
        # Of equal means the first wins, so the class whose images were moved is the last of the two.
        found = by_group(Prototype(), replace(make_evidence(own, forget=(1,)), train=own))
        for shots in SHOTS:
            item = found["own", f"shots@{shots}/target"]
            assert (item.before, item.after, item.n) == (1.0, target, 6)


def test_a_class_without_training_images_is_no_candidate() -> None:
    seen = Embedded(images=torch.eye(3)[[0, 2]], texts=torch.eye(3))
    shown = Embedded(images=torch.tensor([[0.1, 1.0, 0.5], [1.0, 0.0, 0.0]]), texts=torch.eye(3))
    assert nearest_mean(seen, torch.tensor([0, 2]), shown).tolist() == [2, 0]


def test_gaps_without_images_of_the_target_or_of_a_second_class() -> None:
    evidence = random_evidence(1)
    for labels in ([0, 1, 2, 2], [1, 1], []):  # class 3 is missing; one class; none
        train = random_dataset("own", labels, 5)
        for item in Prototype().measure(replace(evidence, train=train)):
            assert (item.before, item.after) == (None, None)


def test_embeddings_that_are_not_finite_fail_the_cell() -> None:
    evidence = random_evidence(2)
    evidence.own.after.images[0, 0] = torch.nan
    with pytest.raises(CellFailure, match="not finite"):
        Prototype().measure(evidence)
