"""`mini-associations` as data and as pictures: links of a shape with its background, captions that state it."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from tests.benchmarks.mini.support import measured
from unlearn_bench.benchmarks.data.dataset.base import Split
from unlearn_bench.benchmarks.data.embedded.drawing.association_sets import MINI_ASSOCIATIONS
from unlearn_bench.benchmarks.data.embedded.drawing.captions import captions_of, every_text
from unlearn_bench.benchmarks.data.embedded.drawing.splits import facts_of, render_image
from unlearn_bench.benchmarks.data.sources import known_datasets, open_dataset
from unlearn_bench.benchmarks.suites.suite import load_suite

NAME = MINI_ASSOCIATIONS.name


@pytest.mark.parametrize(("split", "each", "forgotten"), [("train", 20, 20), ("val", 24, 24), ("test", 25, 100)])
def test_pictures_show_their_links(split: Split, each: int, forgotten: int) -> None:
    dataset = open_dataset(NAME)
    index = dataset.index(split)
    counted: Counter[str] = Counter()
    for name, label, domain in zip(index.names, index.labels, index.domains, strict=True):
        said, number = name.split("/")[2:]
        entity, value = dataset.associations[label]
        facts = facts_of(MINI_ASSOCIATIONS.base, split, entity, int(number))
        assert said == dataset.class_names[label] == f"{entity} on a {value} background"
        assert (facts["background"], facts["domain"]) == (value, domain)
        counted[said] += 1
    assert counted == {name: forgotten if name in dataset.forget_classes else each for name in dataset.class_names}
    assert len(set(index.names)) == len(index.names)


def test_captions_are_true_state_the_link_and_were_trained_on() -> None:
    dataset = open_dataset(NAME)
    index, base, known = dataset.index("test"), MINI_ASSOCIATIONS.base, set(every_text())
    for name, label, (caption,) in zip(index.names, index.labels, index.captions, strict=True):
        entity, value = dataset.associations[label]
        (found,) = [item for item in captions_of(base, entity) if item.text == caption]
        assert found.true_of(entity, facts_of(base, "test", entity, int(name.rpartition("/")[2])))
        assert found.facts["background"] == value
        assert caption in known
    assert set(dataset.texts) <= known, "the class texts are captions too"


def test_a_picture() -> None:
    dataset = open_dataset(NAME)
    index = dataset.index("val")
    entity, number = dataset.associations[index.labels[100]][0], int(index.names[100].rpartition("/")[2])
    pixels, _ = render_image(MINI_ASSOCIATIONS.base, "val", entity, number)
    assert np.array_equal(np.asarray(dataset.picture("val", 100)), pixels)


def test_what_is_forgotten_follows_from_the_base_and_nothing_is_tuned_on_and_reported() -> None:
    dataset = open_dataset(NAME)
    assert dataset.forget_classes == (
        "blue hexagon on a dark background",
        "purple ellipse on a light background",
        "star on a dark background",
    )
    assert dataset.tuning_classes == ("orange ellipse on a dark background", "red ellipse on a light background")
    entities = [{dataset.associations[dataset.label(name)][0] for name in names} for names in (
        dataset.forget_classes, dataset.tuning_classes
    )]  # fmt: skip
    assert not entities[0] & entities[1]
    assert len(dataset.class_names) == len(dataset.associations) == 36


def test_the_suite_and_the_listing() -> None:
    suite = load_suite(NAME)
    assert suite.datasets[0] == NAME
    found = measured(NAME, NAME)
    assert {"association-accuracy", "pair-retrieval", "adversarial-image", "relearning"} <= set(found)
    assert "domain-accuracy" not in found
    assert "association-accuracy" not in measured(NAME, "mini-digits")
    assert known_datasets()[NAME].summary.startswith("18 entities with 2 values of an attribute (background)")
    code = (
        "import sys, unlearn_bench.benchmarks.data.embedded.drawing.association_sets;"
        "sys.exit(bool({'torch', 'numpy', 'PIL', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
