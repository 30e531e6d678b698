"""CLIPErase: its three modules against their formulas, on class texts and on captions, and each switched off."""

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
    copied,
    moved_names,
    retained,
)
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.methods.base import Examples, Request
from unlearn_bench.methods.clip_erase import CLIPErase
from unlearn_bench.training.loop import trainable_names

MODULES = ("retain", "forget", "consistency")


def caption_request(history: History | None = None) -> Request:
    """Pairs: captions that name the colour and a number, of which some are equal; labels that would mislead."""
    given = colour_request(history=history)

    def captioned(examples: Examples | None) -> Examples:
        assert examples is not None
        texts = tuple(f"{row % 5} {text}" for row, text in enumerate(examples.texts))
        return dataclasses.replace(examples, texts=texts, labels=torch.zeros_like(examples.labels))

    return dataclasses.replace(
        given,
        forget_examples=captioned(given.forget_examples),
        retain_examples=captioned(given.retain_examples),
    )


def unit_vectors(clip: Clip, examples: Examples, rows: Tensor) -> tuple[Tensor, Tensor, list[int]]:
    """Images (B, D) and different texts (U, D) of some pairs, normalised, and each image's column."""
    chosen = [examples.texts[row] for row in rows.tolist()]
    texts = sorted(set(chosen))
    images = clip.encode_images(clip.to_input(examples.pixels[rows]))
    words = clip.embed_texts(texts)
    return (
        images / images.norm(dim=1, keepdim=True),
        words / words.norm(dim=1, keepdim=True),
        [texts.index(text) for text in chosen],
    )


def by_hand(
    clip: Clip, original: Clip, given: Request, forget_rows: Tensor, retain_rows: Tensor
) -> dict[str, Tensor]:
    """The three losses, pair by pair."""
    forget, retain = given.forget_examples, given.retain_examples
    assert forget is not None
    assert retain is not None
    images, texts, column = unit_vectors(clip, forget, forget_rows)
    dots = [images[place] @ texts[owner] for place, owner in enumerate(column)]
    images, texts, column = unit_vectors(clip, retain, retain_rows)
    first, words, _ = unit_vectors(original, retain, retain_rows)
    s, known = clip.logit_scale * images @ texts.T, clip.logit_scale * first @ words.T
    to_text = [s[place, owner] - s[place].logsumexp(0) for place, owner in enumerate(column)]
    to_image, divergence = [], []
    for place in range(len(column)):
        p, q = known[place].softmax(0), s[place].softmax(0)
        divergence.append((p * (p / q).log()).sum() / len(column))
    for owner in range(len(words)):
        mine = [place for place, other in enumerate(column) if other == owner]
        to_image.append(sum(s[place, owner] - s[:, owner].logsumexp(0) for place in mine) / len(mine))
        p, q = known[:, owner].softmax(0), s[:, owner].softmax(0)
        divergence.append((p * (p / q).log()).sum() / len(words))
    return {
        "forget": torch.stack(dots).mean(),
        "retain": -(torch.stack(to_text).mean() + torch.stack([torch.as_tensor(x) for x in to_image]).mean()) / 2,
        "consistency": torch.stack(divergence).sum(),
    }


@pytest.mark.parametrize("captions", [False, True])
def test_the_first_step_by_hand(captions: bool) -> None:
    given = caption_request() if captions else colour_request()
    clip, twin = colours(), colours()
    CLIPErase(learning_rate=1e-3, epochs=1, consistency_weight=0).unlearn(clip, given)
    rows = torch.randperm(12, generator=given.generator("order"))
    others = torch.randperm(48, generator=given.generator("retain order"))
    twin.module.requires_grad_(True)
    losses = by_hand(twin, colours(), given, rows, others[:16])
    (losses["retain"] + 3 * losses["forget"]).backward()  # type: ignore[no-untyped-call]
    check_first_adam_step(twin, clip, learning_rate=1e-3)


@pytest.mark.parametrize("captions", [False, True])
def test_two_steps_by_hand_with_all_modules(captions: bool) -> None:
    """In the second step the model has left the original, so that consistency pulls as well."""
    given = caption_request() if captions else colour_request()
    clip, twin, loose = colours(), colours(), colours()
    settings: dict[str, Any] = {"learning_rate": 3e-3, "epochs": 2}
    CLIPErase(**settings, consistency_weight=5).unlearn(clip, given)
    CLIPErase(**settings, consistency_weight=0).unlearn(loose, given)
    order, others = given.generator("order"), torch.randperm(48, generator=given.generator("retain order"))
    names = trainable_names(twin)
    adam = torch.optim.Adam(twin.train_only(names), lr=3e-3)
    least = {name: torch.full_like(twin.state()[name], torch.inf) for name in names}
    for step in range(2):
        rows = torch.randperm(12, generator=order)
        losses = by_hand(twin, colours(), given, rows, others[16 * step : 16 * step + 16])
        adam.zero_grad()
        (losses["retain"] + 3 * losses["forget"] + 5 * losses["consistency"]).backward()  # type: ignore[no-untyped-call]
        for name, value in twin.module.named_parameters():
            if value.grad is not None:
                least[name] = torch.minimum(least[name], value.grad.abs())
        adam.step()
    compared, pulled = 0, 0
    for name in names:
        sure = least[name] > 1e-3  # where rounding can't turn a sign
        torch.testing.assert_close(clip.state()[name][sure], twin.state()[name].detach()[sure], rtol=0, atol=1e-4)
        compared += int(sure.sum())
        pulled += int(((loose.state()[name] - twin.state()[name]).abs()[sure] > 1e-3).sum())
    assert compared > 500
    assert pulled > 0.1 * compared


