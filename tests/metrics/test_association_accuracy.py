"""Accuracy by what is shared with a forgotten link, by hand and against a transcription."""

from dataclasses import replace

import pytest
import torch

from tests.metrics.evidence import by_group, dataset_from_predictions, make_evidence, random_dataset, random_evidence
from unlearn_bench.metrics.association_accuracy import AssociationAccuracy, numbered
from unlearn_bench.metrics.shared.outcomes import unpack

LINKS = (("star", "dark"), ("star", "light"), ("ring", "dark"), ("ring", "light"))


def test_by_hand() -> None:
    labels = [0, 0, 0, 0, 1, 1, 2, 2, 3]
    after = [
        1,
        1,
        2,
        3,
        1,
        0,
        2,
        3,
        3,
    ]  # of four dark stars two are light stars now, two are rings
    own = replace(dataset_from_predictions("own", labels, labels, after), associations=LINKS)
    found = by_group(AssociationAccuracy(), make_evidence(own))
    groups = ["target/entity", "target/attribute", "same-entity", "same-attribute", "unrelated"]
    assert [group for _, group in found] == groups
    assert [(found["own", group].before, found["own", group].after, found["own", group].n) for group in groups] == [
        (1.0, 0.5, 4),
        (1.0, 0.25, 4),
        (1.0, 0.5, 2),
        (1.0, 0.5, 2),
        (1.0, 1.0, 1),
    ]
    before, after_kept = unpack(found["own", "same-entity"].outcomes, 2)
    assert (before.tolist(), after_kept.tolist()) == ([True, True], [True, False])


@pytest.mark.parametrize("seed", range(4))
def test_against_a_transcription(seed: int) -> None:
    links = [(entity, value) for entity in ("star", "ring", "cross") for value in ("dark", "light")]
    stream = torch.Generator().manual_seed(seed)
    labels = [*range(6), *torch.randint(6, (40,), generator=stream).tolist()]
    own = replace(random_dataset("own", labels, 6, seed=seed), associations=tuple(links))
    found = by_group(AssociationAccuracy(), make_evidence(own, forget=(3,)))  # the light ring
    kept = {"same-entity": [2], "same-attribute": [1, 5], "unrelated": [0, 4]}
    for side, of in ((own.before, "before"), (own.after, "after")):
        taken = [max(range(6), key=lambda c: float(side.images[row] @ side.texts[c])) for row in range(len(labels))]
        for group, members in kept.items():
            recalls = [
                sum(taken[row] == label for row, own_label in enumerate(labels) if own_label == label)
                / labels.count(label)
                for label in members
            ]
            assert getattr(found["own", group], of) == pytest.approx(sum(recalls) / len(recalls))
        for place, group in enumerate(("target/entity", "target/attribute")):
            alike = [links[taken[row]][place] == links[3][place] for row, label in enumerate(labels) if label == 3]
            assert getattr(found["own", group], of) == pytest.approx(sum(alike) / len(alike))


def test_an_entity_that_is_forgotten_whole_leaves_no_same_entity() -> None:
    labels = [0, 1, 2, 3]
    own = replace(dataset_from_predictions("own", labels, labels, labels), associations=LINKS)
    found = by_group(AssociationAccuracy(), make_evidence(own, forget=(0, 1)))
    assert [group for _, group in found] == ["target/entity", "target/attribute", "same-attribute"]


def test_a_label_without_images_is_a_gap() -> None:
    own = replace(dataset_from_predictions("own", [0, 1, 2], [0, 1, 2], [0, 1, 2]), associations=LINKS)
    found = by_group(AssociationAccuracy(), make_evidence(own))
    assert (found["own", "unrelated"].after, found["own", "unrelated"].outcomes) == (None, "")
    assert found["own", "same-entity"].after == 1.0


def test_classes_that_are_no_links_have_no_measurement() -> None:
    assert AssociationAccuracy().measure(random_evidence(0)) == ()


def test_equal_names_have_equal_numbers() -> None:
    assert numbered(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
