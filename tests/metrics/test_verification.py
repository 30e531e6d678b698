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
from unlearn_bench.metrics.base import Embedded, Evidence, SyntheticEvidence
from unlearn_bench.metrics.verification import VerificationGap


def synthetic_from_predictions(labels: list[int], before: list[int], after: list[int]) -> SyntheticEvidence:
    axes = torch.eye(4)
    return SyntheticEvidence(
        labels=torch.tensor(labels),
        before=Embedded(images=axes[before], texts=axes),
        after=Embedded(images=axes[after], texts=axes),
    )


def test_by_hand() -> None:
    own = dataset_from_predictions("own", [0, 0, 0, 0, 1], before=[0, 0, 0, 1, 1], after=[0, 1, 1, 1, 1])
    made = synthetic_from_predictions([0, 0], before=[0, 0], after=[2, 2])
    scale = 2.0
    found = by_group(VerificationGap(), make_evidence(own, synthetic=made, logit_scale=scale))
    sides = {group: (item.before, item.after, item.n) for (_, group), item in found.items()}
    hit, miss = (math.exp(scale) / (math.exp(scale) + 3), 1 / (math.exp(scale) + 3))
    close = pytest.approx
    assert sides == {
        "accuracy/synthetic": (1.0, 0.0, 2),
        "accuracy/real": (0.75, 0.25, 4),
        "accuracy/gap": (0.25, -0.25, 6),
        "probability/synthetic": (close(hit), close(miss), 2),
        "probability/real": (close((3 * hit + miss) / 4), close((hit + 3 * miss) / 4), 4),
        "probability/gap": (close((hit - miss) / 4), close((miss - hit) / 4), 6),
    }


def mean_probability(embedded: Embedded, labels: list[int], evidence: Evidence) -> float:
    means = []
    for wanted in evidence.forget:
        values = []
        for image, label in zip(embedded.images, labels, strict=True):
            if label == wanted:
                weights = [math.exp(evidence.logit_scale * float(image @ text)) for text in embedded.texts]
                values.append(weights[label] / sum(weights))
        means.append(sum(values) / len(values))
    return sum(means) / len(means)


@pytest.mark.parametrize("seed", range(3))
def test_random_evidence_against_a_loop(seed: int) -> None:
    evidence = random_evidence(seed)
    made, own = evidence.synthetic, evidence.own
    assert made is not None
    found = by_group(VerificationGap(), evidence)
    for name in ("before", "after"):
        synthetic = mean_probability(getattr(made, name), made.labels.tolist(), evidence)
        real = mean_probability(getattr(own, name), own.labels.tolist(), evidence)
        assert getattr(found["own", "probability/synthetic"], name) == pytest.approx(synthetic, rel=1e-4)
        assert getattr(found["own", "probability/real"], name) == pytest.approx(real, rel=1e-4)
        assert getattr(found["own", "probability/gap"], name) == pytest.approx(synthetic - real, abs=1e-4)


def test_the_real_accuracy_is_the_target_accuracy() -> None:
    evidence = random_evidence(5)
    real = by_group(VerificationGap(), evidence)["own", "accuracy/real"]
    target = by_group(Accuracy(), evidence)["own", "target"]
    assert (real.before, real.after, real.n) == (target.before, target.after, target.n)


def test_without_synthetic_images_there_is_nothing_to_say() -> None:
    assert VerificationGap().measure(random_evidence(0, with_synthetic=False)) == ()


def test_no_real_images_leave_gaps_beside_the_synthetic_numbers() -> None:
    own = random_dataset("own", [1, 2], 4)
    made = synthetic_from_predictions([0], before=[0], after=[1])
    found = by_group(VerificationGap(), make_evidence(own, synthetic=made))
    assert (found["own", "accuracy/synthetic"].before, found["own", "accuracy/synthetic"].after) == (1.0, 0.0)
    for group in ("accuracy/real", "accuracy/gap", "probability/real", "probability/gap"):
        assert (found["own", group].before, found["own", group].after) == (None, None)
    assert found["own", "accuracy/real"].n == 0


def test_a_forget_class_without_synthetic_images_leaves_a_gap() -> None:
    own = random_dataset("own", [0, 1, 2], 4)
    made = synthetic_from_predictions([0], before=[0], after=[1])
    found = by_group(VerificationGap(), make_evidence(own, synthetic=made, forget=(0, 1)))
    assert found["own", "accuracy/synthetic"].after is None
    assert found["own", "probability/gap"].after is None
    assert found["own", "accuracy/real"].after is not None
