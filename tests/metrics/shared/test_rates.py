"""Rates of the target and of the others, with what each image of the target came to."""

import pytest
import torch

from tests.metrics.evidence import make_evidence, random_dataset
from unlearn_bench.metrics.prototype import Prototype
from unlearn_bench.metrics.shared.outcomes import unpack
from unlearn_bench.metrics.shared.rates import rates, told

LABELS = [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
EVIDENCE = make_evidence(random_dataset("own", LABELS, 3), forget=(0, 1))


def test_recalls_of_forget_classes_are_averaged_and_outcomes_are_the_targets() -> None:
    before = torch.tensor([1, 1, 1, 0, 0, 0, 1, 1, 1, 0], dtype=torch.bool)
    after = torch.tensor([0, 1, 0, 0, 0, 0, 1, 0, 0, 0], dtype=torch.bool)
    target, other = rates(Prototype(), EVIDENCE, torch.tensor(LABELS), [before, after], part="way/")
    assert (target.metric, target.dataset, target.group, target.n) == ("prototype", "own", "way/target", 6)
    assert (target.before, target.after) == ((1 + 1 / 4) / 2, 1 / 4)
    assert [side.tolist() for side in unpack(target.outcomes, 6)] == [before[:6].tolist(), after[:6].tolist()]
    assert (other.group, other.before, other.after, other.n, other.outcomes) == ("way/other", 0.75, 0.25, 4, "")


@pytest.mark.parametrize("lost", [0, 1])
def test_an_undefined_side_is_a_gap_without_outcomes(lost: int) -> None:
    right: list[torch.Tensor | None] = [torch.ones(10, dtype=torch.bool)] * 2
    right[lost] = None
    target, other = rates(Prototype(), EVIDENCE, torch.tensor(LABELS), right)
    for item in (target, other):
        assert [item.before, item.after][lost] is None
        assert [item.before, item.after][1 - lost] == 1.0
        assert item.outcomes == ""
    assert told(right, torch.ones(10, dtype=torch.bool)) == ""


def test_a_forget_class_without_images_is_a_gap() -> None:
    right = torch.ones(4, dtype=torch.bool)
    target, other = rates(Prototype(), EVIDENCE, torch.tensor([0, 0, 2, 2]), [right, right])
    assert (target.before, target.n, target.outcomes) == (None, 2, "")
    assert other.after == 1.0
