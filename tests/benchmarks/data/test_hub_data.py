"""Datasets of the Hugging Face hub from a stand-in of its cache: no network anywhere."""

import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from tests.benchmarks.data.hub_stand_in import COMMIT, encoded, parquet, write_cache
from tests.benchmarks.data.photo_trees import colour_of
from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Dataset, Index, Split
from unlearn_bench.benchmarks.data.layouts.hub_spec import parse_hub_spec
from unlearn_bench.benchmarks.data.layouts.photograph_facts import PHOTOGRAPHS
from unlearn_bench.benchmarks.data.sources import asset_of, open_dataset
from unlearn_bench.errors import InputError

NAMES = ("red_fox", "grey wolf", "lynx")
USED: tuple[Split, ...] = ("train", "val", "test")
REPOSITORY = "owner/animals"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache of the test's own, and a machine without a network."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("UNLEARN_BENCH_DATA", str(tmp_path / "data"))

    def refuse(*_: object) -> NoReturn:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return folder


@pytest.fixture
def library() -> None:
    pytest.importorskip("datasets", reason="the package 'datasets' is not installed")


def shards(train: int = 5, test: int = 2, **more: Any) -> dict[str, bytes]:
    """`train` and `test` images of each class; train in two shards."""
    labels = [label for label in range(len(NAMES)) for _ in range(train)]
    middle = len(labels) // 2
    return {
        "data/train-00000-of-00002.parquet": parquet(labels[:middle], names=NAMES, **more),
        "data/train-00001-of-00002.parquet": parquet(labels[middle:], names=NAMES, **more),
        "data/test-00000-of-00001.parquet": parquet([0, 1, 2] * test, names=NAMES, **more),
    }


def counts(dataset: Dataset) -> tuple[int, ...]:
    return tuple(len(dataset.index(split)) for split in USED)


@pytest.mark.usefixtures("library")
def test_a_dataset_of_the_hub(cache: Path) -> None:
    write_cache(cache, REPOSITORY, shards())
    dataset = open_dataset(f"hf:{REPOSITORY}")
    assert dataset.name == "hf:owner/animals"
    assert dataset.class_names == ("red fox", "grey wolf", "lynx")
    assert dataset.texts[0] == "a photo of a red fox."
    assert dataset.split_name == "hub"
    assert dataset.version.startswith("hub-")
    assert COMMIT[:12] in dataset.source
    assert counts(dataset) == (12, 3, 6)
    assert dataset.index("pretrain") == Index(labels=(), names=())
    assert dataset.index("test").names[:2] == ("test/0", "test/1")
    assert not set(dataset.index("val").names) & set(dataset.index("train").names)
    assert sorted(dataset.index("val").labels) == [0, 1, 2]
    for split in USED:
        for row, label in enumerate(dataset.index(split).labels):
            picture = dataset.picture(split, row)
            assert (picture.mode, picture.size) == ("RGB", (12, 12))
            assert picture.getpixel((3, 3)) == colour_of(label)


@pytest.mark.usefixtures("library")
def test_versions_follow_the_commit_and_the_options(cache: Path, tmp_path: Path) -> None:
    snapshot = write_cache(cache, REPOSITORY, shards())
    version = open_dataset(f"hf:{REPOSITORY}").version
    assert open_dataset(f"hf:{REPOSITORY}?revision={COMMIT}").version == version
    assert open_dataset(f"hf:{REPOSITORY}?train=test&test=train").version != version
    other = "f" * 40
    snapshot.rename(snapshot.with_name(other))
    assert open_dataset(f"hf:{REPOSITORY}?revision={other}").version != version


