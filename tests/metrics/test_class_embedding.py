"""A learnt class vector: one update by hand, a model where the answer is known, and what it never moves."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from tests.metrics.test_parted_audits import FORGET, SCALE, nearest_of_own_domain, parted_evidence, recall
from unlearn_bench.errors import CellFailure
from unlearn_bench.metrics import class_embedding
from unlearn_bench.metrics.base import Embedded
from unlearn_bench.metrics.class_embedding import ClassEmbedding, learnt
from unlearn_bench.metrics.shared.shots import SHOTS, few


def loss(vector: list[float], seen: Embedded, labels: list[int], place: int, scale: float) -> float:
    """The docstring's objective, by loops."""
    norm = math.sqrt(sum(value * value for value in vector))
    texts = [[value / norm for value in vector] if c == place else t for c, t in enumerate(seen.texts.tolist())]
    total = 0.0
    for image, label in zip(seen.images.tolist(), labels, strict=True):
        logits = [scale * sum(a * b for a, b in zip(image, text, strict=True)) for text in texts]
        total += math.log(sum(math.exp(value) for value in logits)) - logits[label]
    return total / len(labels)


def test_the_first_update_follows_the_sign_of_the_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam's first step is the rate, .05 of the root mean square, against the slope's sign; taken by differences."""
    monkeypatch.setattr(class_embedding, "STEPS", 1)
    evidence = random_evidence(4)
    seen, labels = Embedded(images=evidence.own.after.images, texts=evidence.own.after.texts), evidence.own.labels
    start = seen.texts[3].tolist()
    slopes = []
    for place in range(len(start)):
        moved = [[v + d * (i == place) for i, v in enumerate(start)] for d in (1e-5, -1e-5)]
        high, low = (loss(vector, seen, labels.tolist(), 3, 5.0) for vector in moved)
        slopes.append((high - low) / 2e-5)
    rate = 0.05 * math.sqrt(sum(value * value for value in start) / len(start))
    expected = [value - rate * math.copysign(1, slope) for value, slope in zip(start, slopes, strict=True)]
    found = learnt(seen, labels, [3], 5.0)
    assert found[3].tolist() == pytest.approx(normalize(torch.tensor(expected), dim=0).tolist(), abs=1e-4)


def test_it_comes_near_the_least_loss_and_moves_no_other_text() -> None:
    evidence = random_evidence(5)
    seen, labels = evidence.own.before, evidence.own.labels
    found = learnt(seen, labels, [1], 5.0)
    kept = [row for row in range(len(found)) if row != 1]
    assert torch.equal(found[kept], seen.texts[kept])
    ends = [loss(vector, seen, labels.tolist(), 1, 5.0) for vector in (seen.texts[1].tolist(), found[1].tolist())]
    free = seen.texts[1].clone().requires_grad_(True)
    solver = torch.optim.LBFGS([free], max_iter=500, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        solver.zero_grad()
        texts = torch.cat([seen.texts[:1], normalize(free, dim=0)[None], seen.texts[2:]])
        value = torch.nn.functional.cross_entropy(5.0 * seen.images @ texts.T, labels)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(objective)  # type: ignore[no-untyped-call]
    least = float(objective().detach())
    assert ends[1] < ends[0]
    assert ends[1] - least < 0.02 * (ends[0] - least)


def test_a_class_whose_name_alone_was_lost_comes_back_and_a_merged_one_does_not() -> None:
    labels, axes = torch.tensor([0, 1, 2] * 6), torch.eye(3)
    misnamed = normalize(axes[[2, 1, 2]] + 0.2 * axes[[1, 1, 2]], dim=-1)
    blank = random_dataset("own", labels.tolist(), 3)
    before = Embedded(images=axes[labels], texts=axes)
    for images, target in ((axes, 1.0), (axes[[1, 1, 2]], None)):
        own = replace(blank, before=before, after=Embedded(images=images[labels], texts=misnamed))
        found = by_group(ClassEmbedding(), replace(make_evidence(own, logit_scale=20.0), train=own))
        for shots in SHOTS:
            item, other = found["own", f"shots@{shots}/target"], found["own", f"shots@{shots}/other"]
            assert item.before == 1.0
            if target is None:  # its images lie on those of class 1: whoever finds one loses the other
                assert (item.after, other.after) in {(0.0, 1.0), (1.0, 0.5)}
            else:
                assert (item.after, other.after) == (target, 1.0)


def test_within_the_own_domain_and_with_the_shots_of_the_run() -> None:
    evidence = parted_evidence(1)
    train, own, labels = evidence.train, evidence.own, evidence.own.labels.tolist()
    assert train is not None
    rows = few(train.labels, 4, "own", 1)
    texts = learnt(train.after.at(rows), train.labels[rows], FORGET, SCALE)
    apart = learnt(replace(train.after.at(rows), image_domains=None), train.labels[rows], FORGET, SCALE)
    assert not torch.allclose(texts, apart, atol=1e-3), "the loss runs over the image's own domain"
    found = by_group(ClassEmbedding(), evidence)["own", "shots@4/target"].after
    assert found == pytest.approx(recall(nearest_of_own_domain(own.after.images @ texts.T, labels), labels, FORGET))


def test_gaps_and_embeddings_that_are_not_finite() -> None:
    evidence = random_evidence(1)
    for item in ClassEmbedding().measure(replace(evidence, train=random_dataset("own", [0, 1, 2], 5))):
        assert (item.before, item.after) == (None, None)
    assert evidence.train is not None
    evidence.train.after.images[:] = torch.nan
    with pytest.raises(CellFailure, match="not finite"):
        ClassEmbedding().measure(evidence)
