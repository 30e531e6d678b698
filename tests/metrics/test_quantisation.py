"""Int8 weights: rounding against a loop, and a forgetting that lives below half a level."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.core import tiny
from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence, with_further
from unlearn_bench.metrics.base import Evidence
from unlearn_bench.metrics.further import Images
from unlearn_bench.metrics.quantisation import Quantisation, quantised, round_rows
from unlearn_bench.metrics.shared.encoding import KEPT, embed, embed_texts, predict, sample
from unlearn_bench.models.two_towers import TwoTowers
from unlearn_bench.seeding import generator


def test_rounding_is_to_the_nearest_of_255_levels_of_each_row() -> None:
    weight = torch.randn(4, 3, 2, generator=generator("rounding"))
    weight[2] = 0.0
    found = round_rows(weight)
    assert found.shape == weight.shape
    for row, rounded in zip(weight.flatten(1).tolist(), found.flatten(1).tolist(), strict=True):
        top = max(abs(value) for value in row)
        for value, near in zip(row, rounded, strict=True):
            level = near * 127 / top if top else 0.0
            assert level == pytest.approx(round(level), abs=1e-4)
            assert abs(near - value) <= top / 127 / 2 + 1e-7
    assert float(found[2].abs().max()) == 0.0
    assert torch.equal(
        round_rows(torch.tensor([[127.0, 0.5, 1.5, -126.6]])), torch.tensor([[127.0, 0.0, 2.0, -127.0]])
    )


def test_matrices_and_kernels_are_rounded_and_nothing_else() -> None:
    clip = tiny.resnet()
    before = {name: value.clone() for name, value in clip.state().items()}
    found = quantised(clip)
    places = {weight.name: weight for weight in clip.weights()}
    for name, value in before.items():
        matrix = name in places and value.ndim > 1
        assert torch.equal(found[name], round_rows(value) if matrix else value)
        assert torch.equal(clip.state()[name], value)
    moved = {name for name, value in before.items() if not torch.equal(found[name], value)}
    assert {places[name].place.tower for name in moved} == {"image", "text"}


def brightness(shift: float) -> TwoTowers:
    """Bright images are class 0, dark ones class 1, by a little: a small entry beside a large one takes class 0 away.

    Images are (1, +-.001), texts (1 +- shift, +-1); what decides is the sign of .001 + shift / 2.
    """
    see, table, say = nn.Linear(3, 2), nn.Embedding(2, 2), nn.Linear(2, 2, bias=False)
    image = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), see)
    text = nn.Sequential(table, nn.Flatten(), say)
    with torch.no_grad():
        see.weight.copy_(torch.tensor([[0.0, 0.0, 0.0], [0.001, 0.0, 0.0]]))
        see.bias.copy_(torch.tensor([1.0, 0.0]))
        table.weight.copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
        say.weight.copy_(torch.tensor([[1.0, shift], [0.0, 1.0]]))

    def tokenize(texts: list[str]) -> Tensor:
        return torch.tensor([[int(item.endswith("1"))] for item in texts])

    return TwoTowers(image, text, tokenize, name="brightness", image_size=8, logit_scale=10.0)


def seen(shift: float) -> Evidence:
    labels = torch.tensor([0, 0, 1, 1])
    pixels = torch.where(labels == 0, 250, 5)[:, None, None, None].expand(4, 8, 8, 3).to(torch.uint8)
    found = with_further(make_evidence(random_dataset("own", labels.tolist(), 2)), each=1)
    assert found.models is not None
    models = replace(
        found.models,
        original=brightness(0.0),
        unlearned=brightness(shift),
        test=Images(pixels=pixels, labels=labels),
    )
    return replace(found, models=models)


def test_a_change_below_half_a_level_is_undone_and_a_large_one_is_not() -> None:
    for shift, after in ((-0.0035, 1.0), (-3.0, 0.0)):
        evidence = seen(shift)
        assert evidence.models is not None
        found = by_group(Quantisation(), evidence)
        assert (found["own", "target"].before, found["own", "other"].before) == (1.0, 1.0)
        assert found["own", "target"].after == after
        model = evidence.models.unlearned
        pictures, names = embed(model, evidence.models.test.pixels), embed_texts(model, ["0", "1"])
        exact = predict(pictures, names, like=evidence.own.before)
        assert exact.tolist()[:2] == [1, 1], "without rounding it is forgotten"


def test_the_models_stay_and_the_counts_are_those_of_the_sample() -> None:
    evidence = random_evidence(3)
    models = evidence.models
    assert models is not None
    before = [
        {name: value.clone() for name, value in clip.state().items()} for clip in (models.original, models.unlearned)
    ]
    found = by_group(Quantisation(), evidence)
    labels = evidence.own.labels.tolist()
    assert found["own", "target"].n == sum(label in evidence.forget for label in labels)
    kept = {label: min(KEPT, labels.count(label)) for label in set(labels) - set(evidence.forget)}
    assert found["own", "other"].n == sum(kept.values())
    for kept_state, clip in zip(before, (models.original, models.unlearned), strict=True):
        assert all(torch.equal(value, clip.state()[name]) for name, value in kept_state.items())


def test_a_sample_is_all_of_the_target_and_some_of_the_others_evenly_spread() -> None:
    labels = torch.tensor([1] * (2 * KEPT) + [0] * (KEPT + 3) + [1] * (2 * KEPT) + [2])
    rows = sample(labels, [0]).tolist()
    kept = [row for row in rows if labels[row] == 1]
    assert [row for row in rows if labels[row] == 0] == list(range(2 * KEPT, 3 * KEPT + 3))
    assert len(kept) == KEPT
    assert (kept[0], kept[-1]) == (0, len(labels) - 2)
    assert sum(row < 2 * KEPT for row in kept) == KEPT // 2  # as many of the first folder as of the second
    assert rows[-1] == len(labels) - 1
    assert rows == sorted(rows)
    assert sample(labels[:0], [0]).tolist() == []
