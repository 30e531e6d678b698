"""GradDiff: up on the forget images and down on the retain images, in one step."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.support import (
    History,
    accuracy,
    check_first_adam_step,
    colour_request,
    colours,
    log_chances,
    parted,
    retained,
)
from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Examples, Request
from unlearn_bench.methods.graddiff import GradDiff


def scores(clip: Clip, examples: Examples | None, given: Request) -> Tensor:
    """log p(own class) of each image, (N,)."""
    assert examples is not None
    texts = clip.embed_texts([concept.text for concept in given.concepts])
    logits = clip.logits(clip.encode_images(clip.to_input(examples.pixels)), texts)
    return log_chances(logits, examples.labels, given)


@pytest.mark.parametrize("weight", [0.5, 2.0])
@pytest.mark.parametrize("domains", [False, True])
def test_one_step_by_hand(weight: float, domains: bool) -> None:
    clip, twin, history = colours(), colours(), History()
    given = colour_request(("red", "green"), history=history)
    given = parted(given) if domains else given
    GradDiff(learning_rate=1e-3, epochs=1, retain_weight=weight, batch_size=64).unlearn(clip, given)
    twin.module.requires_grad_(True)
    up = scores(twin, given.forget_examples, given).sum() / 24
    down = scores(twin, given.retain_examples, given).sum() / 36
    loss = up - weight * down
    loss.backward()  # type: ignore[no-untyped-call]
    assert history.column("loss") == pytest.approx([loss.item()], rel=1e-4, abs=1e-6)
    check_first_adam_step(twin, clip, learning_rate=1e-3)


def test_each_step_takes_both_sets_and_the_retain_set_goes_round(monkeypatch: pytest.MonkeyPatch) -> None:
    clip, given, seen = colours(), colour_request(), list[Tensor]()
    clip.weights()  # told once what its tensors are, for which it encodes some noise
    encode = clip.encode_images

    def spy(inputs: Tensor) -> Tensor:
        seen.append(inputs.clone())
        return encode(inputs)

    monkeypatch.setattr(clip, "encode_images", spy)
    GradDiff(epochs=3, batch_size=16).unlearn(clip, given)
    forget, retain = given.forget_examples, given.retain_examples
    assert forget is not None
    assert retain is not None
    assert [len(inputs) for inputs in seen] == [12 + 16] * 3
    order, others = given.generator("order"), torch.randperm(48, generator=given.generator("retain order"))
    for epoch, inputs in enumerate(seen):
        assert torch.equal(inputs[:12], clip.to_input(forget.pixels)[torch.randperm(12, generator=order)])
        rows = others[16 * epoch : 16 * epoch + 16]
        assert torch.equal(inputs[12:], clip.to_input(retain.pixels)[rows])


def test_it_forgets_the_class_and_keeps_the_others() -> None:
    clip = colours()
    GradDiff(learning_rate=3e-3, epochs=10, batch_size=16).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.1
    assert accuracy(clip, retained()) >= 0.8


@pytest.mark.parametrize("missing", ["forget_examples", "retain_examples"])
def test_it_needs_both_kinds_of_images(missing: str) -> None:
    assert GradDiff().skip(colours(), colour_request()) is None
    changes: dict[str, Any] = {missing: None}
    given = dataclasses.replace(colour_request(), **changes)
    assert "it needs real images" in str(GradDiff().skip(colours(), given))
