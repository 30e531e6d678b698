"""The reference that has forgotten everything."""

import dataclasses

import pytest
import torch
from torch import nn

from tests.core import tiny
from tests.methods.support import COLOURS, accuracy, colour_request, colours, copied, moved_names, request
from unlearn_bench.methods.random_weights import RandomWeights
from unlearn_bench.models.two_towers import TwoTowers


def test_nothing_learned_is_left_but_the_scale() -> None:
    for clip in (tiny.resnet(), tiny.transformer(), colours(), tiny.two_towers()):
        trained = {weight.name for weight in clip.weights() if weight.place.role != "scale"}
        with torch.no_grad():  # norms and biases too leave the constants at which they start
            for name, value in clip.state().items():
                value.add_(0.37 if name in trained else 0)
        before = copied(clip)
        returned = RandomWeights().unlearn(clip, colour_request())
        assert trained <= moved_names(before, returned), "a tensor was kept"
        assert torch.equal(returned.logit_scale, tiny.resnet().logit_scale) or isinstance(clip, TwoTowers)
        assert not returned.module.training


def test_it_is_at_chance_and_its_draw_is_the_requests() -> None:
    """No accuracy on all five colours passes what a random direction gives; equal requests draw equal weights."""
    assert accuracy(colours(), list(COLOURS)) > 0.9
    first, second = (RandomWeights().unlearn(colours(), colour_request()) for _ in range(2))
    assert all(torch.equal(value, second.state()[name]) for name, value in first.state().items())
    assert accuracy(first, list(COLOURS)) < 0.7
    other = RandomWeights().unlearn(colours(), colour_request(seed=1))
    assert moved_names(copied(first), other)


def test_the_global_stream_stays_and_statistics_are_those_of_an_untrained_model() -> None:
    clip = tiny.resnet()
    with torch.no_grad():
        for name, value in clip.state().items():
            if name.endswith("running_mean"):
                value.fill_(3.0)
    stream = torch.random.get_rng_state()
    state = RandomWeights().unlearn(clip, request(["red"], ["blue"])).state()
    assert torch.equal(stream, torch.random.get_rng_state())
    means = [value for name, value in state.items() if name.endswith("running_mean")]
    assert means
    assert all(float(value.abs().max()) == 0.0 for value in means)


def test_generators_of_other_devices_are_not_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.manual_seed` would seed those of all GPUs, which nothing puts back."""

    def refuse(seed: int) -> None:
        raise AssertionError(f"GPUs were seeded with {seed}")

    clips = (tiny.resnet(), colours())
    for place, name in ((torch, "manual_seed"), (torch.cuda, "manual_seed_all"), (torch.cuda, "manual_seed")):
        monkeypatch.setattr(place, name, refuse)
    for clip in clips:
        RandomWeights().unlearn(clip, colour_request())


class Own(nn.Module):
    """A layer that cannot be drawn anew."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows * self.gain


def test_it_skips_a_model_whose_untrained_state_nobody_knows() -> None:
    clip = TwoTowers(
        nn.Sequential(Own()), nn.Sequential(Own()), tiny.spell, name="own", image_size=8, logit_scale=1.0
    )
    why = RandomWeights().skip(clip, colour_request())
    assert why is not None
    assert "reset_parameters" in why
    assert RandomWeights().skip(colours(), colour_request()) is None
    assert RandomWeights().skip(tiny.resnet(), colour_request()) is None


def test_it_is_a_reference_that_is_named() -> None:
    assert (RandomWeights.kind, RandomWeights.default, RandomWeights.access) == ("reference", False, "ZS")
    assert dataclasses.fields(RandomWeights) == ()
