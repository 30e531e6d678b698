"""Text-space adaptation: the loss and the steps written out, its target, its retries, what never moves."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.core import tiny
from tests.methods.support import (
    COLOURS,
    History,
    Untold,
    accuracy,
    colour_request,
    colours,
    copied,
    moved_names,
    parted,
    request,
    retained,
)
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.methods.base import Concept
from unlearn_bench.methods.text_space_adaptation import TextSpaceAdaptation, nearest
from unlearn_bench.seeding import generator
from unlearn_bench.training.projection import find_projection, hidden_texts


def matrix_of(clip: Clip) -> Tensor:
    projection = find_projection(clip, "text")
    assert projection is not None
    return projection.matrix.clone()


def hidden_of(clip: Clip, names: list[str]) -> Tensor:
    projection = find_projection(clip, "text")
    assert projection is not None
    return hidden_texts(clip, projection, names)


def plain(name: str) -> Concept:
    return Concept(name=name, text="")


def test_two_steps_of_adam_on_the_loss_by_hand() -> None:
    clip, history = tiny.resnet(), History()
    names = list(COLOURS)
    before, hidden = matrix_of(clip), hidden_of(clip, [*names, ""])
    given = request(names[:1], names[1:], history=history)
    empty = hidden[-1] @ before
    p0 = empty / empty.norm()
    bound = 1 / before.shape[0] ** 0.5
    a = ((2 * torch.rand(before.shape[0], 5, generator=generator(0, "adapter")) - 1) * bound).requires_grad_()
    b = torch.zeros(5, before.shape[1]).requires_grad_()
    adam, losses = torch.optim.Adam([a, b], lr=0.02), []
    for _ in range(2):
        new = before + a @ b
        loss = 1.3 * (p0 - hidden[0] @ new).square().sum().sqrt()
        if bool(b.any()):  # a root has no slope at 0
            kept = (hidden[1:5] @ before - hidden[1:5] @ new).square().sum()
            loss = loss + 0.4 * kept.sqrt() + 1.0 * (a @ b).square().sum().sqrt()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    method = TextSpaceAdaptation(learning_rate=0.02, steps=2, trials=1, report_every=1)
    method.unlearn(clip, given)
    torch.testing.assert_close(matrix_of(clip), (before + a @ b).detach(), rtol=1e-4, atol=1e-5)
    assert history.column("loss") == pytest.approx(losses, rel=1e-4)


def test_the_forgotten_name_goes_to_the_target_and_similar_names_stay() -> None:
    clip, method = colours(), TextSpaceAdaptation(steps=400, forget_weight=3.0)
    names = ["red", *retained()]
    before, empty = clip.embed_texts(names).detach(), clip.embed_texts([""]).detach()
    wanted = method.target(torch.cat([before, empty]), 1, generator(0, "empty"))
    method.unlearn(clip, request(["red"], retained()))
    after = clip.embed_texts(names).detach()
    assert float((after[0] - wanted).norm()) <= 0.3 * float((before[0] - wanted).norm())
    assert float((after - before)[1:].norm(dim=1).max()) < 0.1 * float((after - before)[0].norm())


def test_the_class_is_forgotten_through_its_sentence_too() -> None:
    clip = colours()
    TextSpaceAdaptation(steps=400, forget_weight=3.0, size_weight=0.1).unlearn(clip, request(["red"], retained()))
    assert accuracy(clip, ["red"]) <= 0.2
    assert accuracy(clip, retained()) >= 0.95


def test_a_class_in_one_domain_is_its_own_text_whatever_the_template() -> None:
    """In a sentence of the method's own, its name would not be said as the evaluation says it."""
    given = request(["red"], retained())
    forget, retain = (tuple(plain(concept.text) for concept in part) for part in (given.forget, given.retain))
    named = dataclasses.replace(given, forget=forget, retain=retain)
    clips = [colours() for _ in range(3)]
    TextSpaceAdaptation(steps=3, template="no {}").unlearn(clips[0], parted(given))
    TextSpaceAdaptation(steps=3).unlearn(clips[1], named)
    TextSpaceAdaptation(steps=3, template="no {}").unlearn(clips[2], given)
    assert torch.equal(matrix_of(clips[0]), matrix_of(clips[1]))
    assert not torch.equal(matrix_of(clips[0]), matrix_of(clips[2]))


