"""What holds for every registered method."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.core import tiny
from tests.methods.support import (
    COLOURS,
    History,
    colour_request,
    colours,
    copied,
    examples,
    method_class,
    moved_names,
    request,
    synthetic,
)
from unlearn_bench.errors import CellFailure
from unlearn_bench.methods.base import search_space
from unlearn_bench.registry import catalogue
from unlearn_bench.seeding import generator
from unlearn_bench.training.loop import trainable_names

NAMES = sorted(catalogue("methods"))
UNAIDED = [name for name in NAMES if name != "retrain"]  # which reads a file that somebody else has to make
LEARNING = [name for name in UNAIDED if name not in {"identity", "random-weights"}]
ACCESS = {
    "lip": "ZS",
    "emb": "ZS",
    "amns": "ZS",
    "emmn": "ZS",
    "ulip": "semi-ZS",
    "amns-retain": "not-ZS",
    "salun": "not-ZS",
    "clip-erase": "not-ZS",
    "gradient-ascent": "semi-ZS",
    "graddiff": "not-ZS",
    "random-labels": "semi-ZS",
    "slug": "not-ZS",
    "ssd": "not-ZS",
    "task-negation": "semi-ZS",
    "negmerge": "semi-ZS",
    "identity": "ZS",
    "finetune-retain": "not-ZS",
    "null-space": "ZS",
    "text-null-space": "ZS",
    "text-space-adaptation": "ZS",
    "random-weights": "ZS",
    "retrain": "not-ZS",
}
CLOSED_FORM = {"null-space", "text-null-space"}  # no training, nothing drawn
QUICK: dict[str, dict[str, Any]] = {
    "lip": {"perturbations": 2, "learning_rate": 0.03, "max_epochs": 3},
    "emb": {"perturbations": 2, "learning_rate": 0.03, "max_epochs": 3},
    "ulip": {"perturbations": 2, "learning_rate": 0.1},
    "emmn": {"maximise_steps": 2, "minimise_steps": 2, "images_per_class": 2},
    "salun": {"epochs": 2},
    "clip-erase": {"epochs": 2},
    "text-space-adaptation": {"steps": 5, "trials": 2},
    "slug": {"search_steps": 3, "batch_size": 16},
    "ssd": {"batch_size": 8},
    "task-negation": {"epochs": 2, "batch_size": 4},
    "negmerge": {"epochs": 2, "batch_size": 4},
}
WITHOUT_OPTIMISER = {"slug", "ssd"}
"""Methods that edit weights by a formula: no optimiser, no learning rate."""


def test_the_methods_and_references_are_registered() -> None:
    assert set(ACCESS) <= set(NAMES)


@pytest.mark.parametrize("name", sorted(ACCESS))
def test_access_as_the_papers_say(name: str) -> None:
    assert method_class(name).access == ACCESS[name]
    assert catalogue("methods")[name].facts["access"] == ACCESS[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_its_own_test_file(name: str) -> None:
    module = catalogue("methods")[name].target.split(":")[0].rsplit(".", 1)[-1]
    assert (Path(__file__).parent / f"test_{module}.py").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_docstring_states_source_and_departures(name: str) -> None:
    text = inspect.getdoc(method_class(name)) or ""
    assert "Source:" in text
    assert "Departures:" in text


@pytest.mark.parametrize("name", NAMES)
def test_hyperparameters_are_frozen_and_their_ranges_are_ranges(name: str) -> None:
    method = method_class(name)()
    for item in dataclasses.fields(method):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(method, item.name, 0)
    for field, span in search_space(type(method)).items():
        default = getattr(method, field)
        for rms in (0.02, 0.06):
            assert default in span.at(rms, default), field
            assert span.published is None or span.published in span.at(rms), field
        assert span.choices or 0 < span.low < span.high
    if method.kind == "method":
        assert 2 <= len(search_space(type(method))) <= 8
        assert ("learning_rate" in search_space(type(method))) == (name not in CLOSED_FORM | WITHOUT_OPTIMISER)


@pytest.mark.parametrize("name", [name for name in UNAIDED if method_class(name).access != "ZS"])
def test_missing_images_are_a_reason_not_an_error(name: str) -> None:
    kind, given = method_class(name), colour_request()
    needs_forget = "it needs real images of the forget set, and there are none"
    without = kind().skip(colours(), dataclasses.replace(given, forget_examples=None))
    assert without == (None if kind.kind == "reference" else needs_forget)
    if kind.access == "not-ZS":
        assert given.retain_examples is not None
        nothing = examples(torch.zeros(0, 3, 8, 8), torch.zeros(0, dtype=torch.int64))
        for missing in (None, nothing):
            without = kind().skip(colours(), dataclasses.replace(given, retain_examples=missing))
            assert without == "it needs real images of the retain set, and there are none"


@pytest.mark.parametrize("name", UNAIDED)
def test_the_same_request_gives_the_same_bits_and_the_request_stays(name: str) -> None:
    method = method_class(name)(**QUICK.get(name, {}))
    histories, states = [], []
    given = colour_request(("red", "blue"))
    kept = colour_request(("red", "blue"))
    for seed in (0, 1):
        torch.manual_seed(seed)  # nothing may depend on it
        history = History()
        again = dataclasses.replace(given, report=history)
        states.append(copied(method.unlearn(colours(), again)))
        histories.append(history.lines)
    assert histories[0] == histories[1]
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key])
    assert torch.equal(given.synthesize().unit, kept.synthesize().unit)
    for side in ("forget_examples", "retain_examples"):
        assert torch.equal(getattr(given, side).pixels, getattr(kept, side).pixels)
        assert torch.equal(getattr(given, side).labels, getattr(kept, side).labels)


@pytest.mark.parametrize("name", [name for name in LEARNING if name not in CLOSED_FORM])
def test_another_seed_gives_another_history(name: str) -> None:
    method = method_class(name)(**QUICK.get(name, {}))
    lines = []
    for seed in (0, 1):
        history = History()
        method.unlearn(colours(), colour_request(seed=seed, history=history))
        lines.append(history.column("loss"))
    assert lines[0]
    assert lines[0] != lines[1]


@pytest.mark.parametrize("name", [*LEARNING, "identity"])
def test_scale_tokens_and_statistics_stay_on_a_real_architecture(name: str) -> None:
    clip, names = tiny.resnet(), list(COLOURS)
    before = copied(clip)
    unit = torch.rand(10, 3, 64, 64, generator=generator("unit"))
    given = request(
        names[:1],
        names[1:],
        made=synthetic(unit[:3]),
        forget_examples=examples(unit[3:5], torch.zeros(2, dtype=torch.int64)),
        retain_examples=examples(unit[5:], torch.tensor([1, 2, 3, 4, 1])),
    )
    quick = {key: value for key, value in QUICK.get(name, {}).items() if key != "learning_rate"}
    returned = method_class(name)(**quick).unlearn(clip, given)
    assert not returned.module.training
    moved = moved_names(before, returned)
    assert moved <= set(trainable_names(clip))  # buffers, such as batch statistics, are in the state too


@pytest.mark.parametrize("name", LEARNING)
def test_a_model_gone_to_nan_fails_the_cell(name: str) -> None:
    method = method_class(name)(**QUICK.get(name, {}))
    clip = colours()
    with torch.no_grad():
        for item in clip.weights():
            item.value.fill_(float("nan"))
    with pytest.raises(CellFailure, match=r"finite|became nan"):
        method.unlearn(clip, colour_request())
