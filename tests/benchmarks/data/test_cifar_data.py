"""CIFAR's pickled batches: planes to pixels, validation images, and files that are damaged or hostile."""

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.data.photo_trees import write_cifar
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.errors import InputError

FOLDER, META = "cifar-10-batches-py", "batches.meta"


def test_planes_become_pixels(tmp_path: Path) -> None:
    root = write_cifar(tmp_path, "cifar10")
    path = root / FOLDER / "test_batch"
    batch = pickle.loads(path.read_bytes())
    pixels = np.arange(12 * 3072, dtype=np.int64).reshape(12, 3072) % 251
    path.write_bytes(pickle.dumps(batch | {"data": pixels.astype(np.uint8)}))
    dataset = open_dataset(f"cifar10:{root}")
    found = np.asarray(dataset.picture("test", 5))
    for y, x, channel in ((0, 0, 0), (3, 7, 1), (31, 31, 2)):
        assert found[y, x, channel] == pixels[5, channel * 1024 + y * 32 + x]


def test_the_batches_folder_itself_will_do(tmp_path: Path) -> None:
    root = write_cifar(tmp_path, "cifar10")
    assert open_dataset(f"cifar10:{root / FOLDER}").version == open_dataset(f"cifar10:{root}").version


def test_val_is_a_fifth_of_each_class_by_hash_of_the_names(tmp_path: Path) -> None:
    dataset = open_dataset(f"cifar100:{write_cifar(tmp_path, 'cifar100')}")
    names = {0: [f"train_{i}.png" for i in range(10)], 1: [f"train_{i}.png" for i in range(10, 20)]}
    expected = {
        name
        for each in names.values()
        for name in sorted(each, key=lambda item: hashlib.sha256(item.encode()).hexdigest())[8:]
    }
    assert set(dataset.index("val").names) == expected
    assert not expected & set(dataset.index("train").names)
    assert dataset.index("train").labels == (0,) * 8 + (1,) * 8


def test_versions_know_pixels(tmp_path: Path) -> None:
    root = write_cifar(tmp_path, "cifar10")
    before = open_dataset(f"cifar10:{root}").version
    path = root / FOLDER / "data_batch_3"
    batch = pickle.loads(path.read_bytes())
    batch["data"][0, 0] ^= 1
    path.write_bytes(pickle.dumps(batch))
    assert open_dataset(f"cifar10:{root}").version != before


class Hostile:
    """What a pickle can do to whoever loads it without a look."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (self.target,)


def test_a_batch_runs_no_code(tmp_path: Path) -> None:
    root = write_cifar(tmp_path / "own", "cifar10")
    (root / FOLDER / META).write_bytes(pickle.dumps({"label_names": Hostile(tmp_path / "made")}))
    with pytest.raises(InputError, match=r"batches.meta' can't be read as a batch \(it names posix.mkdir, which no"):
        open_dataset(f"cifar10:{root}")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("test_batch", b"", "can't be read as a batch"),
        ("test_batch", pickle.dumps([1]), "holds a list, not a batch"),
        ("test_batch", pickle.dumps({"data": np.zeros((1, 3072), np.uint8)}), "has no 'labels'; its fields are data"),
        (
            "test_batch",
            pickle.dumps({"data": np.zeros((1, 9), np.uint8), "labels": [0], "filenames": ["a"]}),
            r"has pixels of shape \(1, 9\)",
        ),
        (
            "test_batch",
            pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [7], "filenames": ["a"]}),
            "has labels of no class",
        ),
        (META, pickle.dumps({"names": ["a"]}), "has no 'label_names'"),
    ],
)
def test_damaged_batches(file: str, content: bytes, message: str, tmp_path: Path) -> None:
    root = write_cifar(tmp_path, "cifar10")
    (root / FOLDER / file).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(f"cifar10:{root}").index("test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["data_batch_4", "test_batch", META])
def test_missing_batches_are_said_at_once(file: str, tmp_path: Path) -> None:
    root = write_cifar(tmp_path, "cifar10")
    (root / FOLDER / file).unlink()
    with pytest.raises(InputError, match=f"no '{file}' in .*complete"):
        open_dataset(f"cifar10:{root}")
