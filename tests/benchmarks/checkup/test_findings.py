"""Each check of a model finds what it is there to find, and says what to do; a good model passes them all."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.core import tiny
from tests.core.foreign import SIDE, Images, Tower, foreign, spell
from unlearn_bench.benchmarks.checkup import encoding, places, rebuilding, tensors
from unlearn_bench.benchmarks.checkup.checkup import CHECKS, FIRST, speed
from unlearn_bench.benchmarks.checkup.places import RoleCount, count_roles
from unlearn_bench.benchmarks.checkup.subject import Check, Finding, Subject
from unlearn_bench.clip import Clip, Place
from unlearn_bench.models.two_towers import TwoTowers


def found(check: Check, clip: Clip, spec: str = "mine.py:build") -> list[Finding]:
    return list(check(Subject(spec=spec, clip=clip)))


def like(kind: type[TwoTowers], **changed: Any) -> TwoTowers:
    """The foreign model as an instance of a subclass, with other attributes."""
    clip = foreign()
    twin = kind.__new__(kind)
    vars(twin).update({**vars(clip), "_roles": {}, **changed})
    return twin


def with_image(change: Callable[[Tensor], Tensor]) -> TwoTowers:
    """The foreign model with something done to its image embeddings."""
    clip = foreign()
    clip.module.get_submodule("image").register_forward_hook(lambda _, __, out: change(out))
    return clip


OTHERS = tuple(check for check in (*FIRST, *CHECKS) if check is not rebuilding.rebuilt)


@pytest.mark.parametrize("make", [foreign, tiny.resnet, tiny.transformer])
@pytest.mark.parametrize("check", OTHERS, ids=lambda check: check.__name__)
def test_a_good_model_passes(check: Check, make: Callable[[], Clip]) -> None:
    findings = found(check, make())
    assert findings
    assert [item for item in findings if item.verdict != "ok"] == []


def test_checks_leave_the_model_and_the_random_stream_alone() -> None:
    clip = foreign()
    before = {name: value.clone() for name, value in clip.state().items()}
    stream = torch.random.get_rng_state()
    for check in OTHERS:
        found(check, clip)
    assert all(torch.equal(value, before[name]) for name, value in clip.state().items())
    assert torch.equal(stream, torch.random.get_rng_state())
    assert not any(value.requires_grad for value in clip.module.parameters())


class Cut(TwoTowers):
    """Its texts are 32-bit ids."""

    def tokenize(self, texts: Any) -> Tensor:
        return super().tokenize(texts).int()


class SharedName(TwoTowers):
    """Prepares in its own way under the usual name."""

    def prepare(self, image: Image.Image) -> np.ndarray:
        return np.array(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST))


class Floats(TwoTowers):
    """Prepares floats."""

    def prepare(self, image: Image.Image) -> np.ndarray:
        return super().prepare(image).astype(np.float32)


class OwnMean(TwoTowers):
    """Normalises on its way in, where synthetic images do not pass."""

    def to_input(self, prepared: Tensor) -> Tensor:
        return 2 * super().to_input(prepared)


class Stored(TwoTowers):
    """Holds a second reference to a tower, which no copy copies."""

    tower: nn.Module

    def run_image_stages(self, activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        found: Tensor = self.tower(activation)
        return found


class Staged(TwoTowers):
    """Two stages: the patches, then all else."""

    @property
    def image_stages(self) -> tuple[str, ...]:
        return ("stem", "rest")

    def run_image_stages(self, activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        tower = self.module.get_submodule("image")
        assert isinstance(tower, Images)
        for stage in self.image_stages[start:stop]:
            activation = tower.stem(activation) if stage == "stem" else after_stem(tower, activation)
        return activation

    def locate(self, name: str) -> Place:
        place = super().locate(name)
        if place.tower != "image":
            return place
        return replace(place, stage="stem" if name.startswith("image.stem.") else "rest")


def after_stem(tower: Images, patches: Tensor) -> Tensor:
    flat = patches.flatten(2).transpose(1, 2)
    x = torch.cat([tower.cls_token.expand(len(flat), -1, -1), flat], dim=1) + tower.pos_embed
    return tower.finish(x, torch.ones(x.shape[:2], dtype=torch.bool))


class Misplaced(Staged):
    """Says that the patches belong to the second stage."""

    def locate(self, name: str) -> Place:
        place = super().locate(name)
        return replace(place, stage="rest") if place.tower == "image" else place


class Nowhere(TwoTowers):
    """Names a stage that there is not."""

    def locate(self, name: str) -> Place:
        return replace(super().locate(name), stage="attic")


class Swapped(TwoTowers):
    """Counts a tensor of the text tower to the image tower."""

    def locate(self, name: str) -> Place:
        place = super().locate(name)
        return replace(place, tower="image") if name == "text.bytes.weight" else place


class Invented(TwoTowers):
    """Gives a role that there is not."""

    def locate(self, name: str) -> Place:
        return replace(super().locate(name), role="layer")  # type: ignore[arg-type]


class WrongMatrix(TwoTowers):
    """Takes an attention layer for its projection."""

    def locate(self, name: str) -> Place:
        place = super().locate(name)
        if place.role == "projection":
            return replace(place, role="mlp")
        return replace(place, role="projection") if name == "image.blocks.1.mix.to_q.weight" else place


class Silent(TwoTowers):
    """Says nothing of its projections."""

    def locate(self, name: str) -> Place:
        place = super().locate(name)
        return replace(place, role="other") if place.role == "projection" else place


def sharing() -> TwoTowers:
    """Both towers hold one block."""
    clip = foreign()
    image, text = (clip.module.get_submodule(tower) for tower in ("image", "text"))
    assert isinstance(image, Tower)
    assert isinstance(text, Tower)
    text.blocks[0] = image.blocks[0]
    return clip


def dropping() -> TwoTowers:
    """Dropout that is never off."""
    return with_image(lambda out: nn.functional.dropout(out, 0.5, training=True))


def counting() -> TwoTowers:
    """A buffer that every pass moves."""
    clip = foreign()
    tower = clip.module.get_submodule("image")
    tower.register_buffer("passes", torch.zeros(()))
    tower.register_forward_hook(lambda module, _, __: module.get_buffer("passes").add_(1))
    return clip


def unread() -> TwoTowers:
    """A parameter that nothing uses, whose name says nothing."""
    clip = foreign()
    clip.module.get_submodule("text").register_parameter("spare", nn.Parameter(torch.ones(3), requires_grad=False))
    return clip


def zeros_of(name: str) -> TwoTowers:
    clip = foreign()
    with torch.no_grad():
        clip.module.get_parameter(name).fill_(float("nan"))
    return clip


def strict(texts: list[str]) -> Tensor:
    """A tokenizer that refuses what is long."""
    if any(len(text) > 40 for text in texts):
        raise ValueError("too long")
    return spell(texts)


def wordy(texts: list[str]) -> Tensor:
    """A tokenizer that refuses the empty text."""
    if not all(texts):
        raise ValueError("nothing to read")
    return spell(texts)


FAULTS: dict[str, tuple[Check, Callable[[], Clip], str, str]] = {
    "no name": (rebuilding.identity, lambda: like(TwoTowers, name=" "), "error", "has no name"),
    "a path for a name": (
        rebuilding.identity,
        lambda: like(TwoTowers, name="/home/me/x"),
        "warning",
        "reports say 'x'",
    ),
    "weights not finite": (rebuilding.identity, lambda: zeros_of("text.shift"), "error", "text.shift are not finite"),
    "ids of 32 bits": (encoding.shapes, lambda: like(Cut), "error", "(4, 24) int32 for 4 texts"),
    "another width": (encoding.shapes, lambda: with_image(lambda x: x[:, :8]), "error", "8 wide for images, 16 for"),
    "halves": (encoding.shapes, lambda: with_image(lambda x: x.half()), "error", "float16 for a batch of 1"),
    "infinite": (encoding.shapes, lambda: with_image(lambda x: x / 0), "error", "not finite"),
    "normalised": (encoding.shapes, lambda: foreign(normalise=True), "warning", "those before normalisation"),
    "mean over the batch": (
        encoding.batches,
        lambda: with_image(lambda x: x - 0.5 * x.mean(0)),
        "error",
        "apart alone and together",
    ),
    "blind": (encoding.batches, lambda: with_image(torch.ones_like), "error", "same embedding"),
    "padding is read": (encoding.padding, lambda: foreign(masked=False), "error", "the embedding moves by"),
    "no long texts": (
        encoding.padding,
        lambda: like(TwoTowers, _tokenizer=strict),
        "warning",
        "can't be encoded (ValueError: too long); data with captions need it",
    ),
    "no empty text": (
        encoding.padding,
        lambda: like(TwoTowers, _tokenizer=wordy),
        "warning",
        "the empty text can't be encoded (ValueError: nothing to read); text-space-adaptation needs it",
    ),
    "floats": (encoding.preparation, lambda: like(Floats), "error", "(16, 16, 3) float32 for a picture of mode RGB"),
    "a name that is taken": (encoding.preparation, lambda: like(SharedName), "error", "override the property"),
    "normalised elsewhere": (encoding.preparation, lambda: like(OwnMean), "error", "differs from `normalise`"),
    "dropout": (encoding.evaluation, dropping, "error", "two passes differ"),
    "a moving buffer": (encoding.evaluation, counting, "error", "changes the state (image.passes)"),
    "training mode": (
        encoding.evaluation,
        lambda: like(TwoTowers, module=foreign().module.train()),
        "error",
        "is in training mode",
    ),
    "a negative scale": (
        encoding.scale,
        lambda: TwoTowers(nn.Identity(), nn.Identity(), spell, name="n", image_size=8, logit_scale=-1.0),
        "error",
        "-1; give the factor",
    ),
    "a logarithm": (
        encoding.scale,
        lambda: TwoTowers(nn.Identity(), nn.Identity(), spell, name="n", image_size=8, logit_scale=4.6052),
        "warning",
        "give its exponential (100)",
    ),
    "a tower beside the module": (
        tensors.copies,
        lambda: like(Stored, tower=foreign().module.get_submodule("image")),
        "error",
        "hold no second reference",
    ),
    "a stage too late": (tensors.stages, lambda: like(Misplaced), "error", "tensors of stage 'rest' act before it"),
    "an unknown stage": (tensors.stages, lambda: like(Nowhere), "error", "a stage that image_stages does not name"),
    "a tensor of the other tower": (tensors.towers, lambda: like(Swapped), "error", "change text embeddings"),
    "a shared block": (tensors.towers, sharing, "error", "give each tower tensors of its own"),
    "an unknown role": (tensors.towers, lambda: like(Invented), "error", "a tower or role that there is not"),
    "no gradients": (tensors.gradients, lambda: with_image(lambda x: x.detach()), "error", "reach the image tower"),
    "an unused tensor": (tensors.gradients, unread, "warning", "none reach text.spare of the text tower"),
    "a role not told": (places.roles, unread, "warning", "not told of text.spare"),
    "no projection": (places.projections, lambda: foreign(last="none", joint=24), "warning", "does not end in a"),
    "a projection not named": (places.projections, lambda: like(Silent), "warning", "image.matrix acts as one"),
    "a wrong projection": (places.projections, lambda: like(WrongMatrix), "error", "names image.blocks.1.mix.to_q"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_found_and_what_to_do_is_said(case: str) -> None:
    check, make, verdict, text = FAULTS[case]
    findings = found(check, make())
    assert [item for item in findings if item.verdict == verdict and text in item.text], findings


def test_the_pixels_need_gradients_too() -> None:
    clip = foreign()
    clip.module.get_submodule("image").register_forward_pre_hook(lambda _, given: (given[0].detach(),))
    (first, *_) = found(tensors.gradients, clip)
    assert (first.verdict, first.about) == ("error", "gradients")
    assert "no synthetic image can be made" in first.text


def test_stages_that_are_cut_rightly_pass() -> None:
    (finding,) = found(tensors.stages, like(Staged))
    assert finding.verdict == "ok", finding
    assert "stem, rest" in finding.text


def test_padding_is_said_as_it_is() -> None:
    (finding,) = found(encoding.padding, foreign())
    assert (finding.verdict, finding.text) == (
        "ok",
        "12 tokens alone, 24 beside a caption, and the embedding is the same",
    )
    (finding,) = found(encoding.padding, tiny.transformer())
    assert finding.text.startswith("every text is 16 tokens long")


def test_speed_names_its_place() -> None:
    (finding,) = found(speed, foreign())
    assert re.match(r"[\d.]+ ms an image \([\d,]+ a second\), [\d.]+ ms a text", finding.text)
    assert f"{torch.get_num_threads()} threads" in finding.text


def test_roles_are_counted_by_tower() -> None:
    counted = count_roles(foreign())
    assert RoleCount(tower="text", role="token_embedding", tensors=1, parameters=257 * 24) in counted
    assert RoleCount(tower="image", role="projection", tensors=2, parameters=24 * 16 + 16) in counted
    assert sum(item.tensors for item in counted) == len(foreign().weights())
