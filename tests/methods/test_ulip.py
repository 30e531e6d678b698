"""ULip: plain gradient descent by hand, and what never moves."""

import dataclasses

import pytest
import torch

from tests.core import tiny
from tests.methods.support import (
    COLOURS,
    History,
    accuracy,
    colour_request,
    colours,
    copied,
    examples,
    moved_names,
    request,
)
from unlearn_bench.methods.ulip import ULip


def test_two_passes_are_two_steps_of_gradient_descent() -> None:
    clip, twin, history = colours(), colours(), History()
    ULip(learning_rate=0.5, sigma=0.7, perturbations=3, epochs=2).unlearn(clip, colour_request(history=history))
    given = colour_request()
    assert given.forget_examples is not None
    inputs = twin.to_input(given.forget_examples.pixels)
    noise, order = given.generator("perturbation"), given.generator("order")
    losses = []
    for _ in range(2):
        x = inputs[torch.randperm(12, generator=order)]
        twin.module.requires_grad_(True).zero_grad()
        loss = torch.zeros(())
        for _ in range(3):
            noisy = torch.clamp(x + 0.7 * torch.randn(x.shape, generator=noise), x.min(), x.max())
            out = twin.encode_images(x) - twin.encode_images(noisy).detach()
            moved = (x - noisy).pow(2).sum(dim=(1, 2, 3)).sqrt()
            loss = loss + (out.pow(2).sum(1).sqrt() / (2 * moved)).sum() / 6
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for value in twin.module.parameters():
                if value.grad is not None:
                    value.sub_(0.5 * value.grad)
        losses.append(float(loss.detach()) / 12)
    for name, expected in twin.state().items():
        torch.testing.assert_close(clip.state()[name], expected, rtol=1e-4, atol=1e-5)
    assert history.column("loss") == pytest.approx(losses, rel=1e-4)


def test_only_the_image_tower_moves_and_never_batch_normalisation() -> None:
    clip = tiny.resnet()
    before = copied(clip)
    pixels = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    names = list(COLOURS)
    given = request(names[:1], names[1:], forget_examples=examples(pixels, torch.zeros(3, dtype=torch.int64)))
    moved = moved_names(before, ULip(learning_rate=1.0, perturbations=2).unlearn(clip, given))
    places = [clip.locate(name) for name in moved]
    assert {place.tower for place in places} == {"image"}
    assert {place.role for place in places} >= {"convolution", "attention", "projection"}
    assert not any(place.role == "batch_norm" for place in places)


def test_ulip_forgets_the_class() -> None:
    clip = colours()
    ULip(learning_rate=1.0, sigma=1.0, epochs=8).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.3


def test_it_needs_real_images_of_the_forget_set() -> None:
    assert ULip().skip(colours(), colour_request()) is None
    without = dataclasses.replace(colour_request(), forget_examples=None)
    assert "real images" in str(ULip().skip(colours(), without))
