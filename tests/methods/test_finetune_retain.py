"""The fine-tuning reference: retain pairs only."""

import dataclasses

import torch

from tests.methods.support import History, accuracy, colour_request, colours, copied, moved_names, retained
from unlearn_bench.methods.finetune_retain import FinetuneRetain
from unlearn_bench.training.loop import contrastive_loss


def test_it_sees_retain_pairs_and_nothing_of_the_forget_set() -> None:
    given, clip, blind = colour_request(), colours(), colours()
    history = History()
    FinetuneRetain(batch_size=16).unlearn(clip, dataclasses.replace(given, report=history))
    FinetuneRetain(batch_size=16).unlearn(blind, dataclasses.replace(given, forget_examples=None))
    for name, value in clip.state().items():
        assert torch.equal(value, blind.state()[name])
    assert len(history.column("loss")) == 3


def test_the_first_loss_is_the_contrastive_loss_of_all_retain_pairs() -> None:
    given, clip, history = colour_request(), colours(), History()
    FinetuneRetain(epochs=1).unlearn(clip, dataclasses.replace(given, report=history))
    fresh, retain = colours(), given.retain_examples
    assert retain is not None
    tokens = fresh.tokenize([concept.text for concept in given.concepts])
    expected = contrastive_loss(fresh, fresh.to_input(retain.pixels), retain.labels, tokens)
    torch.testing.assert_close(torch.tensor(history.column("loss")[0]), expected)


def test_it_keeps_the_others() -> None:
    clip = colours()
    before = copied(clip)
    FinetuneRetain(learning_rate=3e-3, epochs=5).unlearn(clip, colour_request())
    assert accuracy(clip, retained()) >= 0.9
    assert moved_names(before, clip) == set(before) - {"text.0.weight", "logit_scale"}


def test_it_needs_retain_images() -> None:
    assert FinetuneRetain().skip(colours(), colour_request()) is None
    given = dataclasses.replace(colour_request(), retain_examples=None)
    assert "retain set" in str(FinetuneRetain().skip(colours(), given))
