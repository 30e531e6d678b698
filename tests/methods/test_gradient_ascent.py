"""Gradient ascent: the negative classification loss of the forget images, and nothing else."""

import dataclasses
import math

import pytest
import torch

from tests.methods.support import (
    COLOURS,
    History,
    accuracy,
    check_first_adam_step,
    colour_request,
    colours,
    copied,
    log_chances,
    moved_names,
    parted,
    request,
    retained,
)
from unlearn_bench.errors import CellFailure
from unlearn_bench.methods.base import Request
from unlearn_bench.methods.gradient_ascent import GradientAscent


@pytest.mark.parametrize("given", [colour_request(("red", "green")), parted(colour_request(("red", "green")))])
def test_one_step_by_hand(given: Request) -> None:
    """Without domains, and with two, in each of which a class goes."""
    clip, twin = colours(), colours()
    GradientAscent(learning_rate=1e-3, epochs=1, batch_size=24).unlearn(clip, given)
    forget = given.forget_examples
    assert forget is not None
    twin.module.requires_grad_(True)
    texts = twin.embed_texts([concept.text for concept in given.concepts])
    logits = twin.logits(twin.encode_images(twin.to_input(forget.pixels)), texts)
    (log_chances(logits, forget.labels, given).sum() / 24).backward()  # type: ignore[no-untyped-call]
    check_first_adam_step(twin, clip, learning_rate=1e-3)


def test_the_history_holds_the_negative_loss_which_has_a_floor() -> None:
    clip, fresh, history = colours(), colours(), History()
    given = colour_request(history=history)
    GradientAscent(learning_rate=0.03, epochs=10).unlearn(clip, given)
    forget = given.forget_examples
    assert forget is not None
    with torch.no_grad():
        texts = fresh.embed_texts([concept.text for concept in given.concepts])
        logits = fresh.logits(fresh.encode_images(fresh.to_input(forget.pixels)), texts)
    losses = history.column("loss")
    assert losses[0] == pytest.approx(float(logits.log_softmax(1)[:, 0].mean()), rel=1e-4)
    assert len(losses) == 10
    assert losses[-1] < losses[0] <= 0
    assert min(losses) >= -(2 * 20 + math.log(5))


def test_the_class_is_forgotten_whatever_becomes_of_the_rest() -> None:
    clip = colours()
    before = copied(clip)
    GradientAscent(learning_rate=3e-3, epochs=10).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.1
    assert moved_names(before, clip) == set(before) - {"text.0.weight", "logit_scale"}


def test_a_small_step_takes_the_class_alone() -> None:
    clip = colours()
    GradientAscent(learning_rate=1e-3, epochs=5).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) < accuracy(clip, retained())


def test_it_needs_no_retain_images() -> None:
    given, clip, blind = colour_request(), colours(), colours()
    method = GradientAscent(learning_rate=1e-3, epochs=2, batch_size=5)
    method.unlearn(clip, given)
    method.unlearn(blind, dataclasses.replace(given, retain_examples=None))
    assert not moved_names(copied(clip), blind)


def test_a_learning_rate_that_blows_up_fails_the_cell() -> None:
    with pytest.raises(CellFailure, match="lower the learning rate"):
        GradientAscent(learning_rate=1e37, epochs=3).unlearn(colours(), colour_request())


def test_it_needs_forget_images_and_two_classes() -> None:
    assert GradientAscent().skip(colours(), colour_request()) is None
    given = dataclasses.replace(colour_request(), forget_examples=None)
    assert "images of the forget set" in str(GradientAscent().skip(colours(), given))
    alone = request(list(COLOURS)[:1], [], forget_examples=colour_request().forget_examples)
    assert "one class only" in str(GradientAscent().skip(colours(), alone))
