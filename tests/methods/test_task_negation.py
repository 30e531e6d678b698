"""TaskNegation: it goes as far away from the fine-tuned copy as the coefficient says."""

import dataclasses

import pytest
import torch
from torch import nn

from tests.methods.support import (
    History,
    accuracy,
    colour_request,
    colours,
    copied,
    log_chances,
    moved_names,
    parted,
    retained,
)
from unlearn_bench.methods.base import Request
from unlearn_bench.methods.task_negation import TaskNegation
from unlearn_bench.models.two_towers import TwoTowers


@pytest.mark.parametrize("given", [colour_request(("red", "green")), parted(colour_request(("red", "green")))])
def test_one_step_by_hand(given: Request) -> None:
    """The first step of AdamW with its moments is lr * sign(g), beside the decay; the result goes the other way."""
    clip, twin = colours(), colours()
    rate, decay, coefficient = 1e-3, 0.1, 2.5
    method = TaskNegation(learning_rate=rate, epochs=1, weight_decay=decay, coefficient=coefficient)
    method.unlearn(clip, given)
    examples = given.forget_examples
    assert examples is not None
    twin.module.requires_grad_(True)
    texts = twin.embed_texts([concept.text for concept in given.concepts]).detach()
    logits = twin.logits(twin.encode_images(twin.to_input(examples.pixels)), texts)
    (-log_chances(logits, examples.labels, given).mean()).backward()  # type: ignore[no-untyped-call]
    compared = 0
    for name, value in twin.module.named_parameters():
        if value.grad is None:
            assert torch.equal(clip.state()[name], value.detach())
            continue
        start, slope = value.detach(), value.grad
        vector = -rate * decay * start - rate * slope / (slope.abs() + 1e-8)
        clear = slope.abs() > 1e-5  # where rounding can't turn the sign, nor epsilon matter
        compared += int(clear.sum())
        torch.testing.assert_close(
            clip.state()[name][clear], (start - coefficient * vector)[clear], rtol=1e-4, atol=2e-5
        )
    assert compared > 100


def test_the_change_is_proportional_to_the_coefficient() -> None:
    before = copied(colours())
    changes = []
    for coefficient in (0.5, 1.5):
        after = TaskNegation(coefficient=coefficient, learning_rate=1e-3).unlearn(colours(), colour_request()).state()
        changes.append({name: value - before[name] for name, value in after.items()})
    for name, change in changes[0].items():
        torch.testing.assert_close(3 * change, changes[1][name], rtol=1e-3, atol=1e-6)


def test_only_the_image_tower_moves() -> None:
    clip = colours()
    before = copied(clip)
    TaskNegation(learning_rate=1e-3).unlearn(clip, colour_request())
    assert moved_names(before, clip) == {"image.1.weight", "image.1.bias", "image.3.weight", "image.3.bias"}


def test_it_forgets_the_class_and_keeps_most_others() -> None:
    clip, history = colours(), History()
    TaskNegation(learning_rate=1e-3, coefficient=3.0).unlearn(clip, colour_request(history=history))
    assert accuracy(clip, ["red"]) <= 0.3
    assert accuracy(clip, retained()) >= 0.7
    assert history.column("step") == list(range(10))


def test_it_reads_no_retain_images() -> None:
    given = colour_request()
    blind = dataclasses.replace(given, retain_examples=None)
    states = [copied(TaskNegation(epochs=2).unlearn(colours(), request)) for request in (given, blind)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_when_it_does_not_apply() -> None:
    method = TaskNegation()
    assert method.skip(colours(), colour_request()) is None
    empty = dataclasses.replace(colour_request(), forget_examples=None)
    assert "it needs real images of the forget set" in str(method.skip(colours(), empty))
    text = colours().module.get_submodule("text")
    bare = TwoTowers(
        nn.Flatten(), text, lambda texts: torch.zeros(len(texts), 8), name="bare", image_size=2, logit_scale=1.0
    )
    assert "no tensor that this method moves" in str(method.skip(bare, colour_request()))
