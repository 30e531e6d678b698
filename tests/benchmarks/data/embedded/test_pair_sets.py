"""`mini-pairs` as data and as pictures: one image for each combination of facts, captions that are true of them."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from tests.benchmarks.mini.support import measured
from unlearn_bench.benchmarks.data.dataset.base import Split
from unlearn_bench.benchmarks.data.embedded.drawing.captions import captions_of
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, MiniDataset
from unlearn_bench.benchmarks.data.embedded.drawing.pair_sets import MINI_PAIRS
from unlearn_bench.benchmarks.data.embedded.drawing.splits import facts_of, render_image
from unlearn_bench.benchmarks.data.sources import known_datasets, open_dataset
from unlearn_bench.benchmarks.suites.suite import load_suite


def base_of(topic: str) -> MiniDataset:
    return next(base for base in MINI_PAIRS.bases if topic in base.class_names)


@pytest.mark.parametrize(("split", "each"), [("train", 2), ("val", 1), ("test", 1)])
def test_every_combination_of_facts_is_there(split: Split, each: int) -> None:
    dataset = open_dataset("mini-pairs")
    index = dataset.index(split)
    assert len(index) == len(index.captions) == len(index.domains) == each * 12 * 36
    combinations: Counter[tuple[str, ...]] = Counter()
    for name, label, domain in zip(index.names, index.labels, index.domains, strict=True):
        topic, number = name.split("/")[2:]
        assert dataset.class_names[label] == topic
        facts = facts_of(base_of(topic), split, topic, int(number))
        assert facts["domain"] == domain
        combinations[topic, domain, facts["size"], facts["background"]] += 1
    assert set(combinations.values()) == {each}
    assert len(combinations) == 12 * 36


def test_captions_are_true_and_tell_images_apart() -> None:
    index = open_dataset("mini-pairs").index("test")
    stated = Counter()  # type: ignore[var-annotated]
    for name, (caption,) in zip(index.names, index.captions, strict=True):
        topic, number = name.split("/")[2:]
        base = base_of(topic)
        facts = facts_of(base, "test", topic, int(number))
        (found,) = [item for item in captions_of(base, topic) if item.text == caption]
        assert found.true_of(topic, facts)
        stated[len(found.facts)] += 1
    assert set(stated) == {2, 3}
    assert 0.65 < stated[3] / 432 < 0.85  # three of four state every fact
    assert len(set(index.captions)) > 0.95 * len(index.captions)


def test_facts_are_those_of_the_picture() -> None:
    shapes = DATASETS["mini-shapes"]
    for number in range(6):
        _, drawn = render_image(shapes, "test", "star", number)
        facts = dict(facts_of(shapes, "test", "star", number))
        assert facts.pop("domain") == ("photo", "sketch", "painting")[number % 3]
        assert facts == drawn


def test_a_picture() -> None:
    dataset = open_dataset("mini-pairs")
    topic, number = dataset.index("test").names[230].split("/")[2:]
    pixels, _ = render_image(base_of(topic), "test", topic, int(number))
    assert np.array_equal(np.asarray(dataset.picture("test", 230)), pixels)


def test_topics_are_the_classes_and_nothing_is_tuned_on_and_reported() -> None:
    dataset = open_dataset("mini-pairs")
    assert dataset.class_names == (*DATASETS["mini-shapes"].class_names, *DATASETS["mini-letters"].class_names)
    assert dataset.forget_classes == ("blue hexagon", "purple ellipse", "star", "letter d", "letter m", "letter u")
    assert dataset.tuning_classes == ("orange ellipse", "red ellipse", "letter h", "letter o")
    assert dataset.texts[dataset.label("star")] == "a photo of a star."
    assert "Bitstream" in dataset.licence


def test_the_suite_and_the_listing() -> None:
    suite = load_suite("mini-pairs")
    assert suite.datasets[0] == "mini-pairs"
    assert "pair-retrieval" in measured("mini-pairs", "mini-pairs")
    assert "pair-retrieval" not in measured("mini-pairs", "mini-digits")
    assert "domain-accuracy" not in measured("mini-pairs", "mini-pairs")
    assert known_datasets()["mini-pairs"].summary.startswith("36 topics, images with captions")
    code = (
        "import sys, unlearn_bench.benchmarks.data.embedded.drawing.pair_sets;"
        "sys.exit(bool({'torch', 'numpy', 'PIL', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
