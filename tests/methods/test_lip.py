"""Lip against a plain loop that does nothing clever, and its choice of tensors on real architectures."""

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.core import tiny
from tests.methods.support import (
    COLOURS,
    History,
    Untold,
    accuracy,
    borderline,
    colour_request,
    colours,
    copied,
    moved_names,
    paint,
    request,
    retained,
    seen_first,
    synthetic,
)
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.methods.base import Request
from unlearn_bench.methods.lip import Lip
from unlearn_bench.methods.shared.selective import may_move
from unlearn_bench.seeding import generator


@dataclass
class Plain:
    """The algorithm as the paper describes it: whole state dicts, one graph per perturbation."""

    lip: Lip
    image: list[str]
    text: list[str]
    image_counts: list[int]
    text_counts: list[int]
    accuracies: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def loss(self, clip: Clip, x: Tensor, prompts: list[str], sigma: float, noise: torch.Generator) -> Tensor:
        total = torch.zeros(())
        for _ in range(self.lip.perturbations):
            noisy = torch.clamp(x + sigma * torch.randn(x.shape, generator=noise), x.min(), x.max())
            with torch.no_grad():
                z = clip.encode_images(noisy)
            moved = (x - noisy).pow(2).sum(dim=(1, 2, 3)).sqrt()
            out = (clip.encode_images(x) - z).pow(2).sum(1).sqrt()
            if self.lip.text_loss:
                out = out + (clip.embed_texts(prompts) - z).pow(2).sum(1).sqrt()
            total = total + (out / (2 * moved)).sum()
        return total / (2 * self.lip.perturbations)

    def mask(self, clip: Clip, level: int) -> None:
        slopes = {name: value.grad for name, value in clip.module.named_parameters()}
        stay: set[str] = set()
        for names, counts in ((self.image, self.image_counts), (self.text, self.text_counts)):
            means = {
                name: float(slope.abs().sum() / slope.numel())
                for name in names
                if (slope := slopes[name]) is not None
            }
            stay |= set(sorted(means, key=means.__getitem__, reverse=True)[: counts[level]])
        for name, value in clip.module.named_parameters():
            if name not in stay:
                value.grad = None

    def run(self, clip: Clip, given: Request) -> Clip:
        lip, made = self.lip, given.synthesize()
        x = clip.normalise(made.unit)
        noise, order = given.generator("perturbation"), given.generator("order")
        clip.module.requires_grad_(True)
        optimizer = torch.optim.Adam(
            clip.module.parameters(), lr=lip.learning_rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.2
        )
        best, best_state, level = 1.0, copy.deepcopy(clip.module.state_dict()), 0
        for _ in range(lip.max_epochs):
            last: dict[str, Any] = copy.deepcopy(clip.module.state_dict())
            last_optimizer = copy.deepcopy(optimizer.state_dict())
            rows = torch.randperm(len(x), generator=order)
            prompts = [f"A picture of {given.forget[int(made.labels[row])].name}" for row in rows]
            loss = self.loss(clip, x[rows], prompts, lip.sigma_scale * lip.sigmas[level], noise)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.mask(clip, level)
            optimizer.step()
            with torch.no_grad():
                texts = clip.embed_texts([concept.text for concept in given.concepts])
                found = clip.logits(clip.encode_images(x), texts).argmax(1)
            now = float((found == made.labels).float().mean())
            self.accuracies.append(now)
            self.losses.append(float(loss.detach()))
            if now < best:
                best, best_state = now, copy.deepcopy(clip.module.state_dict())
            else:
                clip.module.load_state_dict(last)
                optimizer.load_state_dict(last_optimizer)
                level += 1
            if best <= lip.stop_accuracy or level == len(lip.sigmas):
                break
        clip.module.load_state_dict(best_state)
        return clip


