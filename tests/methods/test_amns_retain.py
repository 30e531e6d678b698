"""AmnsRetain: wrong texts for real forget images among true retain pairs."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.support import accuracy, colour_request, colours, retained
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