@pytest.mark.parametrize("captions", [False, True])
def test_the_second_step_s_losses_are_their_formulas(captions: bool) -> None:
    """By then the model has left the original, so that the divergence is not 0."""
    history = History()
    given = caption_request(history) if captions else colour_request(history=history)
    settings: dict[str, Any] = {"learning_rate": 0.01}
    once = CLIPErase(epochs=1, **settings).unlearn(colours(), dataclasses.replace(given, report=History()))
    CLIPErase(epochs=2, **settings).unlearn(colours(), given)
    order = given.generator("order")
    _, rows = torch.randperm(12, generator=order), torch.randperm(12, generator=order)
    others = torch.randperm(48, generator=given.generator("retain order"))
    with torch.no_grad():
        expected = by_hand(once, colours(), given, rows, others[16:32])
    first, second = history.lines
    assert first["consistency"] == pytest.approx(0, abs=1e-5)
    assert float(expected["consistency"]) > 0.01
    for name in MODULES:
        assert second[name] == pytest.approx(float(expected[name]), rel=1e-3), name
    total = second["retain"] + 3 * second["forget"] + 3 * second["consistency"]
    assert second["loss"] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("off", MODULES)
def test_a_weight_of_0_switches_its_module_off(off: str) -> None:
    history, given = History(), colour_request()
    settings: dict[str, Any] = {f"{off}_weight": 0}
    CLIPErase(epochs=2, **settings).unlearn(colours(), dataclasses.replace(given, report=history))
    assert set(history.lines[0]) == {"step", "loss", *MODULES} - {off}


def test_what_is_switched_off_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(**weights: Any) -> list[int]:
        """Sizes of the batches that pass the trained model's image tower; a copy of it is an error."""
        clip, sizes = colours(), list[int]()
        clip.weights()  # told once what its tensors are, for which it encodes some noise
        encode = clip.encode_images

        def spy(inputs: Tensor) -> Tensor:
            sizes.append(len(inputs))
            return encode(inputs)

        def refuse() -> Clip:
            raise AssertionError("no copy is needed")

        monkeypatch.setattr(clip, "encode_images", spy)
        monkeypatch.setattr(clip, "copy", refuse)
        CLIPErase(epochs=2, consistency_weight=0, **weights).unlearn(clip, colour_request())
        return sizes

    assert counted(retain_weight=0) == [12, 12]
    assert counted(forget_weight=0) == [16, 16]
    assert counted() == [12, 16, 12, 16]


def test_captions_count_and_labels_do_not() -> None:
    captioned, plain, same = colours(), colours(), colours()
    method = CLIPErase(learning_rate=1e-3, epochs=2)
    method.unlearn(plain, colour_request())
    method.unlearn(captioned, caption_request())
    assert moved_names(copied(plain), captioned)
    given = colour_request()
    assert given.forget_examples is not None
    mislabelled = dataclasses.replace(given.forget_examples, labels=torch.full((12,), 3))
    method.unlearn(same, dataclasses.replace(given, forget_examples=mislabelled))
    assert not moved_names(copied(plain), same)


def test_it_forgets_the_class_and_keeps_the_others() -> None:
    clip = colours()
    before = copied(clip)
    CLIPErase(learning_rate=3e-3).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.1
    assert accuracy(clip, retained()) >= 0.9
    assert moved_names(before, clip) == set(before) - {"text.0.weight", "logit_scale"}


def test_consistency_holds_the_outputs_on_the_retain_pairs() -> None:
    given, original = colour_request(), colours()
    rows = torch.arange(48)

    def drift(consistency_weight: float) -> float:
        clip = colours()
        method = CLIPErase(
            learning_rate=3e-3, epochs=10, retain_weight=0, consistency_weight=consistency_weight, batch_size=48
        )
        method.unlearn(clip, given)
        with torch.no_grad():
            return float(by_hand(clip, original, given, torch.arange(12), rows)["consistency"])

    assert drift(3) < 0.3 * drift(0)


@pytest.mark.parametrize("weights", [(0, 0, 0), (1, -1, 1), (float("nan"), 1, 1)])
def test_weights_are_numbers_from_0_and_not_all_0(weights: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="give numbers from 0"):
        CLIPErase(retain_weight=weights[0], forget_weight=weights[1], consistency_weight=weights[2])


def test_a_learning_rate_that_blows_up_fails_the_cell() -> None:
    with pytest.raises(CellFailure, match="lower the learning rate"):
        CLIPErase(learning_rate=1e37).unlearn(colours(), colour_request())


@pytest.mark.parametrize("missing", ["forget_examples", "retain_examples"])
def test_it_needs_both_kinds_of_images(missing: str) -> None:
    assert CLIPErase().skip(colours(), colour_request()) is None
    changes: dict[str, Any] = {missing: None}
    given = dataclasses.replace(colour_request(), **changes)
    assert "it needs real images" in str(CLIPErase().skip(colours(), given))
