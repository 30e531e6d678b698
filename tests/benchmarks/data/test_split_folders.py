"""Splits told by folders' names: what serves as what, and what is refused with the choices."""

from pathlib import Path

import pytest

from tests.benchmarks.support import WARM, colour_image, write_colours
from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.dataset.partition import assign_splits, classes_lacking
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.errors import InputError


def parts(dataset: Dataset) -> dict[str, set[str]]:
    """The folders, directly in the root, from which each split's images come."""
    return {split: {name.split("/")[0] for name in dataset.index(split).names} for split in ("train", "val", "test")}


@pytest.mark.parametrize("word", ["val", "valid", "validation", "dev", "eval", "Val", "VALIDATION"])
def test_what_is_called_val_is_test_where_there_is_none(word: str, tmp_path: Path) -> None:
    """Images of train must never be measured on, nor train and val be taken for domains."""
    write_colours(tmp_path / "train", count=10)
    write_colours(tmp_path / word, count=3)
    dataset = open_dataset(f"folder:{tmp_path}")
    assert parts(dataset) == {"train": {"train"}, "val": {"train"}, "test": {word}}
    assert [len(dataset.index(split)) for split in ("train", "val", "test")] == [24, 6, 9]
    assert dataset.index("test").domains == ()
    assert dataset.class_names == ("blue", "green", "red")
    assert dataset.layout == (
        f"one folder for each class; train from 'train', test from {word!r}, val a fifth of train"
    )


