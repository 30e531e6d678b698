"""What is searched: the ranges of a method for one model, and the settings with which every search begins."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from unlearn_bench.benchmarks.presets.preset import build_method
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Method, Range, search_space
from unlearn_bench.training.loop import trainable_names

Values = Mapping[str, Any]
"""Hyperparameters by name: those that are tuned."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """The tuned hyperparameters of one method on one model.

    Attributes:
        ranges: by name, in the hyperparameters' own units.
        first: what is tried before anything is drawn: the published values, then the defaults where they differ.
    """

    ranges: Mapping[str, Range]
    first: tuple[Values, ...]


def space_of(method: type[Method], clip: Clip) -> Space:
    """The declared ranges, at the size of this model's weights.

    Raises:
        InputError: the method declares nothing to tune.
    """
    declared = search_space(method)
    if not declared:
        raise InputError(f"method {method.name!r} declares nothing to tune; give a field a range with tunable(..)")
    made = build_method(method, {})
    defaults = {name: getattr(made, name) for name in declared}
    size = weight_size(clip) if any(where.unit for where in declared.values()) else 1.0
    ranges = {name: where.at(size, defaults[name]) for name, where in declared.items()}
    published = {
        name: defaults[name] if where.published is None else where.published for name, where in declared.items()
    }
    return Space(ranges=ranges, first=(published,) if published == defaults else (published, defaults))


def weight_size(clip: Clip) -> float:
    """The root mean square of the weights that methods train, biases and norms left out: what an optimiser's step is
    small or large against."""
    names = set(trainable_names(clip))
    values = [item.value.detach().double() for item in clip.weights() if item.name in names and item.value.ndim > 1]
    return math.sqrt(sum(float(v.square().sum()) for v in values) / max(1, sum(v.numel() for v in values))) or 1.0


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """What the sampler wants tried, rounded to what a preset file says."""
    return {name: _suggest(trial, name, where) for name, where in space.ranges.items()}


def plain(space: Space) -> dict[str, dict[str, Any]]:
    """The ranges as tables of a preset file."""
    return {
        name: {"choices": list(where.choices)}
        if where.choices
        else {"low": number(where.low), "high": number(where.high), "log": where.log}
        for name, where in space.ranges.items()
    }


def number(value: float) -> float:
    """Four significant digits: what is tried is what the preset file says.

    >>> number(0.00123456), number(3)
    (0.001235, 3)
    """
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _suggest(trial: optuna.Trial, name: str, where: Range) -> float | int:
    if where.choices:
        return trial.suggest_categorical(name, where.choices)
    if isinstance(where.low, int) and isinstance(where.high, int):
        return trial.suggest_int(name, where.low, where.high, log=where.log)
    return number(trial.suggest_float(name, where.low, where.high, log=where.log))
