"""Amns: wrong texts, drawn once, for synthetic images."""

import pytest
import torch

from tests.methods.support import (
    History,
    accuracy,
    colour_request,
    colours,
    copied,
    moved_names,
    paint,
    request,
    synthetic,
)
from unlearn_bench.methods.amns import Amns


def test_one_epoch_by_hand() -> None:
    forget = ("red", "blue")
    clip, twin, history = colours(), colours(), History()
    Amns(learning_rate=1e-3, epochs=1).unlearn(clip, colour_request(forget, history=history))
    given = colour_request(forget)
    wrong = torch.randint(2, 5, (32,), generator=given.generator("relabel"))
    assert set(wrong.tolist()) == {2, 3, 4}  # never a class of the forget set
    rows = torch.randperm(32, generator=given.generator("order"))
    x, y = twin.normalise(given.synthesize().unit)[rows], wrong[rows]
    names = [name for name, _ in twin.module.named_parameters() if name != "text.0.weight"]
    optimizer = torch.optim.Adam(twin.train_only(names), lr=1e-3)
    logits = twin.logits(twin.encode_images(x), twin.embed_texts([c.text for c in given.concepts]))[:, 2:]
    to_text = -logits.log_softmax(1)[torch.arange(32), y - 2].mean()
    to_image = torch.stack([-logits.log_softmax(0)[y == c, c - 2].mean() for c in (2, 3, 4)]).mean()
    loss = (to_text + to_image) / 2
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert history.column("loss") == pytest.approx([float(loss.detach())], rel=1e-5)
    for name, value in twin.state().items():
        torch.testing.assert_close(clip.state()[name], value, rtol=1e-4, atol=2e-4)


def test_the_token_embedding_stays() -> None:
    clip = colours()
    before = copied(clip)
    moved = moved_names(before, Amns(learning_rate=1e-2).unlearn(clip, colour_request()))
    assert moved == set(before) - {"text.0.weight", "logit_scale"}


def test_amns_forgets_the_class() -> None:
    clip, history = colours(), History()
    Amns(learning_rate=0.01, epochs=10).unlearn(clip, colour_request(history=history))
    assert accuracy(clip, ["red"]) <= 0.3
    assert len(history.column("synthetic_accuracy")) == 10


def test_without_another_class_there_is_no_wrong_text() -> None:
    assert Amns().skip(colours(), colour_request()) is None
    alone = request(["red"], [], made=synthetic(paint(["red"], 2, seed=0)[0]))
    assert "no class is kept" in str(Amns().skip(colours(), alone))
