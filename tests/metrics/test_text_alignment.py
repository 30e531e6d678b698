import pytest
import torch

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from unlearn_bench.metrics.base import DatasetEvidence, Embedded
from unlearn_bench.metrics.text_alignment import TargetCosine


def test_by_hand() -> None:
    texts = torch.eye(2)
    own = DatasetEvidence(
        name="own",
        class_names=("a", "b"),
        labels=torch.tensor([0, 0, 1]),
        domains=(),
        control=False,
        before=Embedded(images=torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), texts=texts),
        after=Embedded(images=torch.tensor([[-1.0, 0.0], [0.6, -0.8], [0.8, 0.6]]), texts=texts),
    )
    found = by_group(TargetCosine(), make_evidence(own))
    target, other = found["own", "target"], found["own", "other"]
    assert (target.before, target.after) == pytest.approx((0.8, -0.2))
    assert (other.before, other.after) == pytest.approx((1.0, 0.6))
    assert (target.n, other.n) == (2, 1)


@pytest.mark.parametrize("seed", range(3))
def test_random_evidence_against_a_loop(seed: int) -> None:
    evidence = random_evidence(seed)
    own, found = evidence.own, by_group(TargetCosine(), evidence)
    for name in ("before", "after"):
        side: Embedded = getattr(own, name)
        by_class: dict[int, list[float]] = {}
        for image, label in zip(side.images.tolist(), own.labels.tolist(), strict=True):
            cosine = sum(x * y for x, y in zip(image, side.texts[label].tolist(), strict=True))
            by_class.setdefault(label, []).append(cosine)
        target = [sum(by_class[label]) / len(by_class[label]) for label in (1, 3)]
        other = [value for label, values in by_class.items() if label not in {1, 3} for value in values]
        assert getattr(found["own", "target"], name) == pytest.approx(sum(target) / 2, abs=1e-6)
        assert getattr(found["own", "other"], name) == pytest.approx(sum(other) / len(other), abs=1e-6)
        assert found["own", "other"].n == len(other)


def test_rounding_does_not_leave_the_bounds() -> None:
    vector = torch.tensor([[0.6000001, 0.8000001]])
    side = Embedded(images=vector, texts=vector)
    own = DatasetEvidence(
        name="own",
        class_names=("a",),
        labels=torch.tensor([0]),
        domains=(),
        control=False,
        before=side,
        after=Embedded(images=-vector, texts=vector),
    )
    assert float(vector[0] @ vector[0]) > 1
    item = by_group(TargetCosine(), make_evidence(own))["own", "target"]
    assert (item.before, item.after) == (1.0, -1.0)


def test_no_images_leave_gaps() -> None:
    found = by_group(TargetCosine(), make_evidence(random_dataset("own", [1, 1], 2)))
    assert (found["own", "target"].before, found["own", "target"].n) == (None, 0)
    assert found["own", "other"].before is not None
    found = by_group(TargetCosine(), make_evidence(random_dataset("own", [0, 0], 2)))
    assert (found["own", "other"].after, found["own", "other"].n) == (None, 0)