def test_any_letter_case(tmp_path: Path) -> None:
    for folder in ("Train", "Validation", "TEST"):
        write_colours(tmp_path / folder, count=2)
    assert parts(open_dataset(f"folder:{tmp_path}")) == {"train": {"Train"}, "val": {"Validation"}, "test": {"TEST"}}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train", "dev", "val"), "several parts that may be its test split: dev, val; say which with .test=NAME"),
        (("train", "test", "dev", "val"), "several parts that may be its val split: dev, val; say which"),
        (("train", "Train", "test"), "several parts that may be its train split: Train, train"),
        (
            ("train", "extra"),
            "has 'train', which may be a split or a class, beside 1 other folders .extra.; say which",
        ),
    ],
)
def test_what_is_ambiguous_is_refused_with_the_choices(
    folders: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    for folder in folders:
        write_colours(tmp_path / folder, count=2)
    with pytest.raises(InputError, match=message):
        open_dataset(f"folder:{tmp_path}")


def test_a_choice_is_taken(tmp_path: Path) -> None:
    for folder in ("train", "dev", "val", "extra"):
        write_colours(tmp_path / folder, count=5)
    dataset = open_dataset(f"folder:{tmp_path}?test=dev")
    assert parts(dataset) == {"train": {"train"}, "val": {"val"}, "test": {"dev"}}
    assert [(item.name, item.count) for item in dataset.left_out] == [("extra", 15)]
    assert parts(open_dataset(f"folder:{tmp_path}?test=extra&train=dev&val=val"))["test"] == {"extra"}
    with pytest.raises(InputError, match=r"unknown split of 'folder:.*' 'tset'; known: dev, extra, train, val"):
        open_dataset(f"folder:{tmp_path}?test=tset")


def test_a_loose_picture_in_a_split_is_not_used(tmp_path: Path) -> None:
    """It may be a class of that name, so the user has to say; then the picture is named."""
    for split in ("train", "test"):
        write_colours(tmp_path / split, count=5)
    colour_image("cyan", 0).save(tmp_path / "train" / "preview.png")
    with pytest.raises(InputError, match="has 'test', which may be a split or a class, beside 1 other folders"):
        open_dataset(f"folder:{tmp_path}")
    dataset = open_dataset(f"folder:{tmp_path}?train=train&test=test")
    assert parts(dataset) == {"train": {"train"}, "val": {"train"}, "test": {"test"}}
    assert [(item.name, item.reason) for item in dataset.left_out] == [
        ("train/preview.png", "not in a folder of a class")
    ]


def test_a_class_of_trains_is_a_class(tmp_path: Path) -> None:
    """`train` holds pictures, not folders of classes."""
    write_colours(tmp_path)
    (tmp_path / "train").mkdir()
    for number in range(10):
        colour_image("cyan", number).save(tmp_path / "train" / f"{number}.png")
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.class_names == ("blue", "green", "red", "train")
    assert [len(dataset.index(split)) for split in ("train", "val", "test")] == [16, 8, 16]


@pytest.mark.parametrize("alone", ["train", "val"])
def test_one_split_alone_is_cut(alone: str, tmp_path: Path) -> None:
    write_colours(tmp_path / alone, count=10)
    dataset = open_dataset(f"folder:{tmp_path}")
    assert [len(dataset.index(split)) for split in ("train", "val", "test")] == [12, 6, 12]
    assert dataset.index("test").domains == ()


def test_test_alone_is_only_measured(tmp_path: Path) -> None:
    write_colours(tmp_path / "test", count=4)
    dataset = open_dataset(f"folder:{tmp_path}")
    assert [len(dataset.index(split)) for split in ("train", "val", "test")] == [0, 0, 12]


def test_splits_without_classes_are_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        colour_image("red", 0).save(tmp_path / split / "a.png")
    with pytest.raises(InputError, match=r"has images directly in test, train; put them into one folder for each"):
        open_dataset(f"folder:{tmp_path}")


def test_domains_below_splits_of_any_name(tmp_path: Path) -> None:
    for split in ("Train", "dev"):
        for domain in ("photo", "sketch"):
            write_colours(tmp_path / split / domain, count=5)
    for spec in (f"folder:{tmp_path}", f"domains:{tmp_path}"):
        dataset = open_dataset(spec)
        assert parts(dataset) == {"train": {"Train"}, "val": {"Train"}, "test": {"dev"}}, spec
        assert set(dataset.index("test").domains) == {"photo", "sketch"}, spec


def test_names_of_the_hubs_splits() -> None:
    assert assign_splits(["train", "dev"], of="x") == {"train": "train", "test": "dev"}
    assert assign_splits(["TRAIN", "Test", "eval"], of="x") == {"train": "TRAIN", "val": "eval", "test": "Test"}
    given = assign_splits(["a", "b", "val"], of="x", given={"train": "a", "test": "b"})
    assert given == {"train": "a", "test": "b", "val": "val"}
    with pytest.raises(InputError, match="several parts that may be its test split: dev, val"):
        assign_splits(["train", "dev", "val"], of="x")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_without_images_in_a_split_is_left_out_and_named(split: str, tmp_path: Path) -> None:
    """With it no average over the classes has a value, and no method gets a score."""
    for part in ("train", "test"):
        write_colours(tmp_path / part, WARM if part != split else WARM[:2], count=5)
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.class_names == ("green", "red")
    assert set(dataset.index("test").labels) == set(dataset.index("train").labels) == {0, 1}
    (left,) = dataset.left_out
    assert left.reason == f"class 'blue' has no image in {split}"
    assert left.count == 5
    assert not any("blue" in name for part in ("train", "val", "test") for name in dataset.index(part).names)


def test_a_class_of_one_image_can_not_be_split(tmp_path: Path) -> None:
    write_colours(tmp_path, ["green", "red"])
    write_colours(tmp_path, ["blue"], count=1)
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.class_names == ("green", "red")
    assert [item.reason for item in dataset.left_out] == ["class 'blue' has no image in test"]


def test_too_few_classes_say_what_was_left_out(tmp_path: Path) -> None:
    write_colours(tmp_path / "train", WARM, count=2)
    write_colours(tmp_path / "test", WARM[:1], count=2)
    with pytest.raises(InputError, match=r"images of 1 classes; .*left out are 2, first 'train/.*no image in test"):
        open_dataset(f"folder:{tmp_path}")


def test_a_class_lacking_in_one_domain_is_no_label(tmp_path: Path) -> None:
    for domain, names in (("photo", WARM), ("sketch", WARM)):
        write_colours(tmp_path / "train" / domain, names, count=5)
        write_colours(tmp_path / "test" / domain, names if domain == "photo" else names[:2], count=2)
    dataset = open_dataset(f"domains:{tmp_path}")
    assert "blue@photo" in dataset.class_names
    assert "blue@sketch" not in dataset.class_names
    assert [(item.reason, item.count) for item in dataset.left_out] == [
        ("'blue' of 'sketch' has no image in test", 5)
    ]
    assert set(dataset.index("test").labels) == set(range(5))


def test_a_split_that_nobody_has_lacks_no_class() -> None:
    assert classes_lacking({"train": [], "test": [0, 1]}, 3) == {2: "test"}
