"""Random labels: forget images with classes that are drawn anew whenever one is seen."""

import dataclasses

import pytest
import torch
from torch import Tensor

from tests.methods.support import (
    COLOURS,
    accuracy,
    check_first_adam_step,
    colour_request,
    colours,
    copied,
    log_chances,
    moved_names,
    parted,
    request,
)
from unlearn_bench.clip import Clip
from unlearn_bench.methods.random_labels import RandomLabels
from unlearn_bench.training.candidates import Candidates


def test_every_image_gets_another_draw_in_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    plain = Candidates.classification_loss

    def spy(self: Candidates, clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
        seen.append((inputs.detach().clone(), labels.clone()))
        assert len(tokens) == 5
        return plain(self, clip, inputs, labels, tokens)

    monkeypatch.setattr(Candidates, "classification_loss", spy)
    given, clip = colour_request(("red", "blue")), colours()
    RandomLabels(epochs=3, batch_size=10).unlearn(clip, given)
    forget = given.forget_examples
    assert forget is not None
    assert [len(labels) for _, labels in seen] == [10, 10, 4] * 3
    order, stream = given.generator("order"), given.generator("relabel")
    for epoch in range(3):
        rows = torch.randperm(24, generator=order)
        inputs = torch.cat([inputs for inputs, _ in seen[3 * epoch : 3 * epoch + 3]])
        assert torch.equal(inputs, clip.to_input(forget.pixels)[rows])
    drawn = [labels for _, labels in seen]
    assert torch.equal(
        torch.cat(drawn), torch.cat([torch.randint(2, 5, (len(labels),), generator=stream) for labels in drawn])
    )
    assert set(torch.cat(drawn).tolist()) == {2, 3, 4}


def test_one_step_by_hand() -> None:
    clip, twin, given = colours(), colours(), colour_request()
    RandomLabels(learning_rate=1e-3, epochs=1).unlearn(clip, given)
    forget = given.forget_examples
    assert forget is not None
    rows = torch.randperm(12, generator=given.generator("order"))
    wrong = torch.randint(1, 5, (12,), generator=given.generator("relabel"))
    twin.module.requires_grad_(True)
    texts = twin.embed_texts([concept.text for concept in given.concepts])
    logits = twin.logits(twin.encode_images(twin.to_input(forget.pixels[rows])), texts)
    (-logits.log_softmax(1)[torch.arange(12), wrong].sum() / 12).backward()  # type: ignore[no-untyped-call]
    check_first_adam_step(twin, clip, learning_rate=1e-3)


def test_in_domains_labels_and_loss_are_of_the_image_s_own() -> None:
    clip, twin, given = colours(), colours(), parted(colour_request(("red", "green")))
    RandomLabels(learning_rate=1e-3, epochs=1, batch_size=24).unlearn(clip, given)
    forget = given.forget_examples
    assert forget is not None
    rows = torch.randperm(24, generator=given.generator("order"))
    labels = forget.labels[rows]
    wrong = given.candidates.draw_others(labels, forget=2, generator=given.generator("relabel"))
    assert set(wrong[labels == 0].tolist()) == {2, 4}  # blue and white are photos as red is
    assert set(wrong[labels == 1].tolist()) == {3}
    twin.module.requires_grad_(True)
    texts = twin.embed_texts([concept.text for concept in given.concepts])
    logits = twin.logits(twin.encode_images(twin.to_input(forget.pixels[rows])), texts)
    (-log_chances(logits, wrong, given).mean()).backward()  # type: ignore[no-untyped-call]
    check_first_adam_step(twin, clip, learning_rate=1e-3)


def test_the_class_becomes_unrecognisable_rather_than_another_one() -> None:
    clip, given = colours(), colour_request()
    RandomLabels(learning_rate=3e-3, epochs=60, batch_size=12).unlearn(clip, given)
    forget = given.forget_examples
    assert forget is not None
    assert accuracy(clip, ["red"]) <= 0.1
    with torch.no_grad():
        texts = clip.embed_texts([concept.text for concept in given.concepts])
        chances = clip.logits(clip.encode_images(clip.to_input(forget.pixels)), texts).softmax(1).mean(0)
    assert float(chances[0]) < 0.1
    assert float(chances[1:].min()) > 0.05  # no class that is kept takes it all


def test_it_needs_no_retain_images_and_no_true_labels() -> None:
    given, clip, blind = colour_request(("red", "blue")), colours(), colours()
    method = RandomLabels(learning_rate=1e-3, epochs=2)
    method.unlearn(clip, given)
    forget = given.forget_examples
    assert forget is not None
    swapped = dataclasses.replace(forget, labels=1 - forget.labels)
    method.unlearn(blind, dataclasses.replace(given, forget_examples=swapped, retain_examples=None))
    assert not moved_names(copied(clip), blind)
    assert moved_names(copied(colours()), clip) == set(clip.state()) - {"text.0.weight", "logit_scale"}


def test_it_needs_forget_images_and_a_class_that_is_kept() -> None:
    assert RandomLabels().skip(colours(), colour_request()) is None
    given = dataclasses.replace(colour_request(), forget_examples=None)
    assert "images of the forget set" in str(RandomLabels().skip(colours(), given))
    everything = request(list(COLOURS), [], forget_examples=colour_request().forget_examples)
    assert "no class is kept" in str(RandomLabels().skip(colours(), everything))
