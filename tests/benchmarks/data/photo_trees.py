"""Small trees in the layouts in which the authors of the datasets pack them; each class has a colour of its own."""

import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from unlearn_bench.benchmarks.data.dataset.base import Split

USED: tuple[Split, ...] = ("train", "val", "test")
SHARED = Path(os.environ.get("UNLEARN_BENCH_DATA", Path(__file__).parents[4] / "shared" / "data"))
"""Real files, read before a test's own data folder takes the variable; they are no part of this project."""

DOGS = ("n02085620-Chihuahua", "n02086240-Shih-Tzu", "n02095314-wire-haired_fox_terrier", "n02113624-toy_poodle")
CARS = ("AM General Hummer SUV 2000", "Dodge Ram Pickup 3500 Crew Cab 2010", "Spyker C8 Coupe 2009")


def shared(path: str) -> Path:
    """A real file or folder, or a skip that says which."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"no {path} in {SHARED}; set UNLEARN_BENCH_DATA to a folder that has it")
    return found


def colour_of(label: int) -> tuple[int, int, int]:
    return 30 + 60 * (label % 4), 30 + 60 * (label // 4), 128


def write_photo(path: Path, label: int, side: int = 16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), colour_of(label)).save(path, "JPEG", quality=95)


def write_classes(root: Path, folders: Sequence[str], count: int) -> Path:
    for label, folder in enumerate(folders):
        for number in range(1, count + 1):
            write_photo(root / folder / f"image_{number:04d}.jpg", label)
    return root


def write_caltech(root: Path, count: int = 10) -> Path:
    """Four classes and the two that are left out, in the order of their folders."""
    folders = ("Faces", "airplanes", "car_side", "platypus")
    write_classes(root / "101_ObjectCategories", folders, count)
    for name in ("BACKGROUND_Google", "Faces_easy"):
        write_photo(root / "101_ObjectCategories" / name / "image_0001.jpg", 9)
    return root


def write_pins(root: Path, count: int = 10) -> Path:
    write_classes(root / "105_classes_pins_dataset", ("pins_Ada Lovelace", "pins_Alan Turing"), count)
    return root


def write_flowers(root: Path) -> Path:
    """Three classes of eight images: two for train, two for val, four for test."""
    labels = np.repeat([1, 2, 3], 8)
    for number, label in enumerate(labels, start=1):
        write_photo(root / "jpg" / f"image_{number:05d}.jpg", int(label) - 1)
    numbers = np.arange(1, 25).reshape(3, 8)
    savemat(root / "imagelabels.mat", {"labels": labels[None].astype(np.uint8)})
    parts = {"trnid": numbers[:, :2], "valid": numbers[:, 2:4], "tstid": numbers[:, 4:]}
    savemat(root / "setid.mat", {name: part.reshape(1, -1).astype(np.uint16) for name, part in parts.items()})
    return root


def write_cars(root: Path, count: int = 5) -> Path:
    """Annotations as MATLAB structures, as in the development kit."""
    (root / "devkit").mkdir(parents=True)
    names = np.empty((1, len(CARS)), dtype=object)
    names[0, :] = CARS
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": names})
    for split, target in (
        ("train", root / "devkit" / "cars_train_annos.mat"),
        ("test", root / "cars_test_annos_withlabels.mat"),
    ):
        kind = [(field, object) for field in ("bbox_x1", "class", "fname")]
        rows = np.empty((1, count * len(CARS)), dtype=kind)
        for place in range(count * len(CARS)):
            label = place % len(CARS)
            file = f"{place + 1:05d}.jpg"
            rows[0, place] = (np.array([[3]]), np.array([[label + 1]], dtype=np.uint8), file)
            write_photo(root / f"cars_{split}" / file, label)
        savemat(target, {"annotations": rows})
    return root


def write_dogs(root: Path, count: int = 5) -> Path:
    for split, start in (("train", 0), ("test", 100)):
        files = [
            (f"{folder}/{folder.split('-', 1)[0]}_{start + number}.jpg", label)
            for label, folder in enumerate(DOGS)
            for number in range(count)
        ]
        for file, label in files:
            write_photo(root / "Images" / file, label)
        cells = np.empty((len(files), 1), dtype=object)
        cells[:, 0] = [file for file, _ in files]
        labels = np.array([[label + 1] for _, label in files], dtype=np.uint8)
        (root / "lists").mkdir(exist_ok=True)
        savemat(
            root / "lists" / f"{split}_list.mat", {"file_list": cells, "annotation_list": cells, "labels": labels}
        )
    return root


def write_pets(root: Path, count: int = 5) -> Path:
    (root / "annotations").mkdir(parents=True)
    breeds = ("Abyssinian", "american_bulldog", "Sphynx")
    for split, start in (("trainval", 0), ("test", 100)):
        lines = []
        for label, breed in enumerate(breeds):
            for number in range(count):
                write_photo(root / "images" / f"{breed}_{start + number}.jpg", label)
                lines.append(f"{breed}_{start + number} {label + 1} 1 1")
        (root / "annotations" / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def write_food(root: Path, count: int = 5) -> Path:
    (root / "meta").mkdir(parents=True)
    dishes = ("apple_pie", "baby_back_ribs", "waffles")
    for split, start in (("train", 0), ("test", 100)):
        found = {dish: [f"{dish}/{start + number}" for number in range(count)] for dish in dishes}
        for label, dish in enumerate(dishes):
            for file in found[dish]:
                write_photo(root / "images" / f"{file}.jpg", label)
        (root / "meta" / f"{split}.json").write_text(json.dumps(found))
    return root


def write_cifar(root: Path, name: str, count: int = 10) -> Path:
    """Batches as the author pickled them: planes of red, then green, then blue."""
    fine = name == "cifar100"
    folder = root / ("cifar-100-python" if fine else "cifar-10-batches-py")
    folder.mkdir(parents=True)
    names = ["maple_tree", "pickup_truck"] if fine else ["airplane", "automobile", "bird"]
    parts = {"train": count, "test": 4} if fine else {f"data_batch_{i}": count // 5 for i in range(1, 6)}
    parts |= {} if fine else {"test_batch": 4}
    for file, each in parts.items():
        labels = [label for label in range(len(names)) for _ in range(each)]
        pixels = np.array([np.repeat(colour_of(label), 1024) for label in labels], dtype=np.uint8)
        batch = {
            "data": pixels,
            "fine_labels" if fine else "labels": labels,
            "filenames": [f"{file}_{place}.png" for place in range(len(labels))],
            "batch_label": file,
        }
        (folder / file).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"fine_label_names" if fine else "label_names": names, "num_cases_per_batch": count}
    (folder / ("meta" if fine else "batches.meta")).write_bytes(pickle.dumps(meta, protocol=2))
    return root


TREES: dict[str, Callable[[Path], Path]] = {
    "caltech101": write_caltech,
    "oxford-flowers": write_flowers,
    "stanford-cars": write_cars,
    "stanford-dogs": write_dogs,
    "oxford-pets": write_pets,
    "food101": write_food,
    "pins-faces": write_pins,
    "cifar10": lambda root: write_cifar(root, "cifar10"),
    "cifar100": lambda root: write_cifar(root, "cifar100"),
}
