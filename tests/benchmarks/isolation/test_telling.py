"""What is told of a method or a metric is what its class says."""

import dataclasses
from typing import Any, cast

import pytest

from unlearn_bench.benchmarks.isolation import telling
from unlearn_bench.benchmarks.isolation.telling import told_method, told_metric
from unlearn_bench.benchmarks.sweep.players import load_method, load_metrics
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Method, search_space, tunable
from unlearn_bench.metrics.base import Metric
from unlearn_bench.registry import catalogue, load

METHODS = {name: entry.target for name, entry in catalogue("methods").items()}
METRICS = {name: entry.target for name, entry in catalogue("metrics").items()}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_s_text_says_what_its_class_says(name: str) -> None:
    told, own = told_method(METHODS[name]), cast("type[Method]", load(METHODS[name]))
    assert told is not own, "its text does not say all: every plan waits for torch"
    for attribute in ("name", "access", "reference", "version", "kind", "default", "__name__"):
        assert getattr(told, attribute) == getattr(own, attribute), attribute
    assert dataclasses.asdict(told()) == dataclasses.asdict(own())
    assert list(told.__dataclass_fields__) == list(own.__dataclass_fields__)
    assert search_space(told) == search_space(own)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_s_text_says_what_its_class_says(name: str) -> None:
    told, own = told_metric(METRICS[name]), cast("type[Metric]", load(METRICS[name]))
    assert told is not own
    for attribute in ("name", "version", "unit", "direction", "bounds", "default", "needs", "needs_classes"):
        assert getattr(told, attribute) == getattr(own, attribute), attribute


def test_what_is_told_can_not_play() -> None:
    nothing: Any = None
    with pytest.raises(NotImplementedError):
        told_method(METHODS["identity"])().unlearn(nothing, nothing)
    with pytest.raises(NotImplementedError):
        told_metric(METRICS["accuracy"])().measure(nothing)


def test_where_the_text_does_not_say_all_the_class_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told_method("unlearn_bench.methods.base:Method") is Method
    assert told_metric("unlearn_bench.metrics.base:Metric") is Metric
    monkeypatch.setattr(tunable, "__name__", "searched")  # a default that something else makes
    telling._method.cache_clear()
    assert told_method(METHODS["lip"]) is load(METHODS["lip"])
    telling._method.cache_clear()


def test_who_plans_asks_for_it() -> None:
    assert load_method("lip", told=True).kind is told_method(METHODS["lip"])
    assert load_method("lip").kind is load(METHODS["lip"])
    found = load_metrics(["all", "relearning"], ["domains"])
    assert {"accuracy", "relearning", "domain-accuracy"} <= set(found)
    assert not {"linear-probe", "pair-retrieval"} & set(found)
    assert all(type(metric) is told_metric(target) for target, metric in found.values())
    with pytest.raises(InputError, match="unknown method 'lipp'"):
        load_method("lipp", told=True)
