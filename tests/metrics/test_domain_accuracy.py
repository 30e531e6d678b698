"""Accuracy by what is shared with the forget set, by hand and against a transcription."""

from dataclasses import replace

import pytest
import torch

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from unlearn_bench.metrics.accuracy import Accuracy
from unlearn_bench.metrics.base import DatasetEvidence, Embedded
from unlearn_bench.metrics.domain_accuracy import GROUPS, DomainAccuracy
from unlearn_bench.metrics.predictions import Predictions
from unlearn_bench.metrics.shared.classification import predictions, probabilities, similarities
from unlearn_bench.metrics.shared.kept_groups import kept_groups
from unlearn_bench.metrics.shared.outcomes import unpack

CLASS_OF = torch.tensor([0, 1, 2, 0, 1, 2])
DOMAIN_OF = torch.tensor([0, 0, 0, 1, 1, 1])


def parted(labels: list[int], *, seed: int = 0, classes: int = 6) -> DatasetEvidence:
    """Random embeddings of a dataset of three classes in two domains."""
    plain = random_dataset("own", labels, classes, seed=seed)
    rows = torch.tensor(labels, dtype=torch.int64)

    def with_domains(side: Embedded) -> Embedded:
        return replace(side, image_domains=DOMAIN_OF[rows], text_domains=DOMAIN_OF)

    return replace(plain, before=with_domains(plain.before), after=with_domains(plain.after), class_of=CLASS_OF)


def test_candidates_are_of_the_images_own_domain() -> None:
    texts = torch.eye(4)
    images = torch.tensor([[0.1, 0.2, 0.9, 0.3], [0.9, 0.2, 0.1, 0.05]])
    side = Embedded(images=images, texts=texts)
    assert predictions(side).tolist() == [2, 0]
    domains = torch.tensor([0, 0, 1, 1])
    own = replace(side, image_domains=torch.tensor([0, 1]), text_domains=domains)
    assert predictions(own).tolist() == [1, 2]
    assert torch.isinf(similarities(own)).tolist() == [[False, False, True, True], [True, True, False, False]]
    found = probabilities(own, torch.tensor([1, 2]), logit_scale=10.0)
    by_hand = [torch.tensor([1.0, 2.0]).double().softmax(0)[1], torch.tensor([1.0, 0.5]).double().softmax(0)[0]]
    assert found.tolist() == pytest.approx([float(value) for value in by_hand])


def test_images_of_one_kind_keep_their_domains() -> None:
    side = parted([0, 1, 4, 5, 2]).before
    for rows in (torch.tensor([3, 0]), torch.tensor([True, False, False, True, False])):
        chosen = side.at(rows)
        assert torch.equal(predictions(chosen), predictions(side)[rows])
    assert Embedded(images=side.images, texts=side.texts).at(torch.tensor([1])).image_domains is None


@pytest.mark.parametrize(
    ("forget", "groups"),
    [
        ((1,), {"same-class": (4,), "same-domain": (0, 2), "unrelated": (3, 5)}),
        ((1, 4), {"same-domain": (0, 2, 3, 5)}),  # the class everywhere
        ((3, 4, 5), {"same-class": (0, 1, 2)}),  # a whole domain
        ((0, 4), {"same-class": (1, 3), "same-domain": (2, 5)}),
        ((0, 1, 2, 3, 4, 5), {}),
    ],
)
def test_the_groups_that_a_forget_set_leaves(forget: tuple[int, ...], groups: dict[str, tuple[int, ...]]) -> None:
    assert kept_groups(CLASS_OF, DOMAIN_OF, forget, GROUPS) == groups
    evidence = make_evidence(parted([0, 1, 2, 3, 4, 5] * 4), forget=forget)
    assert [item.group for item in DomainAccuracy().measure(evidence)] == list(groups)


@pytest.mark.parametrize("seed", range(4))
def test_against_a_transcription(seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    labels = [*range(6), *torch.randint(6, (40,), generator=stream).tolist()]
    own = parted(labels, seed=seed)
    found = by_group(DomainAccuracy(), make_evidence(own, forget=(4,)))
    for group, members in {"same-class": [1], "same-domain": [3, 5], "unrelated": [0, 2]}.items():
        item = found["own", group]
        for side, value in ((own.before, item.before), (own.after, item.after)):
            recalls = []
            for label in members:
                right = total = 0
                for row, own_label in enumerate(labels):
                    if own_label == label:
                        candidates = [c for c in range(6) if DOMAIN_OF[c] == DOMAIN_OF[label]]
                        scores = {c: float(side.images[row] @ side.texts[c]) for c in candidates}
                        right += max(scores, key=lambda c: scores[c]) == label
                        total += 1
                recalls.append(right / total)
            assert value == pytest.approx(sum(recalls) / len(recalls))
        assert item.n == sum(labels.count(label) for label in members)
        before, after = unpack(item.outcomes, item.n)
        rows = [row for row, label in enumerate(labels) if label in members]
        assert before.tolist() == (predictions(own.before) == own.labels)[rows].tolist()
        assert after.tolist() == (predictions(own.after) == own.labels)[rows].tolist()


def test_a_label_without_images_is_a_gap() -> None:
    found = by_group(DomainAccuracy(), make_evidence(parted([0, 1, 2, 3, 4]), forget=(4,)))
    assert found["own", "same-domain"].before is None  # label 5 has none
    assert found["own", "same-domain"].outcomes == ""
    assert found["own", "same-class"].after is not None


def test_a_dataset_without_domains_has_no_measurement() -> None:
    assert DomainAccuracy().measure(random_evidence(0)) == ()


def test_target_and_other_use_the_same_candidates() -> None:
    labels = [0, 1, 2, 3, 4, 5] * 5
    own = parted(labels, seed=3)
    found = by_group(Accuracy(), make_evidence(own, forget=(1, 4)))
    right = predictions(own.after) == own.labels
    rows = torch.tensor(labels)
    recalls = [float(right[rows == label].double().mean()) for label in (1, 4)]
    assert found["own", "target"].after == pytest.approx(sum(recalls) / 2)
    kept = right[(rows != 1) & (rows != 4)]
    assert found["own", "other"].after == pytest.approx(float(kept.double().mean()))


def test_what_target_images_are_taken_for_is_of_their_domain() -> None:
    own = parted([0, 1, 2, 3, 4, 5] * 5, seed=1)
    found = by_group(Predictions(), make_evidence(own, forget=(4,)))
    named = {group.removeprefix("share/") for _, group in found if group.startswith("share/")}
    assert named <= {"own 3", "own 4", "own 5"}
    assert found["own", "chance-distance"].n == 2  # the other two labels of the domain
    between = 1 - own.before.texts.double() @ own.before.texts.double().T
    expected = float(between[4, [3, 5]].mean())
    assert found["own", "chance-distance"].before == pytest.approx(expected, abs=1e-6)
