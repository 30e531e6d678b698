"""Text null space: the formula written out, the mean of the kept scores, and why the mean text is taken off."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from tests.core import tiny
from tests.methods.support import (
    COLOURS,
    History,
    Untold,
    accuracy,
    colour_request,
    colours,
    concepts,
    copied,
    moved_names,
    paint,
    request,
    retained,
)
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.methods.text_null_space import TextNullSpace
from unlearn_bench.training.projection import directions, removal


def texts_of(clip: Clip, forget: tuple[str, ...] = ("red",)) -> Tensor:
    return directions(clip.embed_texts([item.text for item in concepts([*forget, *retained(forget)])]))


def images_of(clip: Clip) -> Tensor:
    return clip.encode_images(clip.normalise(paint(list(COLOURS), 5, seed=6)[0])).detach().double()


@pytest.mark.parametrize("strength", [0.5, 1.0, 1.5])
def test_every_image_embedding_is_projected_as_the_formula_says(strength: float) -> None:
    clip = colours()
    texts, before = texts_of(clip), images_of(clip)
    u = texts[0] - (texts[1] + texts[2] + texts[3] + texts[4]) / 4
    u = u / u.square().sum().sqrt()
    expected = torch.stack([image - strength * float(image @ u) * u for image in before])
    TextNullSpace(strength=strength).unlearn(clip, colour_request())
    torch.testing.assert_close(images_of(clip), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("forget", [("red",), ("red", "blue")])
def test_at_strength_1_a_forgotten_text_scores_the_mean_of_the_kept_ones_on_any_image(
    forget: tuple[str, ...],
) -> None:
    clip = colours()
    TextNullSpace(strength=1.0).unlearn(clip, colour_request(forget))
    noise = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    scores = normalize(clip.encode_images(noise).double(), dim=-1) @ texts_of(clip, forget).T  # (40, 5)
    kept = scores[:, len(forget) :].mean(1, keepdim=True)
    torch.testing.assert_close(scores[:, : len(forget)], kept.expand(-1, len(forget)), rtol=0, atol=1e-5)
    assert int((scores.argmax(1) < len(forget)).sum()) == 0


def test_a_part_of_the_strength_leaves_a_part_of_the_lead() -> None:
    clip = colours()
    texts = texts_of(clip)
    u = texts[0] - texts[1:].mean(0)
    before = images_of(clip) @ u
    TextNullSpace(strength=0.8).unlearn(clip, colour_request())
    torch.testing.assert_close(images_of(clip) @ u, 0.2 * before, rtol=1e-3, atol=1e-4)


def test_the_class_is_forgotten_and_the_others_are_kept() -> None:
    clip = colours()
    assert accuracy(clip, ["red"]) == 1.0
    history = History()
    TextNullSpace(strength=1.0).unlearn(clip, colour_request(history=history))
    assert accuracy(clip, ["red"]) == 0.0
    assert accuracy(clip, retained()) >= 0.95
    assert history.lines == [{"step": 0, "directions": 1}]


def test_what_all_images_and_texts_share_changes_no_ranking_only_if_the_mean_is_taken_off() -> None:
    """Three classes: a wolf, a dog like it, a boat. The first axis is common to all texts, the last to all images."""
    texts = directions(
        torch.tensor([[2.0, 1.0, 0.5, 0.0, 0.0], [2.0, 1.0, -0.5, 0.0, 0.0], [2.0, -1.0, 0.0, 1.0, 0.0]])
    )
    dog = texts[1] + torch.tensor([4.0, 0.0, 0.0, 0.0, 3.0]).double()  # the class and what all images share
    assert int((texts @ dog).argmax()) == 1
    kept, nothing = texts[1:].mean(0), texts[:0]
    centred = removal((texts[0] - kept)[None], nothing).at(1.0)
    raw = removal(texts[:1], nothing).at(1.0)
    assert int((texts @ (centred @ dog)).argmax()) == 1
    assert int((texts @ (raw @ dog)).argmax()) == 2, "without the mean a dog becomes a boat"


def test_without_centring_it_is_the_plain_projection() -> None:
    clip = colours()
    t, before = texts_of(clip)[0], images_of(clip)
    TextNullSpace(strength=1.0, centred=False).unlearn(clip, colour_request())
    torch.testing.assert_close(images_of(clip), before - (before @ t)[:, None] * t, rtol=1e-4, atol=1e-4)


def test_in_the_text_tower_the_forgotten_text_moves_towards_the_mean() -> None:
    clip = colours()
    texts = clip.embed_texts([item.text for item in concepts(list(COLOURS))]).detach().double()
    u = directions(texts)
    u = u[0] - u[1:].mean(0)
    u = u / u.norm()
    before = copied(clip)
    TextNullSpace(strength=0.0, text_strength=0.5).unlearn(clip, colour_request())
    after = clip.embed_texts([item.text for item in concepts(list(COLOURS))]).detach().double()
    torch.testing.assert_close(after, texts - 0.5 * (texts @ u)[:, None] * u, rtol=1e-4, atol=1e-4)
    assert {name.split(".")[0] for name in moved_names(before, clip)} == {"text"}


@pytest.mark.parametrize(
    ("chosen", "moved"),
    [
        ({"text_strength": 0.0}, {"visual.attnpool.c_proj.weight", "visual.attnpool.c_proj.bias"}),
        ({"strength": 0.0, "text_strength": 1.0}, {"text_projection"}),
    ],
)
def test_only_final_projections_move(chosen: dict[str, Any], moved: set[str]) -> None:
    clip = tiny.resnet()
    with torch.no_grad():
        clip.module.get_parameter("visual.attnpool.c_proj.bias").fill_(0.1)
    before = copied(clip)
    TextNullSpace(**chosen).unlearn(clip, request(["red"], ["blue", "green"]))
    assert moved_names(before, clip) == moved


def test_it_skips_with_a_reason() -> None:
    assert TextNullSpace().skip(colours(), colour_request()) is None
    assert "image tower" in str(TextNullSpace().skip(colours(Untold), colour_request()))
    alone = dataclasses.replace(colour_request(), retain=())
    assert "no class is kept" in str(TextNullSpace().skip(colours(), alone))
    assert TextNullSpace(strength=0.0, text_strength=1.0).skip(tiny.transformer(), colour_request()) is None


@pytest.mark.parametrize("wrong", [{"strength": -1.0}, {"strength": 0.0}, {"text_strength": -0.1}])
def test_strengths_that_do_nothing_or_point_the_other_way_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="strength"):
        TextNullSpace(**wrong)
