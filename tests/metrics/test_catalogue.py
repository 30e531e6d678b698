"""Laws that hold for every registered metric."""

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import pytest
import torch
from torch import Tensor

from tests.metrics.evidence import make_evidence, random_dataset, random_embedded, random_evidence, with_further
from unlearn_bench.errors import InputError
from unlearn_bench.metrics.base import NEEDS, Captions, Direction, Embedded, Evidence, Metric
from unlearn_bench.registry import catalogue, load

CATALOGUE = catalogue("metrics")
HERE = Path(__file__).parent


def metric(name: str) -> Metric:
    return cast(type[Metric], load(CATALOGUE[name].target))()


def tensors(value: object) -> list[Tensor]:
    """All tensors inside evidence, in a fixed order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Embedded):
        return [value.images, value.texts]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in tensors(item)]
    inner = vars(value) if hasattr(value, "__dict__") else {}
    return [tensor for item in inner.values() for tensor in tensors(item)]


def special_evidence(seed: int) -> Evidence:
    """Random evidence with all that only some data have: the own dataset's classes are parted by domain, and its
    images have captions."""
    plain = random_evidence(seed)
    domains = torch.tensor([0, 1, 0, 0, 1])  # of five classes, of which 1 and 3 are forgotten
    rows = domains[plain.own.labels]
    sides = [replace(side, image_domains=rows, text_domains=domains) for side in (plain.own.before, plain.own.after)]
    images, texts = (
        torch.arange(45) % 30,
        torch.arange(45) % 40,
    )  # some images have two captions, some texts come twice
    captions = Captions(
        image=images,
        text=texts,
        texts=tuple(f"caption {place}" for place in range(40)),
        before=random_embedded(0, 40, "captions before", seed).texts,
        after=random_embedded(0, 40, "captions after", seed).texts,
    )
    classes = torch.tensor([0, 0, 1, 2, 2])
    links = tuple((f"entity {label % 2}", f"attribute {label // 2}") for label in range(len(classes)))
    own = replace(plain.own, before=sides[0], after=sides[1], class_of=classes, captions=captions, associations=links)
    return replace(plain, datasets={**plain.datasets, "own": own})


def test_the_catalogue_lists_what_there_is() -> None:
    assert sorted(CATALOGUE) == [
        "accuracy",
        "adversarial-image",
        "association-accuracy",
        "average-score",
        "class-embedding",
        "domain-accuracy",
        "linear-probe",
        "neighbours",
        "pair-retrieval",
        "paraphrases",
        "peak-memory",
        "predictions",
        "prompt-learning",
        "prototype",
        "pruning",
        "quantisation",
        "relative-change",
        "relearning",
        "retrain-distance",
        "retrieval",
        "seconds",
        "separability",
        "share-changed",
        "target-cosine",
        "unrecognised-retrieval",
        "verification-gap",
        "weight-noise",
    ]


@pytest.mark.parametrize("name", CATALOGUE)
def test_class_attributes_are_literals_that_a_listing_can_read(name: str) -> None:
    facts, kind = CATALOGUE[name].facts, type(metric(name))
    assert kind.name == name
    for attribute in ("version", "unit", "direction", "bounds"):
        assert facts[attribute] == getattr(kind, attribute)
    assert kind.direction in get_args(Direction)
    assert kind.version >= 1
    low, high = kind.bounds
    assert low is None or high is None or low < high
    assert CATALOGUE[name].summary.endswith(".")


@pytest.mark.parametrize("name", CATALOGUE)
def test_docstrings_tell_unit_direction_source_and_departures(name: str) -> None:
    text = type(metric(name)).__doc__ or ""
    for word in ("Unit:", "Direction:", "Source:", "Departures:"):
        assert word in text, f"{name} lacks {word}"


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_test_file_is_named_after_the_module_and_uses_the_class(name: str) -> None:
    module, _, kind = CATALOGUE[name].target.rpartition(":")
    text = (HERE / f"test_{module.rpartition('.')[2]}.py").read_text(encoding="utf-8")
    assert f"{kind}()" in text


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", CATALOGUE)
def test_values_are_within_bounds_or_a_gap(name: str, seed: int) -> None:
    kind = metric(name)
    low, high = kind.bounds
    found = kind.measure(random_evidence(seed)) or kind.measure(special_evidence(seed))
    assert found
    assert any(item.after is not None for item in found)
    assert len({(item.dataset, item.group) for item in found}) == len(found)
    for item in found:
        assert (item.metric, item.version) == (name, kind.version)
        assert item.n >= 0
        for value in (item.before, item.after):
            if value is not None:
                assert type(value) is float
                assert math.isfinite(value)
                assert low is None or value >= low
                assert high is None or value <= high


@pytest.mark.parametrize("name", CATALOGUE)
def test_measuring_is_pure(name: str) -> None:
    evidence = random_evidence(7)
    kept = [tensor.clone() for tensor in tensors(evidence)]
    assert len(kept) > 20
    state = torch.random.get_rng_state()
    first = metric(name).measure(evidence)
    assert first == metric(name).measure(evidence)
    assert first == metric(name).measure(copy.deepcopy(evidence))
    assert all(torch.equal(one, two) for one, two in zip(kept, tensors(evidence), strict=True))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", CATALOGUE)
def test_tensors_made_in_inference_mode_are_welcome(name: str) -> None:
    with torch.inference_mode():
        made = random_evidence(3)
    assert metric(name).measure(made) == metric(name).measure(random_evidence(3))


def nothing() -> Evidence:
    return with_further(make_evidence(random_dataset("own", [], 2), random_dataset("rest", [], 3)), each=0)


@pytest.mark.parametrize("name", [name for name in CATALOGUE if metric(name).needs])
def test_a_metric_says_which_evidence_it_was_not_given(name: str) -> None:
    for need in metric(name).needs:
        with pytest.raises(InputError, match=f"metric '{name}' needs the evidence '{need}' and was not given it"):
            metric(name).measure(replace(random_evidence(0), **{need: None}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_needs_further_evidence_is_named_and_needs_known_things(name: str) -> None:
    assert set(metric(name).needs) <= set(NEEDS)
    assert not (metric(name).needs and metric(name).default)


@pytest.mark.parametrize("name", CATALOGUE)
def test_evidence_without_images_gives_gaps_and_no_error(name: str) -> None:
    for item in metric(name).measure(nothing()):
        if item.dataset or item.group.endswith("other"):
            assert (item.before, item.after) == (None, None)
