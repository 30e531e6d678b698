"""The ranges of a method on a model, and the settings that are tried first."""

import optuna
import pytest
import torch

from tests.benchmarks.support import bench_of, write_suite
from tests.benchmarks.tuning.support import tunable_method
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.benchmarks.tuning.space import plain, space_of, suggest, weight_size
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Range


@pytest.fixture
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return bench_of(load_suite(str(write_suite(tmp_path_factory.mktemp("suite"))))).clip


def test_the_size_of_a_models_weights(clip: Clip) -> None:
    """Two towers of one matrix each, both the identity of size 3, and a table of tokens, which does not count."""
    assert weight_size(clip) == pytest.approx((6 / 18) ** 0.5)
    with torch.no_grad():
        for weight in clip.weights():
            weight.value.mul_(2)
    assert weight_size(clip) == pytest.approx(2 * (6 / 18) ** 0.5)


def test_a_range_in_units_of_the_model(clip: Clip, tmp_path: object) -> None:
    where = Range(low=0.01, high=10.0, log=True, unit="rms", published=1e-6)
    found = where.at(0.5, 0.3)
    assert (found.low, found.high, found.log) == (1e-6, 5.0, True), "wide enough for the published value"
    assert Range(low=1.0, high=2.0).at(0.5) == Range(low=1.0, high=2.0)
    assert Range(choices=(1, 2), unit="rms").at(0.5).choices == (1, 2)


def test_published_values_first_then_the_defaults(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> None:
    field = "tunable(0.2, low=0.0, high=1.0, published=0.7)"
    more = "epochs: int = tunable(3, choices=(1, 3))"
    method = load_method(tunable_method(tmp_path_factory.mktemp("a"), field=field, more=more))
    space = space_of(method.kind, clip)
    assert space.first == ({"strength": 0.7, "epochs": 3}, {"strength": 0.2, "epochs": 3})
    assert plain(space) == {"strength": {"low": 0.0, "high": 1.0, "log": False}, "epochs": {"choices": [1, 3]}}
    same = load_method(tunable_method(tmp_path_factory.mktemp("b")))
    assert space_of(same.kind, clip).first == ({"strength": 0.2},)


def test_choices_whole_numbers_and_logarithms() -> None:
    ranges = {
        "choice": Range(choices=(0.2, 0.7)),
        "whole": Range(low=1, high=4),
        "log": Range(low=1e-3, high=1.0, log=True),
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    from unlearn_bench.benchmarks.tuning.space import Space

    drawn = [suggest(study.ask(), Space(ranges=ranges, first=())) for _ in range(20)]
    assert {values["choice"] for values in drawn} == {0.2, 0.7}
    assert {values["whole"] for values in drawn} == {1, 2, 3, 4}
    assert all(v["log"] == float(f"{v['log']:.4g}") and 1e-3 <= v["log"] <= 1 for v in drawn)
    assert sum(values["log"] < 0.0316 for values in drawn) in range(5, 16)


def test_nothing_to_tune(clip: Clip) -> None:
    with pytest.raises(InputError, match="'identity' declares nothing to tune; give a field a range with tunable"):
        space_of(load_method("identity").kind, clip)