@pytest.mark.parametrize("make", [tiny.resnet, tiny.transformer])
def test_only_the_matrix_of_the_text_projection_moves(make: Any) -> None:
    clip = make()
    before = copied(clip)
    TextSpaceAdaptation(steps=3).unlearn(clip, request(["red"], ["blue", "green"]))
    assert moved_names(before, clip) == {"text_projection"}


def test_the_addition_has_the_rank_that_was_asked_for() -> None:
    clip = tiny.resnet()
    before = matrix_of(clip)
    TextSpaceAdaptation(steps=20, rank=2).unlearn(clip, request(["red"], ["blue", "green", "white"]))
    sizes = torch.linalg.svdvals((matrix_of(clip) - before).double())
    assert int((sizes > 1e-4 * sizes[0]).sum()) == 2


def test_it_starts_again_with_more_weight_until_the_distance_fell_enough() -> None:
    def trials(history: History) -> list[float]:
        return sorted(set(history.column("forget_weight")))

    few, enough = History(), History()
    given = request(["red"], retained(), history=few)
    TextSpaceAdaptation(steps=2, trials=3, weight_step=0.5).unlearn(colours(), given)
    assert trials(few) == pytest.approx([1.3, 1.8, 2.3])
    assert few.column("step") == [0, 2, 4]
    given = dataclasses.replace(given, report=enough)
    TextSpaceAdaptation(steps=2, trials=3, least_reduction=0.0).unlearn(colours(), given)
    assert trials(enough) == [1.3]


def test_the_empty_text_is_moved_off_a_forgotten_name() -> None:
    method = TextSpaceAdaptation(noise=1.0)
    names = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    clear = method.target(torch.cat([names, torch.tensor([[1.0, 3.0]])]), 1, generator("x"))
    torch.testing.assert_close(clear, torch.tensor([1.0, 3.0]) / 10**0.5)
    moved = method.target(torch.cat([names, torch.tensor([[1.0, 0.5]])]), 1, generator("x"))
    assert float(moved.norm()) == pytest.approx(1.0)
    assert float(moved[1]) > float(moved[0])
    far = method.target(1e2 * torch.cat([names, names[:1]]), 1, generator("x"))  # noise of 1 would move it too little
    assert float(far[1]) > float(far[0])
    with pytest.raises(CellFailure, match="raise noise"):
        TextSpaceAdaptation(noise=0.0).target(torch.cat([names, names[:1]]), 1, generator("x"))


def test_similar_names_are_the_nearest_by_cosine_of_any_forgotten_one_each_once() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [9.0, 1.0], [1.0, 9.0], [1.0, 1.1], [-1.0, 0.0]])
    assert nearest(embeddings, 1, 1).tolist() == [2]
    assert nearest(embeddings, 2, 1).tolist() == [2, 3]
    assert nearest(embeddings, 2, 2).tolist() == [2, 3, 4]
    assert nearest(embeddings, 1, 99).tolist() == [1, 2, 3, 4, 5]


def test_it_skips_with_a_reason() -> None:
    assert TextSpaceAdaptation().skip(tiny.transformer(), colour_request()) is None
    assert "text tower" in str(TextSpaceAdaptation().skip(colours(Untold), colour_request()))
    alone = dataclasses.replace(colour_request(), retain=())
    assert "no class is kept" in str(TextSpaceAdaptation().skip(tiny.transformer(), alone))


@pytest.mark.parametrize("name", ["similar", "rank", "steps", "trials", "report_every"])
def test_counts_start_at_1(name: str) -> None:
    wrong: dict[str, Any] = {name: 0}
    with pytest.raises(InputError, match=name):
        TextSpaceAdaptation(**wrong)