@pytest.mark.parametrize(
    ("settings", "forget"),
    [
        ({"learning_rate": 3e-3}, ("red",)),  # kept and taken back by turns, to the schedule's end
        ({"learning_rate": 0.012}, ("red",)),  # down to the stop
        ({"learning_rate": 0.012}, ("white", "blue")),
        ({"learning_rate": 5e-3, "text_loss": False}, ("green",)),
        ({"learning_rate": 1e-4, "max_epochs": 3}, ("white",)),
        ({"learning_rate": 0.012, "sigma_scale": 3.0}, ("red",)),
    ],
)
def test_lip_is_the_plain_loop(settings: dict[str, Any], forget: tuple[str, ...]) -> None:
    sigmas = (0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
    lip = Lip(
        perturbations=4,
        sigmas=sigmas,
        image_counts=(1, 1, 2, 2, 3, 4, 9),
        text_counts=(1, 1, 1, 2, 3, 4, 9),
        **settings,
    )
    history = History()
    unlearned = lip.unlearn(colours(Untold), colour_request(forget, made=borderline(forget), history=history))
    plain = Plain(
        lip=lip,
        image=[f"image.{layer}.{kind}" for layer in (1, 3) for kind in ("weight", "bias")],
        text=[f"text.{layer}.{kind}" for layer in (2, 4) for kind in ("weight", "bias")],
        image_counts=[1, 1, 2, 2, 3, 4, 9],
        text_counts=[1, 1, 1, 2, 3, 4, 9],
    )
    expected = plain.run(colours(Untold), colour_request(forget, made=borderline(forget)))
    assert history.column("synthetic_accuracy") == pytest.approx(plain.accuracies)
    assert history.column("loss") == pytest.approx(plain.losses, rel=1e-4)
    for name, value in expected.state().items():
        torch.testing.assert_close(unlearned.state()[name], value, rtol=1e-3, atol=1e-4)


def test_a_resnet_s_image_tower_moves_in_eight_tensors_of_its_attention_pool() -> None:
    clip = tiny.resnet()
    moving = [item for item in clip.weights() if may_move(item.place)]
    expected = {f"visual.attnpool.{part}_proj.{kind}" for part in "qkvc" for kind in ("weight", "bias")}
    assert {item.name for item in moving if item.place.tower == "image"} == expected
    text = {item.name for item in moving if item.place.tower == "text"}
    assert len(text) == 24  # twelve in each of two blocks
    assert all(name.startswith("transformer.resblocks.") for name in text)


def test_what_stays_in_a_vision_transformer() -> None:
    clip = tiny.transformer()
    stays = {item.name for item in clip.weights() if not may_move(item.place)}
    assert stays == {
        "positional_embedding",
        "text_projection",
        "logit_scale",
        "token_embedding.weight",
        "ln_final.weight",
        "ln_final.bias",
    }


@pytest.mark.parametrize("build", [tiny.resnet, tiny.transformer])
def test_every_movable_tensor_can_move_and_no_other_does(build: Any) -> None:
    clip: Clip = build()
    unit = torch.rand(4, 3, clip.image_size, clip.image_size, generator=generator("unit"))
    before = copied(clip)
    names = seen_first(clip, unit, COLOURS)
    given = request(names[:1], names[1:], made=synthetic(unit))
    lip = Lip(learning_rate=0.1, image_share=1.0, text_share=1.0, perturbations=2, stop_accuracy=0.0)
    moved = moved_names(before, lip.unlearn(clip, given))
    allowed = {item.name for item in clip.weights() if may_move(item.place)}
    assert moved <= allowed
    assert {clip.locate(name).tower for name in moved} == {"image", "text"}


@pytest.mark.parametrize("build", [tiny.resnet, tiny.transformer])
def test_the_ablation_moves_every_tensor_of_both_towers(build: Any) -> None:
    """Each tensor that the loss reaches, the convolutions and the embeddings of tokens too; never the logit scale."""
    clip: Clip = build()
    lip = Lip(learning_rate=0.1, selective=False, perturbations=2, image_counts=(1,) * 7)
    both = lip.movable(clip)
    assert {item.name for item in clip.weights()} - {item.name for item in both} == {"logit_scale"}
    image = sum(item.place.tower == "image" for item in both)
    assert {(step.image_tensors, step.text_tensors) for step in lip.schedule(both)} == {(image, len(both) - image)}
    unit = torch.rand(4, 3, clip.image_size, clip.image_size, generator=generator("unit"))
    before = copied(clip)
    names = seen_first(clip, unit, COLOURS)
    lip = Lip(learning_rate=0.1, selective=False, perturbations=2, stop_accuracy=0.0)
    moved = moved_names(before, lip.unlearn(clip, request(names[:1], names[1:], made=synthetic(unit))))
    assert moved <= {item.name for item in both}
    assert {clip.locate(name).role for name in moved} > {"token_embedding", "attention", "norm"}


def test_shares_become_numbers_of_tensors_that_grow_and_saturate() -> None:
    moving = tuple(item for item in tiny.resnet().weights() if may_move(item.place))
    lip = Lip(image_share=0.5, text_share=0.01, share_growth=1.5)
    schedule = lip.schedule(moving)
    assert [step.image_tensors for step in schedule] == [4, 6, 8, 8, 8, 8, 8]
    assert [step.text_tensors for step in schedule] == [1, 1, 1, 1, 1, 2, 3]
    assert [step.sigma for step in schedule] == [0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0]


@pytest.mark.parametrize(("image", "text"), [(0.0, 0.5), (0.5, 0.0)])
def test_a_share_of_none_keeps_a_tower_as_it_is(image: float, text: float) -> None:
    moving = tuple(item for item in tiny.resnet().weights() if may_move(item.place))
    schedule = Lip(image_share=image, text_share=text).schedule(moving)
    assert all((step.image_tensors > 0) == (image > 0) for step in schedule)
    assert all((step.text_tensors > 0) == (text > 0) for step in schedule)
    clip = colours(Untold)
    before = copied(clip)
    Lip(learning_rate=0.03, image_share=image, text_share=text).unlearn(clip, colour_request())
    assert {name.partition(".")[0] for name in moved_names(before, clip)} == {"image" if image else "text"}


def test_shares_of_none_on_both_sides_return_the_original_and_say_so() -> None:
    clip, history = colours(Untold), History()
    before = copied(clip)
    Lip(learning_rate=1.0, image_share=0.0, text_share=0.0).unlearn(clip, colour_request(history=history))
    assert not moved_names(before, clip)
    assert history.lines == [
        {"step": 0, "note": "no step of the schedule lets a tensor move: the original is returned"}
    ]


def test_the_scale_multiplies_the_noise_and_one_leaves_the_published_schedule() -> None:
    moving = tuple(item for item in tiny.resnet().weights() if may_move(item.place))
    assert [step.sigma for step in Lip(sigmas=(0.5, 2.0), sigma_scale=3.0).schedule(moving)] == [1.5, 6.0]
    assert tuple(step.sigma for step in Lip().schedule(moving)) == Lip().sigmas


def test_counts_are_taken_as_they_are_up_to_what_there_is() -> None:
    moving = tuple(item for item in tiny.resnet().weights() if may_move(item.place))
    lip = Lip(image_counts=(5, 7, 10, 13, 15, 20, 25), text_counts=(5, 7, 12, 18, 25, 30, 35))
    schedule = lip.schedule(moving)
    assert [step.image_tensors for step in schedule] == [5, 7, 8, 8, 8, 8, 8]
    assert [step.text_tensors for step in schedule] == [5, 7, 12, 18, 24, 24, 24]


def test_lip_forgets_the_class_and_keeps_the_others() -> None:
    clip, history = colours(Untold), History()
    assert accuracy(clip, ["red"]) == 1.0
    Lip(learning_rate=0.01, image_share=1.0, text_share=1.0).unlearn(clip, colour_request(history=history))
    assert accuracy(clip, ["red"]) <= 0.2
    assert accuracy(clip, retained()) >= 0.8
    assert history.column("synthetic_accuracy")[-1] <= 0.1


def test_lip_forgets_two_classes() -> None:
    clip = colours(Untold)
    forget = ("red", "blue")
    Lip(learning_rate=0.01, image_share=1.0, text_share=1.0).unlearn(clip, colour_request(forget))
    assert accuracy(clip, forget) <= 0.3


def test_without_the_text_term_the_text_tower_stays() -> None:
    clip = colours(Untold)
    before = copied(clip)
    lip = Lip(learning_rate=0.03, image_share=1.0, text_share=1.0, text_loss=False)
    moved = moved_names(before, lip.unlearn(clip, colour_request()))
    assert moved
    assert all(name.startswith("image.") for name in moved)


def test_no_accepted_epoch_returns_the_original_and_says_so() -> None:
    clip, history = colours(Untold), History()
    before = copied(clip)
    Lip(learning_rate=1e-9).unlearn(clip, colour_request(history=history))
    assert not moved_names(before, clip)
    assert len(history.column("loss")) == 7
    assert "original" in history.column("note")[0]


def test_skips_and_bad_settings() -> None:
    assert Lip().skip(colours(Untold), colour_request()) is None
    alone = request(["red"], [], made=synthetic(paint(["red"], 2, seed=0)[0]))
    assert "one class" in str(Lip().skip(colours(Untold), alone))
    frozen = colours(Untold)
    frozen.module = nn.ModuleDict({"image": nn.Flatten(), "text": nn.Embedding(4, 4)})
    assert "no tensor" in str(Lip().skip(frozen, colour_request()))
    with pytest.raises(InputError, match="image_counts has 2 numbers and sigmas has 7"):
        Lip(image_counts=(1, 2))
    with pytest.raises(InputError, match="above 0"):
        Lip(sigmas=(0.0, 0.1))
    with pytest.raises(
        InputError, match=r"sigma_scale is 0.0, image_share 0.25, text_share 0.25; give a number above"
    ):
        Lip(sigma_scale=0.0)
    with pytest.raises(InputError, match=r"text_share -0.1"):
        Lip(text_share=-0.1)


def test_an_image_of_one_colour_has_no_distance_and_fails_the_cell() -> None:
    flat = synthetic(torch.full((2, 3, 8, 8), 0.5))
    clip = colours(Untold)
    clip.mean, clip.std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    with pytest.raises(CellFailure, match="loss became"):
        Lip().unlearn(clip, request(["red"], ["blue"], made=flat))
