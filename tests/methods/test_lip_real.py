"""LipReal: Lip's loop over real images, cropped anew in every epoch."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.methods.support import (
    COLOURS,
    History,
    accuracy,
    colour_request,
    colours,
    copied,
    examples,
    moved_names,
    paint,
    retained,
)
from unlearn_bench.methods.base import Request
from unlearn_bench.methods.lip import Lip
from unlearn_bench.methods.lip_real import LipReal, crop_box
from unlearn_bench.seeding import generator
from unlearn_bench.synthesis.images import Synthetic

SETTINGS: dict[str, Any] = {"learning_rate": 0.01, "image_share": 1.0, "text_share": 1.0, "perturbations": 3}


def no_synthesis() -> Synthetic:
    raise AssertionError("real images only")


def real_request(history: History | None = None) -> Request:
    return dataclasses.replace(colour_request(history=history), synthesize=no_synthesis, retain_examples=None)


def whole(_: LipReal, inputs: Tensor, __: torch.Generator) -> Tensor:
    return inputs


def test_without_cropping_it_is_lip_on_these_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same images, given to Lip as its synthetic ones, end in the same tensors and the same history."""
    images, labels = paint(["red"], 12, seed=1)
    pixels = examples(images, labels).pixels.permute(0, 3, 1, 2).float() / 255
    made = dataclasses.replace(colour_request().synthesize(), unit=pixels, labels=torch.zeros(12, dtype=torch.int64))
    first, second = History(), History()
    real, plain = colours(), colours()
    monkeypatch.setattr(LipReal, "crops", whole)
    LipReal(**SETTINGS).unlearn(real, real_request(first))
    Lip(**SETTINGS).unlearn(plain, colour_request(made=made, history=second))
    assert first.lines == second.lines
    assert not moved_names(copied(plain), real)
    assert moved_names(copied(colours()), real)


def test_an_epoch_takes_the_gradient_on_crops_and_is_judged_on_whole_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch, one tensor, by hand: Adam's first step is the learning rate in the direction of the gradient."""
    request, clip = real_request(), colours()
    inputs = clip.to_input(request.forget_examples.pixels)  # type: ignore[union-attr]
    flipped = inputs.flip(-2) * 0.5
    monkeypatch.setattr(LipReal, "crops", lambda *_: flipped)
    settings = {**SETTINGS, "learning_rate": 0.2}  # so strong that the epoch is kept
    method = LipReal(**settings, max_epochs=1, weight_decay=0.0, text_loss=False, stop_accuracy=0.0)
    before = colours()
    before.train_only(["image.3.weight"])
    stream, order = generator(0, "perturbation"), generator(0, "order")
    rows = torch.randperm(12, generator=order)
    chosen = flipped[rows]
    total = torch.zeros(())
    for _ in range(3):
        noise = torch.randn(chosen.shape, generator=stream)
        noisy = torch.clamp(chosen + 0.1 * noise, chosen.min(), chosen.max())
        with torch.no_grad():
            constant = before.encode_images(noisy)
        gap = (before.encode_images(chosen) - constant).norm(dim=1)
        total = total + (gap / (2 * (chosen - noisy).flatten(1).norm(dim=1))).sum() / 6
    (slope,) = torch.autograd.grad(total, [before.module.get_parameter("image.3.weight")])
    method.unlearn(clip, request)
    moved = clip.module.get_parameter("image.3.weight") - before.module.get_parameter("image.3.weight")
    strong = slope.abs() > 1e-3
    assert bool(strong.any())
    torch.testing.assert_close(moved[strong], -0.2 * slope[strong].sign(), rtol=0.02, atol=0)


def test_crops_are_parts_of_their_images_and_new_each_time() -> None:
    """A picture that is its own coordinates tells where a crop came from."""
    side = 32
    rows = torch.arange(side).float()
    ramp = torch.stack([rows[:, None].expand(side, side), rows[None].expand(side, side), torch.zeros(side, side)])
    stream = generator("crops of a test")
    found = LipReal().crops(ramp.expand(40, 3, side, side), stream)
    assert found.shape == (40, 3, side, side)
    heights = found[:, 0, -1, 0] - found[:, 0, 0, 0]
    assert float(heights.min()) < 16 < float(heights.max()) < side
    assert 8 < int((found[:, 1, 0, 0] > found[:, 1, 0, -1]).sum()) < 32  # about half are mirrored
    assert not torch.equal(found, LipReal().crops(ramp.expand(40, 3, side, side), stream))
    whole_images = LipReal(least_area=1.0, mirror=0.0).crops(ramp.expand(30, 3, side, side), generator("whole"))
    assert int((whole_images == ramp).all(dim=(1, 2, 3)).sum()) > 0  # ratios that do not fit leave the whole


def test_crop_boxes_keep_to_area_and_ratio() -> None:
    stream = generator("boxes")
    for _ in range(300):
        top, left, height, width = crop_box(64, 0.25, stream)
        assert 0 <= top <= 64 - height
        assert 0 <= left <= 64 - width
        assert 0.25 * 64 * 64 * 0.95 <= height * width <= 64 * 64
        assert 0.72 < width / height < 1.4
    assert crop_box(1, 0.08, stream) == (0, 0, 1, 1)


def test_lip_real_forgets_the_class() -> None:
    clip = colours()
    LipReal(**SETTINGS).unlearn(clip, real_request())
    assert accuracy(clip, ["red"]) <= 0.3
    assert accuracy(clip, retained()) >= 0.7
    assert len(COLOURS) == 5


def test_it_needs_real_images_of_the_forget_set() -> None:
    blind = dataclasses.replace(real_request(), forget_examples=None)
    assert "real images" in str(LipReal().skip(colours(), blind))
    assert LipReal().skip(colours(), real_request()) is None
    frozen = colours()
    frozen.module = nn.ModuleDict({"image": nn.Flatten(), "text": nn.Embedding(4, 4)})
    assert "no tensor" in str(LipReal().skip(frozen, real_request()))
