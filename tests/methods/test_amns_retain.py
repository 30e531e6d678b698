"""AmnsRetain: wrong texts for real forget images among true retain pairs."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.support import History, accuracy, colour_request, colours, retained
from unlearn_bench.clip import Clip
from unlearn_bench.methods import amns_retain
from unlearn_bench.methods.amns_retain import AmnsRetain
from unlearn_bench.training.loop import contrastive_loss


def test_forget_images_get_one_wrong_label_and_retain_images_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def spy(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
        seen.append((inputs.detach().clone(), labels.clone()))
        return contrastive_loss(clip, inputs, labels, tokens)

    monkeypatch.setattr(amns_retain, "contrastive_loss", spy)
    given, clip = colour_request(), colours()
    AmnsRetain(epochs=2, batch_size=16).unlearn(clip, given)
    forget, retain = given.forget_examples, given.retain_examples
    assert forget is not None
    assert retain is not None
    wrong = torch.randint(1, 5, (12,), generator=given.generator("relabel"))
    pixels = torch.cat([forget.pixels, retain.pixels])
    expected = torch.cat([wrong, retain.labels])
    assert len(seen) == 8  # sixty images in batches of sixteen, twice
    stream = given.generator("order")
    for epoch in range(2):
        rows = torch.randperm(60, generator=stream)
        inputs, labels = zip(*seen[4 * epoch : 4 * epoch + 4], strict=True)
        torch.testing.assert_close(torch.cat(inputs), clip.to_input(pixels[rows]))
        assert torch.equal(torch.cat(labels), expected[rows])


@pytest.mark.parametrize("weight", [1.0, 8.0, 0.2])
def test_forget_images_count_with_their_weight(weight: float) -> None:
    """One batch of all images: the loss written out, each side of it a weighted mean."""
    given, history = colour_request(), History()
    given = dataclasses.replace(given, report=history)
    forget, retain = given.forget_examples, given.retain_examples
    assert forget is not None
    assert retain is not None
    AmnsRetain(epochs=1, forget_weight=weight).unlearn(colours(), given)
    clip = colours()
    labels = torch.cat([torch.randint(1, 5, (12,), generator=given.generator("relabel")), retain.labels])
    present = sorted(set(labels.tolist()))
    with torch.no_grad():
        texts = clip.embed_texts([given.concepts[label].text for label in present])
        images = clip.encode_images(clip.to_input(torch.cat([forget.pixels, retain.pixels])))
        logits = clip.logits(images, texts).double()
    heavy, total, heavy_total, other = [weight] * 12 + [1.0] * 48, 0.0, 0.0, 0.0
    for row, label in enumerate(labels.tolist()):
        column, shared = present.index(label), heavy[row] / labels.tolist().count(label)
        total -= heavy[row] * float(logits.log_softmax(1)[row, column])
        other -= shared * float(logits.log_softmax(0)[row, column])
        heavy_total += shared
    expected = (total / sum(heavy) + other / heavy_total) / 2
    assert history.column("loss") == pytest.approx([expected], rel=1e-4)


def test_a_forget_weight_of_one_is_the_plain_mean_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As published: nothing of the weights is computed."""
    monkeypatch.setattr(amns_retain, "with_forget_weight", None)
    history = History()
    AmnsRetain(epochs=1, forget_weight=1.0).unlearn(colours(), dataclasses.replace(colour_request(), report=history))
    assert len(history.column("loss")) == 1


def test_it_forgets_the_class_and_keeps_the_others() -> None:
    clip = colours()
    AmnsRetain(learning_rate=0.03, epochs=10, batch_size=16).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.4
    assert accuracy(clip, retained()) >= 0.8


@pytest.mark.parametrize("missing", ["forget_examples", "retain_examples"])
def test_it_needs_both_kinds_of_images(missing: str) -> None:
    assert AmnsRetain().skip(colours(), colour_request()) is None
    changes: dict[str, Any] = {missing: None}
    given = dataclasses.replace(colour_request(), **changes)
    assert "it needs real images" in str(AmnsRetain().skip(colours(), given))
