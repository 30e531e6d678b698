"""Collateral: which classes are near, and what they and the others lose."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from unlearn_bench.metrics.base import DatasetEvidence, Embedded
from unlearn_bench.metrics.neighbours import NEIGHBOURS, Neighbours, nearest

ANGLES = (0.0, 10.0, -20.0, 40.0, 90.0, 180.0)  # of six class texts in a plane; class 0 is forgotten


def plane(labels: list[int], after: list[int]) -> DatasetEvidence:
    """Before, every image lies on its own text; after, on the text of `after`."""
    angles = torch.tensor(ANGLES).deg2rad()
    texts = torch.stack([angles.cos(), angles.sin()], dim=1)
    blank = random_dataset("own", labels, len(ANGLES))
    return replace(
        blank,
        before=Embedded(images=texts[labels], texts=texts),
        after=Embedded(images=texts[after], texts=texts),
    )


def test_by_hand() -> None:
    labels = [0, 1, 1, 1, 1, 2, 3, 4, 5, 5]
    own = plane(labels, after=[5, 1, 1, 1, 0, 2, 4, 4, 5, 0])
    found = by_group(Neighbours(), make_evidence(own))
    assert [group for _, group in found] == ["near", "rest", "near/own 1", "near/own 2", "near/own 3"]
    near, rest = found["own", "near"], found["own", "rest"]
    assert (near.before, near.n, rest.before, rest.n) == (1.0, 6, 1.0, 3)
    assert near.after == pytest.approx((0.75 + 1 + 0) / 3)  # a class counts once
    assert rest.after == pytest.approx((1 + 0.5) / 2)
    assert (found["own", "near/own 1"].after, found["own", "near/own 1"].n) == (0.75, 4)
    assert found["own", "near/own 3"].after == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_near_are_the_kept_classes_closest_to_any_target_by_the_original_texts(seed: int) -> None:
    evidence = random_evidence(seed)
    texts = evidence.own.before.texts
    kept = [label for label in range(len(texts)) if label not in evidence.forget]
    close = {label: max(float(texts[label] @ texts[target]) for target in evidence.forget) for label in kept}
    ranked = sorted(kept, key=lambda label: -close[label])
    near, rest = nearest(evidence)
    assert near == ranked[:NEIGHBOURS]
    assert rest == sorted(ranked[NEIGHBOURS:])
    moved = replace(evidence.own.after, texts=normalize(torch.randn(texts.shape), dim=-1))
    changed = replace(evidence, datasets={**evidence.datasets, "own": replace(evidence.own, after=moved)})
    assert nearest(changed) == (near, rest)


def test_equally_close_classes_are_taken_in_the_order_of_the_dataset() -> None:
    own = random_dataset("own", [0, 1, 2, 3, 4], 5)
    same = replace(own.before, texts=torch.eye(6)[:5])
    assert nearest(make_evidence(replace(own, before=same), forget=(2,))) == ([0, 1, 3], [4])


def test_without_other_classes_there_is_a_gap() -> None:
    own = random_dataset("own", [0, 0, 1], 2)
    found = by_group(Neighbours(), make_evidence(own))
    assert found["own", "near"].after is not None
    assert (found["own", "rest"].after, found["own", "rest"].n) == (None, 0)
