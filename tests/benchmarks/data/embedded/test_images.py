"""Rendering: the same pixels every time, from the image's name alone; splits that share nothing."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from unlearn_bench.benchmarks.data.dataset.base import Split
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, SPLITS, MiniDataset
from unlearn_bench.benchmarks.data.embedded.drawing.digits import source_images
from unlearn_bench.benchmarks.data.embedded.drawing.splits import DIFFICULTIES, render_image, render_split
from unlearn_bench.benchmarks.data.embedded.mini import MiniDataset as Embedded
from unlearn_bench.errors import InputError

DIGITS = DATASETS["mini-digits"]


def _pixels(dataset: MiniDataset, index: int, *, split: str = "val", name: str | None = None) -> NDArray[np.uint8]:
    return render_image(dataset, split, name or dataset.class_names[0], index)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_a_split_has_the_declared_form(dataset: MiniDataset) -> None:
    images = render_split(dataset.name, "val", limit=3)
    count = 3 * len(dataset.classes)
    assert images.pixels.shape == (count, 64, 64, 3)
    assert images.pixels.dtype == np.uint8
    assert images.labels.dtype == np.int64
    assert Counter(images.labels.tolist()) == dict.fromkeys(range(len(dataset.classes)), 3)
    assert len(images.attributes) == count
    assert len(images.domains) == (count if dataset.domains else 0)
    for facts in images.attributes:
        assert set(facts) == set(dataset.facts)
        assert all(value in dataset.facts[fact] for fact, value in facts.items())


def test_a_whole_split_has_the_declared_counts() -> None:
    images = render_split("mini-icons", "train")
    assert Counter(images.labels.tolist()) == dict.fromkeys(range(10), 20)


@pytest.mark.parametrize(
    ("name", "split"), [("mini-icons", "train"), ("mini-shapes", "train"), ("mini-digits", "test")]
)
def test_what_is_in_a_split_is_known_without_drawing_it(
    name: str, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep asks for it dozens of times, and to draw a split takes seconds."""
    drawn = render_split(name, split)

    def refuse(*_: object) -> None:
        raise AssertionError("drawn")

    monkeypatch.setattr("unlearn_bench.benchmarks.data.embedded.drawing.splits.render_image", refuse)
    index = Embedded(name).index(split)
    assert index.labels == tuple(drawn.labels.tolist())
    assert index.domains == drawn.domains
    assert len(set(index.names)) == len(drawn.pixels)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_an_image_depends_on_its_name_alone(dataset: MiniDataset) -> None:
    images = render_split(dataset.name, "train", limit=3)
    last = dataset.class_names[-1]
    alone, facts = render_image(dataset, "train", last, 2)  # drawn out of turn, after all others
    np.testing.assert_array_equal(images.pixels[-1], alone)
    assert images.attributes[-1] == facts


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_global_random_state_is_neither_read_nor_set(dataset: MiniDataset) -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    first = _pixels(dataset, 0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]
    np.random.seed(2)
    np.testing.assert_array_equal(first, _pixels(dataset, 0))


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_no_two_images_are_equal_in_or_across_splits(dataset: MiniDataset) -> None:
    drawn = [_pixels(dataset, index, split=split).tobytes() for split in SPLITS for index in range(5)]
    assert len(set(drawn)) == len(drawn)


def test_no_handwritten_digit_is_in_two_splits() -> None:
    seen: list[int] = []
    for name in DIGITS.class_names:
        for split in SPLITS:
            sources = source_images(name, split)
            seen += sources
            if split != "pretrain":
                assert len(sources) == DIGITS.images_in(split, name)
            else:
                assert len(sources) >= 70
    assert sorted(seen) == list(range(1797))


def test_domains_are_balanced_within_a_class() -> None:
    for name in ("mini-shapes", "mini-letters"):
        dataset = DATASETS[name]
        for split in SPLITS:
            for each in (dataset.class_names[0], dataset.forget_classes[0]):
                counts = Counter(dataset.domain_of(index) for index in range(dataset.images_in(split, each)))
                assert set(counts) == set(dataset.domains)
                assert max(counts.values()) - min(counts.values()) <= 1
    assert DIGITS.domain_of(0) == ""


def test_facts_show_in_the_pixels() -> None:
    """Light grounds are brighter than dark ones, and large icons cover more than small ones."""
    dataset = DATASETS["mini-icons"]
    corners: dict[str, list[float]] = {"dark": [], "light": []}
    for index in range(30):
        pixels, facts = render_image(dataset, "val", "house", index)
        corners[facts["background"]].append(float(pixels[:6, :6].mean()))
    assert max(corners["dark"]) < min(corners["light"])


def test_warm_textures_are_redder_than_cool_ones() -> None:
    dataset = DATASETS["mini-textures"]
    surplus: dict[str, list[float]] = {"warm": [], "cool": []}
    for index in range(20):
        pixels, facts = render_image(dataset, "val", "stripes", index)
        surplus[facts["tone"]].append(float(pixels[..., 0].mean() - pixels[..., 2].mean()))
    assert min(surplus["warm"]) > 0 > max(surplus["cool"])


def test_every_dataset_has_a_difficulty() -> None:
    assert set(DIFFICULTIES) == set(DATASETS)


def test_an_unknown_dataset_is_named() -> None:
    with pytest.raises(InputError, match=r"unknown mini dataset 'mini-shape'.*did you mean 'mini-shapes'"):
        render_split("mini-shape", "val")


def test_rendering_does_not_import_torch() -> None:
    code = "import sys, unlearn_bench.benchmarks.data.embedded.drawing.splits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
