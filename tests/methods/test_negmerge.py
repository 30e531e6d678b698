"""NegMerge: copies that differ, what they agree on, and nothing else."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.support import History, accuracy, colour_request, colours, copied, moved_names, retained
from unlearn_bench.methods.negmerge import NegMerge
from unlearn_bench.methods.task_negation import TaskNegation


def negated(rate: float, purpose: str, **changes: Any) -> dict[str, Tensor]:
    """Minus the task vector of one copy: what `TaskNegation` at coefficient 1 does with another order of images."""
    clip, given = colours(), colour_request()
    method = TaskNegation(learning_rate=rate, **changes)
    vector = method.vector(clip, given, rate, purpose=purpose, report=lambda *_, **__: None)
    return {name: -value for name, value in vector.items()}


def test_each_weight_moves_by_the_mean_of_what_the_copies_agree_on() -> None:
    clip, before = colours(), copied(colours())
    method = NegMerge(learning_rate=1e-3, spread=2.0, copies=3, epochs=3, batch_size=4, coefficient=1.5)
    method.unlearn(clip, colour_request())
    rates = (0.5e-3, 1e-3, 2e-3)
    parts = [negated(rate, f"order of copy {k}", epochs=3, batch_size=4) for k, rate in enumerate(rates)]
    agreed = disputed = 0
    for name in parts[0]:
        one, two, three = (part[name] for part in parts)
        same = ((one > 0) & (two > 0) & (three > 0)) | ((one < 0) & (two < 0) & (three < 0))
        moved = torch.where(same, 1.5 * (one + two + three) / 3, 0.0)
        torch.testing.assert_close(clip.state()[name], before[name] + moved, rtol=1e-4, atol=1e-6)
        assert torch.equal(clip.state()[name][~same], before[name][~same])
        agreed, disputed = agreed + int(same.sum()), disputed + int((~same).sum())
    assert agreed > 0
    assert disputed > 0


def test_one_copy_is_task_negation() -> None:
    """But for the order of the images, of which there is one batch."""
    settings: dict[str, Any] = {"learning_rate": 1e-3, "epochs": 2, "batch_size": 64, "coefficient": 2.0}
    one = NegMerge(copies=1, **settings).unlearn(colours(), colour_request()).state()
    two = TaskNegation(**settings).unlearn(colours(), colour_request()).state()
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("copies", "rates"), [(1, [1e-3]), (2, [1e-3 / 3, 3e-3]), (3, [1e-3 / 3, 1e-3, 3e-3])])
def test_learning_rates_and_steps_of_the_copies(copies: int, rates: list[float]) -> None:
    history = History()
    method = NegMerge(learning_rate=1e-3, copies=copies, epochs=2, batch_size=4)
    method.unlearn(colours(), colour_request(history=history))
    assert history.column("step") == list(range(2 * copies))
    assert history.column("learning_rate")[::2] == pytest.approx(rates)


def test_only_the_image_tower_moves() -> None:
    clip = colours()
    before = copied(clip)
    NegMerge(learning_rate=1e-3).unlearn(clip, colour_request())
    assert moved_names(before, clip) <= {"image.1.weight", "image.1.bias", "image.3.weight", "image.3.bias"}


def test_it_forgets_the_class_and_keeps_most_others() -> None:
    clip = colours()
    NegMerge(learning_rate=1e-3, coefficient=3.0).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.3
    assert accuracy(clip, retained()) >= 0.7
