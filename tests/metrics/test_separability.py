"""Membership: the AUC against counting all pairs, and what over-forgetting the given images looks like."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from unlearn_bench.metrics.base import DatasetEvidence, Embedded
from unlearn_bench.metrics.separability import Separability


def counted(seen: list[float], shown: list[float]) -> float:
    """Share of pairs in which the training image has more confidence; a tie counts half."""
    pairs = list(product(seen, shown))
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


def confidence(dataset: DatasetEvidence, side: str, label: int, scale: float) -> list[float]:
    own: Embedded = getattr(dataset, side)
    logits = scale * (own.images.double() @ own.texts.double().T)
    chances = torch.exp(logits) / torch.exp(logits).sum(dim=1, keepdim=True)
    return [float(row[label]) for row, mark in zip(chances, dataset.labels.tolist(), strict=True) if mark == label]


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_share_of_pairs(seed: int) -> None:
    evidence = replace(random_evidence(seed), logit_scale=5.0)
    train, own = evidence.train, evidence.own
    assert train is not None
    found = by_group(Separability(), evidence)
    for group, classes in (("target", [1, 3]), ("other", [0, 2, 4])):
        for side in ("before", "after"):
            each = [
                counted(confidence(train, side, label, 5.0), confidence(own, side, label, 5.0)) for label in classes
            ]
            assert getattr(found["own", group], side) == pytest.approx(sum(each) / len(each))
            gaps = [abs(auc - 0.5) for auc in each]
            assert getattr(found["own", f"{group}-gap"], side) == pytest.approx(sum(gaps) / len(gaps))


def two_classes(on_own_text: Tensor) -> DatasetEvidence:
    """Images of class 0 whose cosine with their text is given, and one of class 1 on its own."""
    texts = torch.eye(2)
    images = torch.stack([on_own_text, (1 - on_own_text**2).sqrt()], dim=1)
    images = torch.cat([images, texts[1:]])
    blank = random_dataset("own", [0] * len(on_own_text) + [1], 2)
    side = Embedded(images=images, texts=texts)
    return replace(blank, before=side, after=side)


def test_by_hand() -> None:
    own = two_classes(torch.tensor([0.2, 0.4]))
    for given, auc in (([0.3, 0.5], 0.75), ([0.1, 0.1], 0.0), ([0.2, 0.4], 0.5), ([0.9, 0.8], 1.0)):
        train = two_classes(torch.tensor(given))
        found = by_group(Separability(), replace(make_evidence(own, logit_scale=1.0), train=train))
        assert found["own", "target"].after == pytest.approx(auc)
        assert found["own", "target-gap"].after == pytest.approx(abs(auc - 0.5))
        assert found["own", "other"].after == 0.5  # one image on each side, equally sure
        assert found["own", "other-gap"].after == 0.0
        assert found["own", "target"].n == 2


def test_a_class_without_training_images_is_a_gap() -> None:
    evidence = random_evidence(0)
    train = random_dataset("own", [0, 2, 4, 1], 5)
    found = by_group(Separability(), replace(evidence, train=train))
    for group in ("target", "target-gap"):
        assert (found["own", group].before, found["own", group].after) == (None, None)
    assert found["own", "other"].after is not None
