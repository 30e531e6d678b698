"""SalUn: the mask of its source, and weights outside it that stay bit for bit."""

import dataclasses
from typing import Any

import pytest
import torch

from tests.methods.support import (
    accuracy,
    colour_request,
    colours,
    copied,
    log_chances,
    moved_names,
    parted,
    retained,
)
from unlearn_bench.clip import Clip, State
from unlearn_bench.methods import salun as salun_module
from unlearn_bench.methods.base import Request
from unlearn_bench.methods.salun import SalUn
from unlearn_bench.training.loop import trainable_names


def saliency(clip: Clip, given: Request) -> State:
    """|gradient| of the cross-entropy on the true class of the forget images, in one batch."""
    forget = given.forget_examples
    assert forget is not None
    clip.module.requires_grad_(True)
    texts = clip.embed_texts([concept.text for concept in given.concepts])
    logits = clip.logits(clip.encode_images(clip.to_input(forget.pixels)), texts)
    (-log_chances(logits, forget.labels, given).mean()).backward()  # type: ignore[no-untyped-call]
    parameters = dict(clip.module.named_parameters())
    slopes = {name: parameters[name].grad for name in trainable_names(clip)}
    return {name: slope.abs() for name, slope in slopes.items() if slope is not None}


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_only_the_salient_weights_move_with_momentum_and_decay_on(share: float) -> None:
    clip = colours()
    before = copied(clip)
    sizes = saliency(colours(), colour_request())
    ranked = torch.cat([size.flatten() for size in sizes.values()]).sort(descending=True).values
    threshold = ranked[round(share * len(ranked)) - 1]
    # The least salient weights of the mask may fall on either side of a rounding error.
    sure, out = threshold * 1.001, threshold * 0.999
    SalUn(saliency=share, weight_decay=0.1, epochs=2, batch_size=5).unlearn(clip, colour_request())
    moved = total = 0
    for name, size in sizes.items():
        value = clip.state()[name]
        assert torch.equal(value[size < out], before[name][size < out])
        moved += int((value != before[name])[size > sure].sum())
        total += int((size > sure).sum())
    assert moved > 0.99 * total
    for name in ("text.0.weight", "logit_scale"):
        assert torch.equal(clip.state()[name], before[name])


@pytest.mark.parametrize(("domains", "weight"), [(False, 1.0), (True, 1.0), (False, 5.0), (True, 0.3)])
def test_one_step_by_hand(domains: bool, weight: float) -> None:
    clip, twin, given = colours(), colours(), colour_request(("red", "green"))
    given = parted(given) if domains else given
    salun = SalUn(saliency=1.0, learning_rate=0.02, epochs=1, batch_size=128, forget_weight=weight)
    salun.unlearn(clip, given)
    forget, retain = given.forget_examples, given.retain_examples
    assert forget is not None
    assert retain is not None
    sizes = saliency(colours(), given)
    stream = given.generator("relabel")
    wrong = given.candidates.draw_others(forget.labels, forget=2, generator=stream)
    kept = ({2, 4}, {3}) if domains else ({2, 3, 4}, {2, 3, 4})  # of photos, of sketches
    assert tuple(set(wrong[forget.labels == label].tolist()) for label in (0, 1)) == kept
    labels = torch.cat([wrong, retain.labels])
    inputs = twin.to_input(torch.cat([forget.pixels, retain.pixels]))
    twin.module.requires_grad_(True)
    texts = twin.embed_texts([concept.text for concept in given.concepts])
    heavy = torch.tensor([weight] * len(forget) + [1.0] * len(retain))
    chances = log_chances(twin.logits(twin.encode_images(inputs), texts), labels, given)
    loss = -(heavy * chances).sum() / heavy.sum()
    loss.backward()  # type: ignore[no-untyped-call]
    for name, value in twin.module.named_parameters():
        if name in sizes and value.grad is not None:
            changed = value.detach() - 0.02 * (value.grad + 5e-4 * value.detach())
            expected = torch.where(sizes[name] > 0, changed, value.detach())
            torch.testing.assert_close(clip.state()[name], expected, rtol=1e-4, atol=1e-6)


def test_a_forget_weight_of_one_is_the_plain_mean_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As published: nothing of the weights is computed."""
    clip, other = colours(), colours()
    SalUn(batch_size=16, epochs=2, forget_weight=1.5).unlearn(other, colour_request())
    monkeypatch.setattr(salun_module, "with_forget_weight", None)
    SalUn(batch_size=16, epochs=2, forget_weight=1.0).unlearn(clip, colour_request())
    assert moved_names(copied(clip), other)


def test_salun_forgets_the_class_and_keeps_the_others() -> None:
    clip = colours()
    SalUn(batch_size=16).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.3
    assert accuracy(clip, retained()) >= 0.8


@pytest.mark.parametrize("missing", ["forget_examples", "retain_examples"])
def test_it_needs_both_kinds_of_images(missing: str) -> None:
    assert SalUn().skip(colours(), colour_request()) is None
    changes: dict[str, Any] = {missing: None}
    given = dataclasses.replace(colour_request(), **changes)
    assert "it needs real images" in str(SalUn().skip(colours(), given))
