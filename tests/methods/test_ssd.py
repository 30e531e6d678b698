"""SSD: the dampening of its source, weight by weight, from importances written out."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.methods.support import History, accuracy, colour_request, colours, copied, parted, retained
from unlearn_bench.methods.base import Request
from unlearn_bench.methods.ssd import Ssd
from unlearn_bench.training.loop import trainable_names

ALL = 1000  # a batch that holds everything


def importance(given: Request, *, everything: bool) -> dict[str, Tensor]:
    """Squared gradient of the mean cross-entropy, all images in one batch."""
    forget, retain = given.forget_examples, given.retain_examples
    assert forget is not None
    assert retain is not None
    pixels, labels = forget.pixels, forget.labels
    if everything:
        pixels, labels = torch.cat([pixels, retain.pixels]), torch.cat([labels, retain.labels])
    clip = colours()
    clip.module.requires_grad_(True)
    texts = clip.embed_texts([concept.text for concept in given.concepts])
    logits = clip.logits(clip.encode_images(clip.to_input(pixels)), texts)
    domains = [concept.domain for concept in given.concepts]
    strange = torch.tensor([[domain != domains[label] for domain in domains] for label in labels.tolist()])
    # torch's own loss, since ratios of squares show every rounding.
    nn.functional.cross_entropy(logits.masked_fill(strange, -torch.inf), labels).backward()  # type: ignore[no-untyped-call]
    wanted = trainable_names(clip)
    return {n: p.grad.square() for n, p in clip.module.named_parameters() if n in wanted and p.grad is not None}


@pytest.mark.parametrize(("threshold", "dampening"), [(10.0, 1.0), (3.0, 5.0), (2.0, 0.1)])
@pytest.mark.parametrize("domains", [False, True])
def test_every_weight_is_what_the_formula_says(threshold: float, dampening: float, domains: bool) -> None:
    given, clip = colour_request(), colours()
    given = parted(given) if domains else given
    before = copied(clip)
    own, total = importance(given, everything=False), importance(given, everything=True)
    Ssd(threshold=threshold, dampening=dampening, batch_size=ALL).unlearn(clip, given)
    touched = 0
    for name, here in own.items():
        ratio = here.double() / total[name].double().clamp_min(1e-300)
        # What lies on the threshold may fall on either side of a rounding error.
        sure = (ratio / threshold - 1).abs() > 1e-3
        factor = torch.where(ratio > threshold, (dampening / ratio).clamp(max=1.0), 1.0)
        expected = (before[name].double() * factor).float()
        torch.testing.assert_close(clip.state()[name][sure], expected[sure], rtol=1e-3, atol=1e-7)
        stay = sure & (ratio < threshold)
        assert torch.equal(clip.state()[name][stay], before[name][stay])
        touched += int((ratio > threshold).sum())
    assert touched > 0


def test_no_weight_grows_or_changes_sign() -> None:
    clip = colours()
    before = copied(clip)
    Ssd(threshold=1.0, dampening=3.0, batch_size=8).unlearn(clip, colour_request())
    for name, value in clip.state().items():
        assert bool((value.abs() <= before[name].abs()).all())
        assert bool((value * before[name] >= 0).all())


def test_a_threshold_that_nothing_passes_changes_nothing() -> None:
    clip, history = colours(), History()
    before = copied(clip)
    Ssd(threshold=1e30).unlearn(clip, colour_request(history=history))
    assert all(torch.equal(value, before[name]) for name, value in clip.state().items())
    assert history.column("dampened") == [0.0]


def test_what_it_reports() -> None:
    history, clip = History(), colours()
    before = copied(clip)
    Ssd(threshold=2.0, dampening=0.5, batch_size=5).unlearn(clip, colour_request(history=history))
    assert history.column("batches") == [3, 12]  # of 12 forget images, and of 60 in all
    names = trainable_names(clip)
    moved = sum(int((clip.state()[name] != before[name]).sum()) for name in names)
    assert history.column("dampened")[0] >= moved / sum(before[name].numel() for name in names) > 0


def test_batches_are_drawn_by_the_seed() -> None:
    states = [copied(Ssd(threshold=2.0, batch_size=8).unlearn(colours(), colour_request(seed=s))) for s in (0, 1)]
    assert any(not torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_it_forgets_the_class() -> None:
    clip = colours()
    Ssd(threshold=3.0, dampening=0.1).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) < 0.5
    assert accuracy(clip, retained()) > accuracy(clip, ["red"])


@pytest.mark.parametrize("missing", ["forget_examples", "retain_examples"])
def test_it_needs_both_kinds_of_images(missing: str) -> None:
    assert Ssd().skip(colours(), colour_request()) is None
    changes: dict[str, Any] = {missing: None}
    given = dataclasses.replace(colour_request(), **changes)
    assert "it needs real images" in str(Ssd().skip(colours(), given))
