"""Multimodal null space: the subspace by hand, three modes from the request alone, what passes and what goes."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from tests.core import tiny
from tests.methods.support import (
    History,
    accuracy,
    colour_request,
    colours,
    concepts,
    copied,
    moved_names,
    retained,
    synthetic,
)
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Concept, Request
from unlearn_bench.methods.null_space import NullSpace, siblings
from unlearn_bench.training.projection import directions

STYLES = ("photo", "sketch", "painting")
KINDS = ("dog", "cat", "boat", "tree")


def concept(kind: str, style: str) -> Concept:
    return Concept(name=f"{style} of a {kind}", text=f"{kind[0]}{style}", domain=style, class_name=kind)


def domain_request(forget: list[Concept]) -> Request:
    everything = [concept(kind, style) for style in STYLES for kind in KINDS]
    retain = tuple(item for item in everything if item not in forget)
    return dataclasses.replace(colour_request(), forget=tuple(forget), retain=retain)


def additive(kind: str, style: str) -> Tensor:
    """A text that is the sum of one common axis, its kind's and its style's, so that geometry can be read off."""
    vector = torch.zeros(1 + len(KINDS) + len(STYLES), dtype=torch.float64)
    vector[[0, 1 + KINDS.index(kind), 5 + STYLES.index(style)]] = torch.tensor([2.0, 1.0, 1.0]).double()
    return normalize(vector, dim=0)


def found_map(given: Request, *, strength: float = 1.0, prototypes: Tensor | None = None) -> Tensor:
    """P of the method for additive texts; prototypes are the texts themselves unless given."""
    texts = torch.stack([additive(item.class_name, item.domain) for item in given.concepts])

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Shown(NullSpace):
        def prototypes(self, clip: Clip, request: Request) -> Tensor:
            return texts[: len(given.forget)] if prototypes is None else prototypes

    method = Shown(strength=strength)
    return method.find(colours(), given, texts, texts[len(given.forget) :].mean(0)).at(strength)


def test_global_mode_projects_texts_and_prototypes_out_of_every_image_by_hand() -> None:
    clip, given = colours(), colour_request(("red", "blue"))
    names = ["red", "blue", *retained(("red", "blue"))]
    texts = directions(clip.embed_texts([item.text for item in concepts(names)]))
    centre = texts[2:].mean(0)
    made = given.synthesize()
    seen = normalize(clip.encode_images(clip.normalise(made.unit)).double(), dim=-1)
    basis = torch.linalg.qr((texts - centre).T).Q[:, :4]  # five texts and their kept mean span four dimensions
    rows = [texts[0] - centre, texts[1] - centre]
    rows += [basis @ (basis.T @ (seen[made.labels == label].mean(0) - centre)) for label in (0, 1)]
    u = torch.linalg.qr(torch.stack(rows).T).Q  # (D, 4)
    before = clip.encode_images(clip.normalise(made.unit)).double()
    NullSpace(strength=0.6).unlearn(clip, given)
    after = clip.encode_images(clip.normalise(made.unit)).double()
    torch.testing.assert_close(after, before - 0.6 * before @ u @ u.T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("rank", [1, 2, 0])
def test_rank_is_the_number_of_directions_at_most(rank: int) -> None:
    history = History()
    NullSpace(rank=rank).unlearn(colours(), colour_request(history=history))
    assert history.column("directions") == [rank or 2]  # of one class: its text and its prototype


def test_the_forgotten_text_scores_the_mean_of_the_kept_ones_with_prototypes_too() -> None:
    clip = colours()
    NullSpace(strength=1.0).unlearn(clip, colour_request())
    texts = directions(clip.embed_texts([item.text for item in concepts(["red", *retained()])]))
    noise = torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    scores = normalize(clip.encode_images(noise).double(), dim=-1) @ texts.T
    torch.testing.assert_close(scores[:, 0], scores[:, 1:].mean(1), rtol=0, atol=1e-5)


def test_the_class_is_forgotten_and_the_others_are_mostly_kept() -> None:
    clip = colours()
    NullSpace(strength=1.0).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) == 0.0
    assert accuracy(clip, retained()) >= 0.6  # of four classes in a space of four differences, two directions went


def test_a_gap_that_all_images_share_does_not_reach_the_subspace() -> None:
    forget = [concept("dog", style) for style in STYLES]
    given = domain_request(forget)
    shown = torch.stack([additive("dog", style) for style in STYLES])
    gap = torch.zeros(9, dtype=torch.float64)
    gap[8] = 5.0  # an axis on which texts are all 0
    wide = torch.nn.functional.pad(shown, (0, 1))
    texts = torch.nn.functional.pad(
        torch.stack([additive(item.class_name, item.domain) for item in given.concepts]), (0, 1)
    )

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Shown(NullSpace):
        def prototypes(self, clip: Clip, request: Request) -> Tensor:
            return wide + gap

    found = Shown().find(colours(), given, texts, texts[3:].mean(0)).at(1.0)
    torch.testing.assert_close(found @ gap, gap)


def test_siblings_are_the_kept_concepts_of_a_class_that_goes_in_another_domain() -> None:
    given = domain_request([concept("dog", "sketch")])
    assert [given.concepts[place].name for place in siblings(given)] == ["photo of a dog", "painting of a dog"]
    complete = domain_request([concept(kind, "sketch") for kind in KINDS])
    assert len(siblings(complete)) == 8
    assert siblings(domain_request([concept("dog", style) for style in STYLES])) == []
    assert siblings(colour_request()) == []
    unnamed = Concept(name="dog", text="dog", domain="photo")  # its name says the class
    mixed = dataclasses.replace(given, retain=(unnamed, Concept(name="cat", text="cat", domain="photo")))
    assert siblings(mixed) == [1]


def test_domain_specific_mode_forgets_the_sketch_and_lets_the_photo_pass() -> None:
    given = domain_request([concept("dog", "sketch")])
    onward = found_map(given)
    centre = torch.stack([additive(item.class_name, item.domain) for item in given.retain]).mean(0)
    texts = torch.stack([additive(item.class_name, item.domain) for item in given.concepts])
    offsets = texts - centre
    torch.testing.assert_close(onward @ offsets[0], torch.zeros(8).double(), rtol=0, atol=1e-9)
    for place in siblings(given):
        torch.testing.assert_close(onward @ offsets[place], offsets[place])
    kinds = torch.stack([additive(kind, "sketch") for kind in KINDS])
    assert int((kinds @ (centre + onward @ (kinds[1] - centre))).argmax()) == 1, "a sketch of a cat is a cat still"
    shared = texts[0] - texts[siblings(given)[0]]  # from the photo to the sketch of a dog
    assert float((onward @ shared).norm()) > 0.5 * float(shared.norm())


def test_the_orthogonal_form_would_leave_the_class_in_the_sketch() -> None:
    """Why P is oblique: with the kept siblings in K, I - U U^T takes off little more than the style."""
    given = domain_request([concept("dog", "sketch")])
    texts = torch.stack([additive(item.class_name, item.domain) for item in given.concepts])
    offsets = texts - texts[1:].mean(0)
    basis = torch.linalg.qr(offsets[siblings(given)].T).Q
    u = normalize(offsets[0] - basis @ basis.T @ offsets[0], dim=0)
    sketches = torch.stack([additive(kind, "sketch") for kind in KINDS])
    orthogonal = offsets[0] - (offsets[0] @ u) * u
    assert int((sketches @ orthogonal).argmax()) == 0
    leads = [float(s[0] - s[1:].max()) for s in (sketches @ orthogonal, sketches @ (found_map(given) @ offsets[0]))]
    assert leads[0] > 0.1
    assert leads[1] < 1e-9


def test_complete_mode_takes_the_style_and_keeps_the_classes_of_the_other_domains() -> None:
    given = domain_request([concept(kind, "sketch") for kind in KINDS])
    onward = found_map(given)
    texts = torch.stack([additive(item.class_name, item.domain) for item in given.concepts])
    offsets = texts - texts[4:].mean(0)
    for place in range(4, 12):
        torch.testing.assert_close(onward @ offsets[place], offsets[place])
    style = offsets[:4].mean(0)
    assert float((onward @ style).norm()) < 1e-9
    scores = texts @ (onward @ offsets[:4].T)  # (12 concepts, 4 sketches)
    for place in range(4):
        elsewhere = (scores[4 + place, place] + scores[8 + place, place]) / 2
        torch.testing.assert_close(scores[place, place], elsewhere)  # no more a sketch than a photo
        assert int(scores[4:8, place].argmax()) == place, "and shows what it showed"


def test_what_can_not_be_told_from_what_is_kept_stays_and_the_history_says_so() -> None:
    clip, history = colours(), History()
    twin = Concept(name="other red", text="red it is", domain="sketch", class_name="red")
    forget = (Concept(name="red", text="red it is", domain="photo", class_name="red"),)
    images = synthetic(torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    given = dataclasses.replace(
        colour_request(history=history, made=images), forget=forget, retain=(twin, *concepts(["blue"]))
    )
    before = copied(clip)
    NullSpace(rank=0).unlearn(clip, given)
    assert history.column("directions") == [0]
    assert "original" in history.column("note")[0]
    assert not moved_names(before, clip)


def test_only_the_projection_moves_and_the_images_come_in_batches() -> None:
    states = []
    for size in (1, 64):
        clip = tiny.transformer()
        before = copied(clip)
        unit = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        NullSpace(batch_size=size).unlearn(clip, colour_request(made=synthetic(unit)))
        assert moved_names(before, clip) == {"visual.proj"}
        states.append(clip.state()["visual.proj"])
    torch.testing.assert_close(states[0], states[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"rank": -1}, {"least_sine": 2.0}, {"strength": -1.0}])
def test_wrong_hyperparameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="give"):
        NullSpace(**wrong)
