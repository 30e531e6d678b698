"""Recovery by a linear probe: against a classifier fitted by hand, and on embeddings that hide a class or lose it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from unlearn_bench.errors import CellFailure
from unlearn_bench.metrics.base import DatasetEvidence, Embedded, Evidence
from unlearn_bench.metrics.linear_probe import LinearProbe


def probed(seen: Tensor, seen_labels: Tensor, shown: Tensor) -> np.ndarray:
    """The docstring's objective, minimised by a general solver from the gradient in closed form."""
    train, test = seen.double().numpy(), shown.double().numpy()
    centre, spread = train.mean(axis=0), train.std(axis=0)
    train, test = (train - centre) / spread, (test - centre) / spread
    classes = sorted(set(seen_labels.tolist()))
    truth = np.eye(len(classes))[[classes.index(label) for label in seen_labels.tolist()]]
    width = train.shape[1]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(width + 1, len(classes))
        logits = train @ weights[:-1] + weights[-1]
        logits -= logits.max(axis=1, keepdims=True)
        log_odds = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        miss = np.exp(log_odds) - truth
        slope = np.vstack([train.T @ miss + weights[:-1], miss.sum(axis=0)])
        return float(-(truth * log_odds).sum() + (weights[:-1] ** 2).sum() / 2), slope.ravel()

    found = minimize(objective, np.zeros((width + 1) * len(classes)), jac=True, method="L-BFGS-B", tol=1e-12).x
    weights = found.reshape(width + 1, len(classes))
    best = (test @ weights[:-1] + weights[-1]).argmax(axis=1)
    return np.array([classes[place] for place in best])


@pytest.mark.parametrize("seed", range(4))
def test_it_is_multinomial_regression_on_standardised_embeddings(seed: int) -> None:
    evidence = random_evidence(seed)
    own, train = evidence.own, evidence.train
    assert train is not None
    found = by_group(LinearProbe(), evidence)
    for side in ("before", "after"):
        guesses = probed(getattr(train, side).images, train.labels, getattr(own, side).images)
        right = guesses == own.labels.numpy()
        target = np.isin(own.labels.numpy(), evidence.forget)
        recalls = [right[own.labels.numpy() == label].mean() for label in evidence.forget]
        assert getattr(found["own", "target"], side) == pytest.approx(np.mean(recalls))
        assert getattr(found["own", "other"], side) == pytest.approx(right[~target].mean())
    assert found["own", "target"].n + found["own", "other"].n == len(own.labels)


def seen_as(labels: list[int], before: Tensor, after: Tensor) -> DatasetEvidence:
    blank = random_dataset("own", labels, 3)
    texts = torch.eye(3)
    return replace(
        blank, before=Embedded(images=before, texts=texts), after=Embedded(images=after, texts=texts.flip(0))
    )


def recalls(after: Tensor, labels: list[int]) -> tuple[float, float]:
    """Target and other accuracy of the probe, of images that lay apart before."""
    own = seen_as(labels, torch.eye(3)[labels], after)
    halves = random_halves(own)
    found = by_group(LinearProbe(), replace(make_evidence(halves[1]), train=halves[0]))
    assert (found["own", "target"].before, found["own", "other"].before) == (1.0, 1.0)
    target, other = found["own", "target"].after, found["own", "other"].after
    assert target is not None
    assert other is not None
    return target, other


def test_a_class_whose_name_alone_was_moved_is_found() -> None:
    labels = [0, 1, 2] * 8
    assert recalls(torch.eye(3)[labels], labels) == (1.0, 1.0)  # the texts are other ones, the images lie as they lay


def test_a_class_that_was_scattered_among_the_others_is_not() -> None:
    labels = [0, 1, 2] * 80
    scattered = torch.eye(3)[labels]
    rows = torch.tensor(labels) == 0
    places = torch.randint(1, 3, (int(rows.sum()),), generator=torch.Generator().manual_seed(0))
    scattered[rows] = torch.eye(3)[places]
    # A third of what lies with class 1 or 2 is the target's: the probe calls all of it by the majority's name.
    assert recalls(scattered, labels) == (0.0, 1.0)


def random_halves(own: DatasetEvidence) -> tuple[DatasetEvidence, DatasetEvidence]:
    """The first half for training, the second for testing."""
    first = torch.arange(len(own.labels)) < len(own.labels) // 2
    return only(own, first), only(own, ~first)


def only(own: DatasetEvidence, rows: Tensor) -> DatasetEvidence:
    return replace(
        own,
        labels=own.labels[rows],
        before=replace(own.before, images=own.before.images[rows]),
        after=replace(own.after, images=own.after.images[rows]),
    )


def test_one_class_to_train_on_or_none_to_test_on_gives_gaps() -> None:
    evidence = random_evidence(1)
    train = random_dataset("own", [2, 2, 2], 5)
    for item in LinearProbe().measure(replace(evidence, train=train)):
        assert (item.before, item.after) == (None, None)
    absent: Evidence = replace(
        evidence, forget=(1, 4), datasets={**evidence.datasets, "own": only(evidence.own, evidence.own.labels != 4)}
    )
    found = by_group(LinearProbe(), absent)
    assert found["own", "target"].after is None
    assert found["own", "other"].after is not None


def test_embeddings_that_are_not_finite_fail_the_cell() -> None:
    evidence = random_evidence(2)
    evidence.own.after.images[0, 0] = torch.nan
    with pytest.raises(CellFailure, match="not finite"):
        LinearProbe().measure(evidence)
