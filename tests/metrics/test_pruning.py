"""The smallest weights set to zero: against a sort, and a forgetting that lives in small weights."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.core import tiny
from tests.metrics.evidence import by_group
from tests.metrics.test_quantisation import brightness, seen
from unlearn_bench.metrics.pruning import Pruning, pruned, without_smallest
from unlearn_bench.metrics.shared.encoding import embed, embed_texts, predict
from unlearn_bench.models.two_towers import TwoTowers
from unlearn_bench.seeding import generator


def test_a_fifth_of_the_entries_goes_and_they_are_the_smallest() -> None:
    for shape in ((7, 3, 2), (4, 5), (2, 2), (1, 1)):
        weight = torch.randn(shape, generator=generator("pruning", shape))
        found = without_smallest(weight)
        count = weight.numel() // 5
        order = sorted(range(weight.numel()), key=lambda place: abs(float(weight.flatten()[place])))
        expected = weight.flatten().clone()
        expected[order[:count]] = 0.0
        assert torch.equal(found, expected.view(shape))
        assert float(weight.abs().min()) > 0.0, "the weight itself stays"


def test_of_equal_entries_no_more_go_than_shall() -> None:
    assert without_smallest(torch.ones(2, 5)).tolist() == [[0.0, 0.0, 1.0, 1.0, 1.0], [1.0] * 5]
    assert without_smallest(torch.tensor([[0.0, 0.0, 0.0, 1.0, -1.0]])).tolist() == [[0.0, 0.0, 0.0, 1.0, -1.0]]


def test_matrices_and_kernels_are_pruned_and_nothing_else() -> None:
    clip = tiny.resnet()
    places = {weight.name: weight for weight in clip.weights()}
    found = pruned(clip)
    for name, value in clip.state().items():
        matrix = name in places and value.ndim > 1
        assert torch.equal(found[name], without_smallest(value) if matrix else value)
    moved = {name for name, value in clip.state().items() if not torch.equal(found[name], value)}
    assert {places[name].place.tower for name in moved} == {"image", "text"}


def hidden_by_small_weights(filler: float) -> TwoTowers:
    """Bright images are class 0, dark ones class 1, as in `brightness`; two weights, -.1 and -.45, take class 0 away.

    Its text is (1.5, -2), that of class 1 (1.5, -1.5), and without those two (2.5, 2.5). The filler meets zeros only.
    """
    clip = brightness(0.0)
    table, say = nn.Embedding(2, 5), nn.Linear(5, 2, bias=False)
    with torch.no_grad():
        table.weight.copy_(torch.tensor([[1.0, 1.0, 10.0, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0, 0.0]]))
        say.weight.copy_(torch.tensor([[2.0, 0.5, -0.1, filler, filler], [0.5, 2.0, -0.45, filler, filler]]))
    text = nn.Sequential(table, nn.Flatten(), say)
    image = clip.module.get_submodule("image")
    return TwoTowers(image, text, clip.tokenize, name="hidden", image_size=8, logit_scale=10.0)


@pytest.mark.parametrize(("filler", "after"), [(0.9, 1.0), (0.05, 0.0)])
def test_what_hides_behind_the_smallest_weights_comes_back(filler: float, after: float) -> None:
    evidence = seen(0.0)
    assert evidence.models is not None
    model = hidden_by_small_weights(filler)
    exact = predict(
        embed(model, evidence.models.test.pixels), embed_texts(model, ["0", "1"]), like=evidence.own.before
    )
    assert exact.tolist() == [1, 1, 1, 1], "without pruning it is forgotten"
    found = by_group(Pruning(), replace(evidence, models=replace(evidence.models, unlearned=model)))
    assert (found["own", "target"].before, found["own", "target"].after) == (1.0, after)
    assert (found["own", "other"].before, found["own", "other"].after) == (1.0, 1.0)
