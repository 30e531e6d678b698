"""The photographs of the papers: facts, layouts, official splits, versions, and what is said when something lacks."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.data.photo_trees import (
    TREES,
    USED,
    colour_of,
    shared,
    write_caltech,
    write_cars,
    write_flowers,
    write_pins,
)
from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Dataset, Index
from unlearn_bench.benchmarks.data.layouts.photograph_facts import PHOTOGRAPHS, car_name, dog_name
from unlearn_bench.benchmarks.data.sources import known_datasets, open_dataset
from unlearn_bench.errors import InputError

pytestmark = pytest.mark.usefixtures("data_folder")


def counts(dataset: Dataset) -> tuple[int, ...]:
    return tuple(len(dataset.index(split)) for split in USED)


EXPECTED = {  # class names; images in train, val, test; name of the split
    "caltech101": (("face", "airplane", "car side", "platypus"), (20, 8, 12), "hash-50-20-30"),
    "oxford-flowers": (("pink primrose", "hard-leaved pocket orchid", "canterbury bells"), (6, 6, 12), "official"),
    "stanford-cars": (
        ("2000 AM General Hummer SUV", "2010 Dodge Ram Pickup 3500 Crew Cab", "2009 Spyker C8 Coupe"),
        (12, 3, 15),
        "official",
    ),
    "stanford-dogs": (("Chihuahua", "Shih", "wire", "toy poodle"), (16, 4, 20), "official"),
    "oxford-pets": (("Abyssinian", "american bulldog", "Sphynx"), (12, 3, 15), "official"),
    "food101": (("apple pie", "baby back ribs", "waffles"), (12, 3, 15), "official"),
    "pins-faces": (("Ada Lovelace", "Alan Turing"), (10, 4, 6), "hash-50-20-30"),
    "cifar10": (("airplane", "automobile", "bird"), (24, 6, 12), "official"),
    "cifar100": (("maple tree", "pickup truck"), (16, 4, 8), "official"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_original_layouts(name: str, tmp_path: Path) -> None:
    names, sizes, split_name = EXPECTED[name]
    root = TREES[name](tmp_path / "own")
    dataset = open_dataset(f"{name}:{root}")
    assert dataset.name == name
    assert dataset.class_names[: len(names)] == names
    assert len(dataset.class_names) == (102 if name == "oxford-flowers" else len(names))
    assert counts(dataset) == sizes
    assert dataset.split_name == split_name
    assert re.fullmatch(rf"{split_name}-[0-9a-f]{{12}}", dataset.version)
    assert dataset.index("pretrain") == Index(labels=(), names=())
    seen = [entry for split in USED for entry in dataset.index(split).names]
    assert len(set(seen)) == len(seen) == sum(sizes)
    for split in USED:
        index = dataset.index(split)
        assert set(index.labels) == set(range(len(names)))
        for row in (0, len(index) // 2, len(index) - 1):
            picture = dataset.picture(split, row)
            assert picture.mode == "RGB"
            assert np.abs(np.asarray(picture).mean((0, 1)) - colour_of(index.labels[row])).max() < 4


@pytest.mark.parametrize("name", EXPECTED)
def test_the_same_files_elsewhere_are_the_same_dataset(name: str, tmp_path: Path, data_folder: Path) -> None:
    root = TREES[name](tmp_path / "own")
    first = open_dataset(f"{name}:{root}")
    shutil.copytree(root, data_folder / PHOTOGRAPHS[name].folders[-1])
    second = open_dataset(name)  # from the data folder, under another of its names
    assert first.version == second.version
    assert [first.index(split) for split in USED] == [second.index(split) for split in USED]
    if not name.startswith(("cifar", "pins")):
        shutil.copytree(root, tmp_path / "outer" / "inner")  # as torchvision nests them
        assert open_dataset(f"{name}:{tmp_path / 'outer'}").version == first.version


@pytest.mark.parametrize("name", [name for name in EXPECTED if not name.startswith("cifar")])
def test_versions_know_sizes_and_missing_images_are_counted(name: str, tmp_path: Path) -> None:
    root = TREES[name](tmp_path / "own")
    dataset = open_dataset(f"{name}:{root}")
    photo = next(path for path in sorted(root.rglob(dataset.index("test").names[0].rsplit("/", 1)[-1])))
    photo.write_bytes(photo.read_bytes() + b"x")
    assert open_dataset(f"{name}:{root}").version != dataset.version
    if dataset.split_name == "official":
        photo.unlink()
        total = sum(counts(dataset))
        message = rf"1 of {total} images of '{name}' \(split 'official'\) are not in .*; complete the folder"
        with pytest.raises(InputError, match=message):
            open_dataset(f"{name}:{root}")


def test_facts_of_the_main_paper() -> None:
    assert {name: PHOTOGRAPHS[name].forget_classes for name in list(PHOTOGRAPHS)[:4]} == {
        "caltech101": ("euphonium", "minaret", "platypus"),
        "oxford-flowers": ("gazania", "tree mallow", "trumpet creeper"),
        "stanford-cars": (
            "2009 Spyker C8 Coupe",
            "2010 Dodge Ram Pickup 3500 Crew Cab",
            "2011 Ford Ranger SuperCab",
        ),
        "stanford-dogs": ("Pekinese", "toy poodle", "Scotch terrier"),
    }
    templates = {name: facts.template for name, facts in PHOTOGRAPHS.items()}
    assert templates["oxford-flowers"] == "a photo of a {}, a type of flower."
    assert {templates[name] for name in ("caltech101", "stanford-cars", "stanford-dogs", "cifar100")} == {
        "a photo of a {}."
    }
    for facts in PHOTOGRAPHS.values():
        assert not set(facts.forget_classes) & set(facts.tuning_classes)
        assert not facts.forget_classes or len(facts.tuning_classes) >= 2
        assert facts.licence
        assert facts.downloads or facts.mirror or facts.by_hand
        assert not facts.images or sum(facts.images.values()) == facts.total


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Spyker C8 Coupe 2009", "2009 Spyker C8 Coupe"),
        ("Chevrolet Silverado 1500 Regular Cab 2012", "2012 Chevrolet Silverado 1500 Regular Cab"),
        ("2012 Audi 100 Wagon", "2012 Audi 100 Wagon"),  # a split file has the year in front already
        ("2008 Chrysler 2000", "2008 Chrysler 2000"),
    ],
)
def test_car_names(given: str, expected: str) -> None:
    assert car_name(given) == expected
    assert car_name(expected) == expected


def test_dog_names_are_cut_at_a_hyphen_and_stay_as_they_are_then() -> None:
    given = ("n02087394-Rhodesian_ridgeback", "n02089078-black-and-tan_coonhound", "soft-coated_wheaten_terrier")
    assert [dog_name(name) for name in given] == ["Rhodesian ridgeback", "black", "soft"]
    assert dog_name("German short") == "German short"


def test_flower_names_come_from_the_users_file_if_there_is_one(tmp_path: Path) -> None:
    root = write_flowers(tmp_path)
    (root / "cat_to_name.json").write_text('{"1": "a_rose", "2": "dahlia?", "3": "tulip"}')
    assert open_dataset(f"oxford-flowers:{root}").class_names == ("a rose", "dahlia", "tulip")
    (root / "cat_to_name.json").write_text('{"1": "a", "2": "b", "4": "c"}')
    with pytest.raises(InputError, match="has no name for class '3'"):
        open_dataset(f"oxford-flowers:{root}")


def test_official_val_images_are_kept(tmp_path: Path) -> None:
    dataset = open_dataset(f"oxford-flowers:{write_flowers(tmp_path)}")
    assert dataset.index("val").names == tuple(f"image_{i:05d}.jpg" for i in (3, 4, 11, 12, 19, 20))
    assert dataset.index("train").labels == (0, 0, 1, 1, 2, 2)


def test_default_classes_where_the_paper_names_none(tmp_path: Path) -> None:
    dataset = open_dataset(f"cifar10:{TREES['cifar10'](tmp_path)}")
    assert dataset.forget_classes == ("airplane", "automobile", "bird")
    pets = open_dataset(f"oxford-pets:{TREES['oxford-pets'](tmp_path / 'pets')}")
    assert set(pets.forget_classes) <= set(pets.class_names)


def test_a_cut_by_hash_stays_when_classes_come(tmp_path: Path) -> None:
    root = write_pins(tmp_path)
    before = open_dataset(f"pins-faces:{root}")
    TREES["pins-faces"](tmp_path / "more")
    shutil.copytree(
        root / "105_classes_pins_dataset" / "pins_Ada Lovelace", root / "105_classes_pins_dataset" / "pins_Zoe"
    )
    after = open_dataset(f"pins-faces:{root}")
    for split in USED:
        kept = tuple(name for name in after.index(split).names if not name.startswith("pins_Zoe/"))
        assert kept == before.index(split).names


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_not_here_is_said(name: str, tmp_path: Path, data_folder: Path) -> None:
    with pytest.raises(InputError, match=r"; give .*:/path with"):
        open_dataset(f"{name}:{tmp_path / 'nowhere'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^no ") as caught:
        open_dataset(f"{name}:{tmp_path / 'empty'}")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=f"dataset '{name}' .*run `unlearn-bench prepare`, or give {name}:/path"):
        open_dataset(name)
    assert not data_folder.exists()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("oxford-flowers", "setid.mat"),
        ("stanford-cars", "devkit/cars_meta.mat"),
        ("stanford-cars", "cars_test_annos_withlabels.mat"),
        ("stanford-dogs", "lists/test_list.mat"),
        ("oxford-pets", "annotations/test.txt"),
        ("food101", "meta/train.json"),
    ],
)
def test_missing_annotations(name: str, file: str, tmp_path: Path) -> None:
    root = TREES[name](tmp_path / "own")
    (root / file).unlink()
    with pytest.raises(InputError, match=rf"no '{Path(file).name}' in .*, which holds the official split; get it"):
        open_dataset(f"{name}:{root}")


def test_damaged_annotations(tmp_path: Path) -> None:
    cars = write_cars(tmp_path / "cars")
    (cars / "devkit" / "cars_meta.mat").write_bytes(b"not a matrix")
    with pytest.raises(InputError, match=r"cars_meta.mat' can't be read .*get the file again"):
        open_dataset(f"stanford-cars:{cars}")
    food = TREES["food101"](tmp_path / "food")
    for text, message in (("{", "is not JSON"), ("[1]", "holds a list, expected an object")):
        (food / "meta" / "train.json").write_text(text)
        with pytest.raises(InputError, match=message):
            open_dataset(f"food101:{food}")


def test_cars_keep_their_test_labels_in_either_place(tmp_path: Path) -> None:
    root = write_cars(tmp_path)
    version = open_dataset(f"stanford-cars:{root}").version
    (root / "cars_test_annos_withlabels.mat").rename(root / "devkit" / "cars_test_annos_withlabels.mat")
    assert open_dataset(f"stanford-cars:{root}").version == version


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif"])
@pytest.mark.parametrize("how", ["empty", "cut", "text"])
def test_broken_photographs_are_named(how: str, suffix: str, tmp_path: Path) -> None:
    root = write_caltech(tmp_path)
    whole = root / "101_ObjectCategories" / "platypus" / f"zzz.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole)
    data = whole.read_bytes()
    whole.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "text": b"not a picture"}[how])
    dataset = open_dataset(f"caltech101:{root}")
    split, row = next(
        (s, dataset.index(s).names.index(n)) for s in USED for n in dataset.index(s).names if "zzz" in n
    )
    with pytest.raises(BadImageError, match=rf"platypus/zzz\.{suffix}' can't be read \(.+--skip-bad-images"):
        dataset.picture(split, row)


RED = Image.new("RGB", (20, 20), (200, 40, 60))
ODD = {
    "grey.jpg": (RED.convert("L"), (90, 90, 90)),
    "print.jpg": (RED.convert("CMYK"), (200, 40, 60)),
    "alpha.png": (RED.convert("RGBA"), (200, 40, 60)),
    "palette.png": (RED.convert("P"), None),
    "deep.png": (Image.fromarray(np.full((20, 20), 40_000, dtype=np.uint16)), (156, 156, 156)),
    "deep.tif": (Image.fromarray(np.full((20, 20), 256 * 17, dtype=np.int32)), (17, 17, 17)),
    "shallow.tif": (Image.fromarray(np.full((20, 20), 17, dtype=np.int32)), (17, 17, 17)),
}


@pytest.mark.parametrize("file", ODD)
def test_odd_photographs_are_rgb(file: str, tmp_path: Path) -> None:
    picture, expected = ODD[file]
    root = write_caltech(tmp_path, count=1)
    picture.save(root / "101_ObjectCategories" / "platypus" / f"zzz{file}")
    dataset = open_dataset(f"caltech101:{root}")
    split, row = next(
        (s, dataset.index(s).names.index(n)) for s in USED for n in dataset.index(s).names if "zzz" in n
    )
    found = dataset.picture(split, row)
    assert (found.mode, found.size) == ("RGB", (20, 20))
    if expected:
        assert np.abs(np.asarray(found).astype(int).mean((0, 1)) - expected).max() < 8


def test_animations_show_their_first_frame(tmp_path: Path) -> None:
    root = write_caltech(tmp_path, count=1)
    blue = Image.new("RGB", (20, 20), (0, 0, 250))
    blue.save(root / "101_ObjectCategories" / "platypus" / "zzz.gif", save_all=True, append_images=[RED, RED])
    dataset = open_dataset(f"caltech101:{root}")
    split, row = next(
        (s, dataset.index(s).names.index(n)) for s in USED for n in dataset.index(s).names if "zzz" in n
    )
    assert np.asarray(dataset.picture(split, row)).mean((0, 1)).argmax() == 2


def test_the_list_knows_them() -> None:
    entries = known_datasets()
    assert set(PHOTOGRAPHS) <= set(entries)
    assert entries["caltech101"].summary.startswith("100 classes; Caltech101")
    with pytest.raises(InputError, match=r"unknown dataset 'caltech-101'; known: .*did you mean 'caltech101'"):
        open_dataset("caltech-101")


def test_real_caltech_files() -> None:
    dataset = open_dataset(f"caltech101:{shared('caltech101')}")
    assert len(dataset.class_names) == 100
    assert not {"Faces easy", "BACKGROUND Google"} & set(dataset.class_names)
    assert {"airplane", "face", "leopard", "motorbike", "crocodile head"} <= set(dataset.class_names)
    for name in (*dataset.forget_classes, *dataset.tuning_classes):
        assert 0 <= dataset.label(name) < 100
    with pytest.raises(InputError, match="did you mean 'platypus'"):
        dataset.label("platipus")
    sizes = counts(dataset)
    assert [round(10 * size / sum(sizes)) for size in sizes] == [5, 2, 3]
    index = dataset.index("test")
    for row in range(0, len(index), 97):
        assert dataset.picture("test", row).mode == "RGB"
