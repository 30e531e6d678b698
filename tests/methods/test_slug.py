"""SLUG: the two gradients, one tensor that moves, and by how much."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

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
    parted,
    request,
    retained,
)
from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Request
from unlearn_bench.methods.slug import Slug, parting_loss
from unlearn_bench.seeding import generator


def test_the_loss_to_ascend_is_its_formula() -> None:
    clip = tiny.two_towers()
    inputs, labels = torch.randn(4, 3, 8, 8, generator=generator("inputs")), torch.tensor([2, 0, 2, 1])
    tokens = clip.tokenize(tiny.TEXTS)
    with torch.no_grad():
        images, texts = clip.encode_images(inputs).double(), clip.encode_texts(tokens).double()
        cosines = [
            float(v @ texts[y]) / float(v.norm() * texts[y].norm())
            for v, y in zip(images, labels.tolist(), strict=True)
        ]
        assert float(parting_loss(clip, inputs, labels, tokens)) == pytest.approx(1 - sum(cosines) / 4, rel=1e-5)


def forget_gradient(clip: Clip) -> dict[str, torch.Tensor]:
    """Of the mean of 1 - cos(image, text) over the forget images, for each tensor."""
    given = colour_request()
    forget = given.forget_examples
    assert forget is not None
    clip.module.requires_grad_(True)
    texts = clip.embed_texts([concept.text for concept in given.concepts])[forget.labels]
    images = clip.encode_images(clip.to_input(forget.pixels))
    cosines = (nn.functional.normalize(images, dim=1) * nn.functional.normalize(texts, dim=1)).sum(1)
    (1 - cosines).mean().backward()  # type: ignore[no-untyped-call]
    return {name: value.grad for name, value in clip.module.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("stop", [0.0, 0.4])
def test_one_tensor_moves_along_its_gradient_by_the_size_that_is_reported(stop: float) -> None:
    clip, history = colours(), History()
    before = copied(clip)
    Slug(stop_accuracy=stop, batch_size=5).unlearn(clip, colour_request(history=history))
    (name,) = moved_names(before, clip)
    lines = [line for line in history.lines if "tensor" in line]
    (line,) = [line for line in lines if line["tensor"] == name]
    expected = before[name] + line["size"] * forget_gradient(colours())[name]
    torch.testing.assert_close(clip.state()[name], expected, rtol=1e-3, atol=1e-5)
    assert line["forget_accuracy"] <= stop
    down = [other["retain_accuracy"] for other in lines if other["forget_accuracy"] <= stop]
    assert line["retain_accuracy"] == max(down)


def test_the_first_size_is_a_share_of_the_norms_ratio() -> None:
    history, slopes, state = History(), forget_gradient(colours()), colours().state()
    Slug(first_step=0.2, search_steps=1).unlearn(colours(), colour_request(history=history))
    lines = [line for line in history.lines if "tensor" in line]
    assert lines
    for line in lines:
        name = line["tensor"]
        assert line["size"] == pytest.approx(0.2 * float(state[name].norm() / slopes[name].norm()), rel=1e-3)


def image_request(history: History | None = None) -> Request:
    """Noise as images of the five colours, of the size that the tiny transformer takes."""
    names = list(COLOURS)
    unit = torch.rand(10, 3, 32, 32, generator=generator("unit"))
    return request(
        names[:1],
        names[1:],
        forget_examples=examples(unit[:4], torch.zeros(4, dtype=torch.int64)),
        retain_examples=examples(unit[4:], torch.tensor([1, 2, 3, 4, 1, 2])),
        history=history,
    )


def both_gradients(clip: Clip, given: Request) -> list[dict[str, torch.Tensor]]:
    """Of L_f on all forget images and of CLIP's loss on all retain images, for each tensor that they reach."""
    found, texts = [], clip.tokenize([concept.text for concept in given.concepts])
    parameters = dict(clip.module.requires_grad_(True).named_parameters())
    for part in (given.forget_examples, given.retain_examples):
        assert part is not None
        images = nn.functional.normalize(clip.encode_images(clip.to_input(part.pixels)), dim=1)
        words = nn.functional.normalize(clip.encode_texts(texts), dim=1)
        cosines = images @ words.T
        loss = (1 - cosines[:, 0]).mean()
        if part is given.retain_examples:
            scores, rows = clip.logit_scale * cosines[:, 1:], torch.arange(len(part))
            own = nn.functional.one_hot(part.labels - 1, 4).bool()
            to_image = [scores[:, k].log_softmax(0)[own[:, k]].mean() for k in range(4)]
            loss = -(scores.log_softmax(1)[rows, part.labels - 1].mean() + torch.stack(to_image).mean()) / 2
        slopes = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        found.append({name: slope for name, slope in zip(parameters, slopes, strict=True) if slope is not None})
    clip.module.requires_grad_(False)
    return found


