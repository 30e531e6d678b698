"""Split files of the user's: read as they are, preferred to the official split, refused in one line when wrong."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.data.photo_trees import (
    CARS,
    DOGS,
    USED,
    colour_of,
    shared,
    write_caltech,
    write_cars,
    write_dogs,
    write_photo,
)
from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.dataset.partition import FIFTH, WHOLE, cut_by_hash
from unlearn_bench.benchmarks.data.layouts.photograph_facts import PHOTOGRAPHS, dog_name, spaced
from unlearn_bench.benchmarks.data.layouts.split_files import find_split_file, read_split_file
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.errors import InputError

pytestmark = pytest.mark.usefixtures("data_folder")


def write_split(path: Path, **splits: list[list[Any]]) -> Path:
    path.write_text(json.dumps(splits))
    return path


def rows(prefix: str, count: int, start: int = 0) -> list[list[Any]]:
    """`count` images of each of two classes."""
    return [[f"{name}/{prefix}{i}.jpg", label, name] for label, name in enumerate("ab") for i in range(start, count)]


def counts(dataset: Dataset) -> tuple[int, ...]:
    return tuple(len(dataset.index(split)) for split in USED)


def test_a_split_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = write_split(tmp_path / "split_zhou_X.json", train=rows("t", 4), val=rows("v", 1), test=rows("e", 2))
    listing = read_split_file(path, as_named=spaced)
    assert listing.split_name == "split_zhou_X"
    assert listing.class_names == ("a", "b")
    assert [(item.path, item.label) for item in listing.splits["val"]] == [("a/v0.jpg", 0), ("b/v0.jpg", 1)]
    assert {split: len(items) for split, items in listing.splits.items()} == {"train": 8, "val": 2, "test": 4}


@pytest.mark.parametrize("val", [None, []])
def test_without_val_a_fifth_of_train_becomes_it(val: list[list[Any]] | None, tmp_path: Path) -> None:
    more = {} if val is None else {"val": val}
    path = write_split(tmp_path / "split_x.json", train=rows("t", 10), test=rows("e", 2), **more)
    splits = read_split_file(path, as_named=spaced).splits
    assert [sum(item.label == label for item in splits["val"]) for label in (0, 1)] == [2, 2]
    assert not {item.path for item in splits["val"]} & {item.path for item in splits["train"]}
    ordered = sorted((f"t{i}.jpg" for i in range(10)), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert {item.path for item in splits["val"] if item.label == 0} == {f"a/{name}" for name in ordered[8:]}


def test_shares_of_a_cut() -> None:
    assert sum(share for _, share in WHOLE) == pytest.approx(1)
    cut = cut_by_hash([f"{i}" for i in range(17)], WHOLE, group=lambda _: 0, name=str)
    assert [len(cut[part]) for part, _ in WHOLE] == [8, 4, 5]  # at 8.5 -> 8 and 11.9 -> 12
    assert [len(part) for part in cut_by_hash(["x"], FIFTH, group=lambda _: 0, name=str).values()] == [1, 0]


GOOD: dict[str, Any] = {"train": [["a/1.jpg", 0, "a"], ["b/1.jpg", 1, "b"]], "test": [["a/2.jpg", 0, "a"]]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "can't be read"),
        ("[]", "must be an object with lists 'train' and 'test'"),
        ({"train": []}, "must be an object with lists 'train' and 'test'"),
        (GOOD | {"test": [["a/2.jpg", 0]]}, r"test\[0\] is \['a/2.jpg', 0\]; expected \[path, label, class name\]"),
        (GOOD | {"test": [["a/2.jpg", "0", "a"]]}, r"test\[0\] has the label '0'; expected a whole number"),
        (GOOD | {"test": [["a/2.jpg", True, "a"]]}, "has the label True"),
        (GOOD | {"test": [["../a.jpg", 0, "a"]]}, "names '../a.jpg', which is outside"),
        (GOOD | {"test": [["/etc/a.jpg", 0, "a"]]}, "which is outside"),
        (GOOD | {"test": [["..\\a.jpg", 0, "a"]]}, "which is outside"),
        (GOOD | {"test": [["a/2.jpg", 0, "z"]]}, "calls class 0 'z', and an earlier line 'a'"),
        (GOOD | {"test": [["c/2.jpg", 3, "c"]]}, "has labels 0 to 3 for 3 classes"),
        (GOOD | {"test": [["c/2.jpg", 2, "a"]]}, "gives one name to several labels: a"),
        (GOOD | {"test": [["a/1.jpg", 0, "a"]]}, "has 1 test images in train or val too, first 'a/1.jpg'"),
    ],
)
def test_split_files_that_are_wrong(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "split_zhou_X.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        read_split_file(path, as_named=spaced)
    assert "split_zhou_X.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_split_files_are_one_too_many(tmp_path: Path) -> None:
    assert find_split_file([tmp_path]) is None
    one = write_split(tmp_path / "split_a.json", **GOOD)
    assert find_split_file([tmp_path, tmp_path]) == one.resolve()
    write_split(tmp_path / "split_b.json", **GOOD)
    with pytest.raises(InputError, match=r"holds 2 split files \(split_a.json, split_b.json\); keep the one"):
        find_split_file([tmp_path])


def test_caltech_with_the_split_of_coop(tmp_path: Path) -> None:
    root = write_caltech(tmp_path, count=5)
    by_hash = open_dataset(f"caltech101:{root}")
    classes = [("Faces", "face"), ("airplanes", "airplane"), ("car_side", "car_side"), ("platypus", "platypus")]

    def part(numbers: list[int]) -> list[list[Any]]:
        return [[f"{f}/image_{i:04d}.jpg", label, n] for label, (f, n) in enumerate(classes) for i in numbers]

    write_split(root / "split_zhou_Caltech101.json", train=part([1, 2]), val=part([3]), test=part([4, 5]))
    dataset = open_dataset(f"caltech101:{root}")
    assert dataset.split_name == "split_zhou_Caltech101"
    assert dataset.version.startswith("split_zhou_Caltech101-")
    assert dataset.version != by_hash.version
    assert dataset.class_names == by_hash.class_names == ("face", "airplane", "car side", "platypus")
    assert counts(dataset) == (8, 4, 8)
    assert dataset.index("val").names == tuple(f"{folder}/image_0003.jpg" for folder, _ in classes)
    (root / "split_zhou_Caltech101.json").rename(root / "101_ObjectCategories" / "split_zhou_Caltech101.json")
    assert open_dataset(f"caltech101:{root}").version == dataset.version


def test_cars_with_the_split_of_coop_need_no_annotations(tmp_path: Path) -> None:
    root = write_cars(tmp_path)
    for path in root.rglob("*.mat"):
        path.unlink()
    names = ["2000 AM General Hummer SUV", "2010 Dodge Ram Pickup 3500 Crew Cab", "2009 Spyker C8 Coupe"]
    part = [[f"cars_train/{i + 1:05d}.jpg", i % 3, names[i % 3]] for i in range(15)]
    test = [[f"cars_test/{i + 1:05d}.jpg", i % 3, names[i % 3]] for i in range(15)]
    write_split(root / "split_zhou_StanfordCars.json", train=part[3:], val=part[:3], test=test)
    dataset = open_dataset(f"stanford-cars:{root}")
    assert dataset.class_names == tuple(names)
    assert counts(dataset) == (12, 3, 15)
    assert len(CARS) == len(names)


def test_an_image_of_the_split_that_is_not_there(tmp_path: Path) -> None:
    root = write_dogs(tmp_path, count=2)
    label = [[f"{folder}/{folder[:9]}_0.jpg", label, dog_name(folder)] for label, folder in enumerate(DOGS)]
    gone = [["n02085620-Chihuahua/gone.jpg", 0, "Chihuahua"]]
    write_split(root / "split_alexey_stanford_dogs.json", train=label, test=gone)
    with pytest.raises(InputError, match=r"1 of 5 images of 'stanford-dogs' \(split 'split_alexey_stanford_dogs'\)"):
        open_dataset(f"stanford-dogs:{root}")


def test_a_split_file_without_images_is_not_passed_over(data_folder: Path) -> None:
    """The mirror on the hub has another split: silence would be a wrong table."""
    (data_folder / "stanford-dogs").mkdir(parents=True)
    write_split(data_folder / "stanford-dogs" / "split_alexey_stanford_dogs.json", **GOOD)
    with pytest.raises(InputError, match=r"no 'Images' in '.*stanford-dogs'"):
        open_dataset("stanford-dogs")


def test_the_real_split_of_the_dogs() -> None:
    path = shared("splits/split_alexey_stanford_dogs.json")
    listing = read_split_file(path, as_named=dog_name)
    assert listing.split_name == "split_alexey_stanford_dogs"
    assert {split: len(items) for split, items in listing.splits.items()} == {
        "train": 6122,
        "val": 6122,
        "test": 8336,
    }
    assert len(listing.class_names) == 120
    assert {"German short", "wire", "soft", "flat", "curly", "black", "Shih"} <= set(listing.class_names)
    facts = PHOTOGRAPHS["stanford-dogs"]
    assert {*facts.forget_classes, *facts.tuning_classes} <= set(listing.class_names)
    for items in listing.splits.values():  # what the folders say under the project's rule agrees with the file
        assert all(dog_name(item.path.split("/")[0]) == listing.class_names[item.label] for item in items)


def test_dogs_open_with_the_real_split(tmp_path: Path) -> None:
    root = tmp_path / "dogs"
    (root / "Images").mkdir(parents=True)
    real = json.loads(shared("splits/split_alexey_stanford_dogs.json").read_text())
    few = {split: [row for row in real[split] if row[1] < 4][::20] for split in USED}
    for split in USED:
        for file, label, _ in few[split]:
            write_photo(root / "Images" / file, label)
    write_split(root / "split_alexey_stanford_dogs.json", **few)
    dataset = open_dataset(f"stanford-dogs:{root}")
    assert dataset.class_names == ("Chihuahua", "Japanese spaniel", "Maltese dog", "Pekinese")
    assert counts(dataset) == tuple(len(few[split]) for split in USED)
    label = dataset.index("test").labels[-1]
    assert dataset.picture("test", len(dataset.index("test")) - 1).getpixel((8, 8)) == pytest.approx(
        colour_of(label), abs=4
    )
    shutil.rmtree(root / "Images")
    with pytest.raises(InputError, match="no 'Images'"):
        open_dataset(f"stanford-dogs:{root}")