@pytest.mark.usefixtures("library")
def test_columns_splits_and_template_by_option(cache: Path) -> None:
    files = {
        "data/fit-00000-of-00001.parquet": parquet([0, 1, 2] * 5, names=NAMES, image="img", label="fine"),
        "data/validation-00000-of-00001.parquet": parquet([0, 1, 2], names=NAMES, image="img", label="fine"),
        "README.md": b"---\nconfigs:\n- config_name: small\n  data_files:\n"
        b"  - {split: fit, path: data/fit-*}\n  - {split: validation, path: data/validation-*}\n---\n",
    }
    write_cache(cache, REPOSITORY, files)
    options = "image=img&label=fine&config=small&train=fit&test=validation&template=a drawing of a {}"
    dataset = open_dataset(f"hf:{REPOSITORY}?{options}")
    assert dataset.name == "hf:owner/animals/small"
    assert dataset.texts[2] == "a drawing of a lynx"
    assert counts(dataset) == (12, 3, 3)
    with pytest.raises(InputError, match=r"unknown column of .* 'pixels'; known: fine, img"):
        open_dataset(f"hf:{REPOSITORY}?config=small&train=fit&image=pixels")
    with pytest.raises(InputError, match=r"unknown split of .* 'tests'; known: fit, validation"):
        open_dataset(f"hf:{REPOSITORY}?config=small&train=fit&test=tests")
    with pytest.raises(InputError, match=r"has the splits fit, validation; name two with \?train"):
        open_dataset(f"hf:{REPOSITORY}?config=small")


@pytest.mark.usefixtures("library")
def test_validation_images_of_the_hub_are_kept(cache: Path) -> None:
    files = shards() | {"data/validation-00000-of-00001.parquet": parquet([2, 1, 0], names=NAMES)}
    write_cache(cache, REPOSITORY, files)
    dataset = open_dataset(f"hf:{REPOSITORY}")
    assert counts(dataset) == (15, 3, 6)
    assert dataset.index("val").labels == (2, 1, 0)


@pytest.mark.usefixtures("library")
def test_one_split_is_cut_by_hash(cache: Path) -> None:
    write_cache(cache, REPOSITORY, {"data/train-00000-of-00001.parquet": parquet([0, 1, 2] * 10, names=NAMES)})
    dataset = open_dataset(f"hf:{REPOSITORY}")
    assert dataset.split_name == "hash-50-20-30"
    assert counts(dataset) == (15, 6, 9)
    assert len({name for split in USED for name in dataset.index(split).names}) == 30


@pytest.mark.usefixtures("library")
def test_labels_as_words_and_folders_of_images(cache: Path) -> None:
    words = ["lynx", "fox"] * 5
    write_cache(cache, "owner/words", {"train.parquet": parquet(words, names=None, label="animal")})
    dataset = open_dataset("hf:owner/words?label=animal")
    assert dataset.class_names == ("fox", "lynx")
    files = {
        f"{split}/{name}/{i}.png": encoded(k)
        for split in ("train", "test")
        for i in range(5)
        for k, name in enumerate(NAMES)
    }
    write_cache(cache, "owner/folders", files)
    folders = open_dataset("hf:owner/folders")
    assert set(folders.class_names) == {"red fox", "grey wolf", "lynx"}
    assert counts(folders) == (12, 3, 15)
    row = folders.index("test").labels.index(folders.label("lynx"))
    assert folders.picture("test", row).getpixel((3, 3)) == colour_of(2)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 1, 2], None, "the labels in column 'label' of 'hf:owner/animals' have no names"),
        ([0, 1, -1], NAMES, "split 'test' of 'hf:owner/animals' has images without a label"),
    ],
)
def test_labels_without_meaning(labels: list[int], names: tuple[str, ...] | None, message: str, cache: Path) -> None:
    files = {f"data/{split}-00000-of-00001.parquet": parquet([0, 1, 2], names=names) for split in ("train", "test")}
    files["data/test-00000-of-00001.parquet"] = parquet(labels, names=names)
    write_cache(cache, REPOSITORY, files)
    with pytest.raises(InputError, match=message):
        open_dataset(f"hf:{REPOSITORY}")


