"""Which texts an image is told among: loss, accuracy and other labels by hand, with and without domains."""

import math

import pytest
import torch
from torch import Tensor

from tests.core import tiny
from unlearn_bench.errors import CellFailure
from unlearn_bench.seeding import generator
from unlearn_bench.training.candidates import Candidates

DOMAINS = ("photo", "sketch", "photo", "sketch", "photo")
LOGITS = torch.tensor([[1.0, 9.0, 2.0, 9.0, 3.0], [9.0, 1.0, 9.0, 0.0, 9.0], [0.0, 5.0, 1.0, 4.0, 0.5]])


def loss_of(scores: list[float], own: float) -> float:
    return math.log(sum(math.exp(score) for score in scores)) - own


def test_an_image_is_told_among_the_texts_of_its_class_s_domain() -> None:
    found = Candidates(DOMAINS).among(LOGITS, torch.tensor([0, 1, 3]))
    inf = math.inf
    assert found.tolist() == [[1, -inf, 2, -inf, 3], [-inf, 1, -inf, 0, -inf], [-inf, 5, -inf, 4, -inf]]


def test_cross_entropy_by_hand() -> None:
    labels = torch.tensor([0, 1, 3])
    parted = (loss_of([1, 2, 3], 1) + loss_of([1, 0], 1) + loss_of([5, 4], 4)) / 3
    assert float(Candidates(DOMAINS).cross_entropy(LOGITS, labels)) == pytest.approx(parted, rel=1e-5)
    rows = [LOGITS[i].tolist() for i in range(3)]
    whole = (loss_of(rows[0], 1) + loss_of(rows[1], 1) + loss_of(rows[2], 4)) / 3
    assert float(Candidates([""] * 5).cross_entropy(LOGITS, labels)) == pytest.approx(whole, rel=1e-5)


def test_weighted_cross_entropy_by_hand() -> None:
    labels, weights = torch.tensor([0, 1, 3]), torch.tensor([3.0, 1.0, 0.5])
    parted = (3 * loss_of([1, 2, 3], 1) + loss_of([1, 0], 1) + 0.5 * loss_of([5, 4], 4)) / 4.5
    found = Candidates(DOMAINS).cross_entropy(LOGITS, labels, weights)
    assert float(found) == pytest.approx(parted, rel=1e-5)


def test_no_gradient_reaches_the_texts_of_other_domains() -> None:
    logits = LOGITS.clone().requires_grad_()
    Candidates(DOMAINS).cross_entropy(logits, torch.tensor([0, 1, 3])).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    rivals = torch.tensor([[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [0, 1, 0, 1, 0]], dtype=torch.bool)
    assert bool((logits.grad[rivals] != 0).all())
    assert not bool(logits.grad[~rivals].any())


@pytest.mark.parametrize("domains", [[""] * 5, ["photo"] * 5])
def test_without_parting_logits_pass_as_they_are(domains: list[str]) -> None:
    """The same object: not a bit of a run without domains depends on this."""
    assert Candidates(domains).among(LOGITS, torch.tensor([0, 1, 2])) is LOGITS


@pytest.mark.parametrize("domains", [("",) * 6, ("photo", "sketch") * 3])
def test_classification_loss_is_its_formula(domains: tuple[str, ...]) -> None:
    clip = tiny.two_towers(bias=1.5)
    inputs, labels = torch.randn(5, 3, 8, 8, generator=generator("batch")), [4, 1, 4, 0, 4]
    tokens = clip.tokenize(tiny.TEXTS)
    with torch.no_grad():
        images, texts = clip.encode_images(inputs).double(), clip.encode_texts(tokens).double()
    losses = []
    for image, label in zip(images, labels, strict=True):
        scores = [20 * float(image @ text) / math.sqrt(float(image @ image) * float(text @ text)) for text in texts]
        rivals = [score for score, domain in zip(scores, domains, strict=True) if domain == domains[label]]
        losses.append(loss_of(rivals, scores[label]))
    found = Candidates(domains).classification_loss(clip, inputs, torch.tensor(labels), tokens)
    assert float(found) == pytest.approx(sum(losses) / 5, rel=1e-4)


def test_right_is_the_greatest_of_the_candidates() -> None:
    labels = torch.tensor([4, 1, 3])
    assert Candidates(DOMAINS).count_right(LOGITS, labels) == 2
    assert Candidates([""] * 5).count_right(LOGITS, labels) == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_accuracy_of_logits_that_are_not_finite(value: float) -> None:
    """Also where it is a text of another domain that is not."""
    broken = LOGITS.clone()
    broken[1, 4] = value
    with pytest.raises(CellFailure, match="not finite"):
        Candidates(DOMAINS).count_right(broken, torch.tensor([0, 1, 3]))


def drawn(domains: tuple[str, ...], label: int, forget: int) -> list[float]:
    """The share of each class among 3000 draws for one label."""
    labels = torch.full((3000,), label)
    found = Candidates(domains).draw_others(labels, forget=forget, generator=generator("relabel"))
    assert torch.equal(found, Candidates(domains).draw_others(labels, forget=forget, generator=generator("relabel")))
    share: Tensor = torch.bincount(found, minlength=len(domains)) / len(labels)
    return share.tolist()


def test_other_labels_without_domains_are_one_draw_of_the_kept_classes() -> None:
    """The call that published runs made: another one would draw other labels."""
    found = Candidates([""] * 7).draw_others(torch.zeros(400), forget=2, generator=generator("relabel"))
    assert torch.equal(found, torch.randint(2, 7, (400,), generator=generator("relabel")))
    assert set(found.tolist()) == {2, 3, 4, 5, 6}


def test_other_labels_are_kept_classes_of_the_own_domain() -> None:
    assert drawn(DOMAINS, 0, 1) == pytest.approx([0, 0, 0.5, 0, 0.5], abs=0.05)
    assert drawn(DOMAINS, 1, 2) == [0, 0, 0, 1, 0]


def test_where_a_whole_domain_goes_its_other_classes_are_drawn() -> None:
    domains = ("sketch", "sketch", "sketch", "photo", "photo")
    assert drawn(domains, 1, 3) == pytest.approx([0.5, 0, 0.5, 0, 0], abs=0.05)
    assert drawn(domains, 1, 2) == [0, 0, 1, 0, 0]  # a kept one is there


def test_a_class_alone_in_its_domain_gets_any_that_is_kept() -> None:
    assert drawn(("sketch", "photo", "photo", "photo"), 0, 2) == pytest.approx([0, 0, 0.5, 0.5], abs=0.05)


def test_every_image_is_drawn_for_by_its_own_class() -> None:
    labels = torch.tensor([0, 1] * 50)
    found = Candidates(DOMAINS).draw_others(labels, forget=2, generator=generator("relabel"))
    assert found.dtype == torch.int64
    assert set(found[labels == 0].tolist()) == {2, 4}
    assert set(found[labels == 1].tolist()) == {3}