def test_the_front_of_each_tower_is_tried_and_nothing_else() -> None:
    """From gradients of one's own: all pairs compared, and each size from the tensor's own gradient."""
    clip, history = tiny.transformer(), History()
    forget, retain = both_gradients(clip, image_request())
    points = {}
    for name, slope in forget.items():
        place, value = clip.locate(name), clip.state()[name]
        if place.role in {"token_embedding", "scale"} or name.endswith("bias") or "_embedding" in name:
            continue
        other = retain[name]
        price = abs(float((slope * other).sum()) / float(slope.norm() * other.norm()))
        points[name] = (place.tower, float(slope.norm() / value.norm()), price)
    front = [
        name
        for name, (tower, gain, price) in points.items()
        if not any(t == tower and g > gain and p < price for t, g, p in points.values())
    ]
    Slug(first_step=0.2, search_steps=1).unlearn(clip, image_request(history))
    lines = [line for line in history.lines if "tensor" in line]
    assert [line["tensor"] for line in lines] == front
    assert {clip.locate(name).tower for name in front} == {"image", "text"}
    assert len(front) < len(points) / 2
    for line in lines:
        assert line["size"] == pytest.approx(0.2 / points[line["tensor"]][1], rel=1e-2)


def test_the_search_judges_among_the_texts_of_the_images_own_domain() -> None:
    """Alone in its domain, a class is never taken for another: no step is large enough."""
    history = History()
    alone = {name: "photo" if name == "red" else "sketch" for name in COLOURS}
    Slug(search_steps=3).unlearn(colours(), parted(colour_request(history=history), alone))
    assert set(history.column("forget_accuracy")) == {1.0}
    whole = History()
    Slug(search_steps=3).unlearn(colours(), colour_request(history=whole))
    assert min(whole.column("forget_accuracy")) < 1.0


def test_candidates_are_no_biases_and_no_embeddings() -> None:
    clip, history = tiny.transformer(), History()
    given = image_request(history)
    before = copied(clip)
    Slug(search_steps=2).unlearn(clip, given)
    tried = history.column("tensor")
    assert tried
    assert not [name for name in tried if name.endswith("bias") or "embedding" in name]
    assert {clip.locate(name).tower for name in tried} == {"image", "text"}
    assert len(moved_names(before, clip)) == 1


def test_gradient_and_search_look_at_a_draw_of_the_retain_images() -> None:
    lines, losses = [], []
    for seed in (0, 1):
        history = History()
        Slug(retain_images=9, search_images=5, search_steps=4).unlearn(
            colours(), colour_request(seed=seed, history=history)
        )
        lines.append(history.column("retain_accuracy"))
        losses.append(history.column("loss"))
    assert all(round(5 * share, 6) in range(6) for share in lines[0] + lines[1])
    assert losses[0][0] == pytest.approx(losses[1][0])  # of the forget images, all of them
    assert losses[0][1] != pytest.approx(losses[1][1])


def test_slug_forgets_the_class_and_keeps_the_others() -> None:
    clip = colours()
    Slug().unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.3
    assert accuracy(clip, retained()) >= 0.8


@pytest.mark.parametrize("missing", ["forget_examples", "retain_examples"])
def test_it_needs_both_kinds_of_images(missing: str) -> None:
    assert Slug().skip(colours(), colour_request()) is None
    changes: dict[str, Any] = {missing: None}
    given = dataclasses.replace(colour_request(), **changes)
    assert "it needs real images" in str(Slug().skip(colours(), given))