@pytest.mark.usefixtures("library")
def test_broken_cells_name_their_row(cache: Path) -> None:
    whole = encoded(1, side=40)
    cells = [encoded(0), b"", whole[: len(whole) // 2], None]
    files = shards()
    files["data/test-00000-of-00001.parquet"] = parquet([0, 1, 2, 0], names=NAMES, cells=cells)
    write_cache(cache, REPOSITORY, files)
    dataset = open_dataset(f"hf:{REPOSITORY}")
    assert np.asarray(dataset.picture("test", 0)).shape == (12, 12, 3)
    for row in (1, 2, 3):
        with pytest.raises(BadImageError, match=rf"image 'owner/animals, split test, row {row}' can't be read"):
            dataset.picture("test", row)


@pytest.mark.usefixtures("library")
def test_offline_is_enough_for_what_is_here(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    write_cache(cache, REPOSITORY, shards())
    assert counts(open_dataset(f"hf:{REPOSITORY}")) == (12, 3, 6)
    here, missing = asset_of(f"hf:{REPOSITORY}"), asset_of("hf:owner/others")
    assert here is not None
    assert missing is not None
    here.fetch(lambda *_: None)  # nothing to do, so no error
    with pytest.raises(InputError, match=r"'owner/others' can't be fetched from the Hugging Face hub \(.*offline"):
        missing.fetch(lambda *_: None)


def test_not_in_the_cache(cache: Path) -> None:
    with pytest.raises(
        InputError, match=r"'hf:owner/animals' \(owner/animals at main\) is not in the hub's cache; run"
    ):
        open_dataset(f"hf:{REPOSITORY}")
    asset = asset_of(f"hf:{REPOSITORY}")
    assert asset is not None
    assert asset.availability().state == "missing"
    assert not cache.exists()


@pytest.mark.parametrize(
    ("files", "note"),
    [
        ({"data/train-00000-of-00002.parquet": b"1"}, "1 of 2 parts are not here, first 'data/train-00001-of-00002"),
        ({"README.md": b"1"}, "no data files are here"),
    ],
)
def test_half_a_snapshot(files: dict[str, bytes], note: str, cache: Path) -> None:
    write_cache(cache, REPOSITORY, files)
    with pytest.raises(InputError, match=rf"is not whole in the hub's cache \({note}"):
        open_dataset(f"hf:{REPOSITORY}")
    asset = asset_of(f"hf:{REPOSITORY}")
    assert asset is not None
    assert asset.availability().state == "partial"
    assert asset.availability().note.startswith(note)


def test_links_to_nothing_and_wanted_files(cache: Path) -> None:
    snapshot = write_cache(cache, REPOSITORY, {"a.parquet": b"1", "b.parquet": b"22", "code.py": b"333"})
    asset = asset_of(f"hf:{REPOSITORY}?files=a.*")
    assert asset is not None
    assert (asset.availability().state, asset.availability().bytes) == ("present", 1)
    lacking = asset_of(f"hf:{REPOSITORY}?files=a.*,c.*")
    assert lacking is not None
    assert lacking.availability().note == "no file 'c.*' is here"
    (snapshot / "a.parquet").resolve().unlink()
    assert asset.availability().note == "'a.parquet' is a link to nothing"


def test_without_the_package(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cache(cache, REPOSITORY, {"a.parquet": b"1"})
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        InputError, match=r"needs the package 'datasets' .*install it: pip install datasets"
    ) as caught:
        open_dataset(f"hf:{REPOSITORY}")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("library")
def test_files_that_are_no_dataset(cache: Path) -> None:
    write_cache(cache, REPOSITORY, {"data/train-00000-of-00001.parquet": b"not a table"})
    with pytest.raises(InputError, match=r"can't be read \(.*fetch it again") as caught:
        open_dataset(f"hf:{REPOSITORY}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("hf:", "names no dataset of the hub; give hf:owner/name"),
        ("hf:../etc/passwd", "names no dataset of the hub"),
        ("hf:a/b?colum=x", r"unknown option of hf:a/b 'colum'; known: .*"),
        ("hf:a/b?template=a photo", "needs one {} for the class"),
        ("hf:a/b?template={}{x}", "needs one {} for the class"),
    ],
)
def test_specs_that_are_wrong(spec: str, message: str) -> None:
    for function in (open_dataset, asset_of):
        with pytest.raises(InputError, match=message):
            function(spec)


def test_specs() -> None:
    name, options = parse_hub_spec("hf:a/b?template=a {}, a%26b&files=x-*, y")
    assert (name, options.template, options.revision) == ("a/b", "a {}, a&b", "main")
    assert options.files == "x-*, y"


CAR_NAMES = ("AM General Hummer SUV 2000", "Dodge Ram Pickup 3500 Crew Cab 2010", "Spyker C8 Coupe 2009")
DOG_NAMES = ("n02113624-toy_poodle", "Shih-Tzu", "soft-coated_wheaten_terrier")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make the facts of a mirrored dataset as small as the stand-in; gives the mirror's name."""

    def shrink(name: str, **facts: Any) -> str:
        changed = replace(PHOTOGRAPHS[name], classes=3, images={"train": 15, "test": 6}, tuning_classes=(), **facts)
        for module in ("layouts.photographs", "fetching.assets", "sources"):
            table = {**PHOTOGRAPHS, name: changed}
            monkeypatch.setattr(f"unlearn_bench.benchmarks.data.{module}.PHOTOGRAPHS", table)
        assert changed.mirror is not None
        return changed.mirror.repo

    return shrink


def mirrored(cache: Path, name: str, names: tuple[str, ...], *, test: int = 2) -> None:
    """A mirror whose card speaks of more splits than are wanted, as the real one of the cars does."""
    mirror = PHOTOGRAPHS[name].mirror
    assert mirror is not None
    card = b"---\nconfigs:\n- config_name: default\n  data_files:\n" + b"".join(
        b"  - {split: %s, path: data/%s-*}\n" % (part, part) for part in (b"train", b"test", b"contrast")
    )
    files = {
        "data/train-00000-of-00001.parquet": parquet([0, 1, 2] * 5, names=names),
        "data/test-00000-of-00001.parquet": parquet([2, 1, 0] * test, names=names),
        "README.md": card + b"---\n",
    }
    write_cache(cache, mirror.repo, files, revision=mirror.revision)


@pytest.mark.usefixtures("library")
def test_the_mirror_of_the_cars(cache: Path, small: Callable[..., str]) -> None:
    mirrored(cache, "stanford-cars", CAR_NAMES)
    small("stanford-cars", forget_classes=("2009 Spyker C8 Coupe",))
    dataset = open_dataset("stanford-cars")
    assert dataset.name == "stanford-cars"
    assert dataset.split_name == "official"
    assert dataset.class_names == (
        "2000 AM General Hummer SUV",
        "2010 Dodge Ram Pickup 3500 Crew Cab",
        "2009 Spyker C8 Coupe",
    )
    assert counts(dataset) == (12, 3, 6)
    assert dataset.index("test").labels == (2, 1, 0, 2, 1, 0)
    assert dataset.forget_classes == ("2009 Spyker C8 Coupe",)
    asset = asset_of("stanford-cars")
    assert asset is not None
    assert asset.availability().state == "present"


@pytest.mark.usefixtures("library")
def test_the_mirror_of_the_dogs_keeps_the_hyphens(cache: Path, small: Callable[..., str]) -> None:
    mirrored(cache, "stanford-dogs", DOG_NAMES)
    small("stanford-dogs", forget_classes=("toy poodle",), telling=("soft", "Shih"))
    assert open_dataset("stanford-dogs").class_names == ("toy poodle", "Shih", "soft")
    small("stanford-dogs", forget_classes=("toy poodle",), telling=("soft", "wire"))
    with pytest.raises(InputError, match="unknown class of 'stanford-dogs' 'wire'"):
        open_dataset("stanford-dogs")


@pytest.mark.usefixtures("library")
def test_a_mirror_with_other_counts_is_refused(cache: Path, small: Callable[..., str]) -> None:
    mirrored(cache, "stanford-cars", CAR_NAMES, test=3)
    repository = small("stanford-cars", forget_classes=())
    with pytest.raises(
        InputError, match=f"the mirror '{repository}' of 'stanford-cars' has 3 classes and .*expected 3"
    ):
        open_dataset("stanford-cars")


@pytest.mark.usefixtures("library")
def test_two_classes_of_one_name(cache: Path) -> None:
    names = ("red_fox", "red fox", "lynx")
    write_cache(cache, REPOSITORY, {"data/train-00000-of-00001.parquet": parquet([0, 1, 2] * 5, names=names)})
    with pytest.raises(InputError, match="has several classes called red fox; choose another"):
        open_dataset(f"hf:{REPOSITORY}")
