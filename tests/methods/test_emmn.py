"""EMMN: two kinds of noise, then training on both."""

import pytest
import torch
from torch import nn

from tests.methods.support import (
    COLOURS,
    History,
    accuracy,
    colour_request,
    colours,
    copied,
    moved_names,
    parted,
    request,
)
from unlearn_bench.methods.emmn import EMMN
from unlearn_bench.seeding import generator
from unlearn_bench.training.candidates import Candidates


@pytest.mark.parametrize("maximise", [True, False])
def test_noise_is_adam_on_its_loss(maximise: bool) -> None:
    clip = colours()
    labels = torch.tensor([0, 0, 3])
    with torch.no_grad():
        texts = clip.embed_texts(["red it is", "green it is", "blue it is", "yellow it is"])
    emmn = EMMN(maximise_steps=3, minimise_steps=4, noise_learning_rate=0.2, penalty=0.05)
    found = emmn.make_noise(
        clip, labels, texts, Candidates([""] * len(texts)), maximise=maximise, generator=generator("noise")
    )
    x = torch.randn(3, 3, 8, 8, generator=generator("noise"))
    first, second = torch.zeros_like(x), torch.zeros_like(x)
    for step in range(1, (3 if maximise else 4) + 1):
        x.requires_grad_()
        logits = clip.logits(clip.encode_images(x), texts)
        loss = -logits.log_softmax(1)[torch.arange(3), labels].mean()
        if maximise:
            loss = -loss + 0.05 * (x**2).sum() / 3
        (slope,) = torch.autograd.grad(loss, x)
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        x = x.detach() - 0.2 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
    torch.testing.assert_close(found, x, rtol=1e-3, atol=1e-3)


def test_in_domains_noise_and_training_are_among_the_texts_of_the_own() -> None:
    """What is made of red, alone in its domain, has no slope but the penalty's, and trains nothing."""
    clip, domains = colours(), ["photo", "sketch", "sketch", "sketch"]
    with torch.no_grad():
        texts = clip.embed_texts(["red it is", "green it is", "blue it is", "yellow it is"])
    labels = torch.tensor([0, 1])
    found = EMMN(minimise_steps=4).make_noise(
        clip, labels, texts, Candidates(domains), maximise=False, generator=generator("noise")
    )
    start = torch.randn(2, 3, 8, 8, generator=generator("noise"))
    assert torch.equal(found[0], start[0])
    assert not torch.equal(found[1], start[1])
    history, alone = History(), {name: name for name in COLOURS}  # each colour in a domain of its own
    EMMN(epochs=1).unlearn(colours(), parted(colour_request(history=history), alone))
    assert history.column("loss") == [0.0]


def test_one_kind_is_wrong_and_the_other_right() -> None:
    clip = colours()
    names = ["red it is", "green it is", "blue it is", "yellow it is", "white it is"]
    labels = torch.arange(5).repeat_interleave(4)
    with torch.no_grad():
        texts = clip.embed_texts(names)
    errors = []
    for maximise in (True, False):
        noise = EMMN().make_noise(
            clip, labels, texts, Candidates([""] * len(texts)), maximise=maximise, generator=generator("noise")
        )
        errors.append(float(nn.functional.cross_entropy(clip.logits(clip.encode_images(noise), texts), labels)))
    assert errors[0] > 3
    assert errors[1] < 0.1


def test_making_noise_in_parts_changes_nothing_but_its_order_of_drawing() -> None:
    clip, labels = colours(), torch.arange(4)
    with torch.no_grad():
        texts = clip.embed_texts(["red it is", "green it is", "blue it is", "yellow it is"])
    parts = EMMN(noise_batch_size=3).make_noise(
        clip, labels, texts, Candidates([""] * len(texts)), maximise=False, generator=generator("noise")
    )
    assert parts.shape == (4, 3, 8, 8)
    assert bool(torch.isfinite(parts).all())


def test_emmn_forgets_the_class() -> None:
    clip, history = colours(), History()
    before = copied(clip)
    EMMN(learning_rate=0.03).unlearn(clip, colour_request(history=history))
    assert accuracy(clip, ["red"]) <= 0.3
    assert moved_names(before, clip) == set(before) - {"text.0.weight", "logit_scale"}
    assert len(history.column("loss")) == 2


def test_without_a_class_to_keep_it_does_not_apply() -> None:
    assert EMMN().skip(colours(), colour_request()) is None
    assert "no class is kept" in str(EMMN().skip(colours(), request(["red"], [])))
