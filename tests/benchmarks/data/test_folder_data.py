"""People's own folders: layouts, splits, names, versions, and pictures of every odd kind."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.support import COLOURS, WARM, bench_of, colour_image, plan, write_colours, write_method
from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Dataset, Index
from unlearn_bench.benchmarks.data.layouts.folder import FolderDataset
from unlearn_bench.benchmarks.data.sources import known_datasets, open_dataset
from unlearn_bench.benchmarks.referee.conditions import conditions_for
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.errors import InputError


def names_of(dataset: Dataset) -> dict[str, set[str]]:
    return {split: set(dataset.index(split).names) for split in ("train", "val", "test")}


def test_plain_folders_are_cut_40_20_40(tmp_path: Path) -> None:
    dataset = FolderDataset(write_colours(tmp_path / "own"))
    assert dataset.name == "folder:own"
    assert dataset.class_names == ("blue", "green", "red")
    assert dataset.texts == ("a photo of a blue.", "a photo of a green.", "a photo of a red.")
    parts = names_of(dataset)
    assert {split: len(names) for split, names in parts.items()} == {"train": 12, "val": 6, "test": 12}
    assert len(set.union(*parts.values())) == 30
    for split in ("train", "test"):
        assert sorted(dataset.index(split).labels) == [0] * 4 + [1] * 4 + [2] * 4
    assert dataset.index("pretrain") == Index(labels=(), names=())


def test_labels_belong_to_their_pictures(tmp_path: Path) -> None:
    dataset = FolderDataset(write_colours(tmp_path / "own"))
    for split in ("train", "val", "test"):
        index = dataset.index(split)
        for row, (label, name) in enumerate(zip(index.labels, index.names, strict=True)):
            colour = dataset.class_names[label]
            assert name.startswith(f"{colour}/")
            mean = np.asarray(dataset.picture(split, row)).mean((0, 1))
            assert np.abs(mean - COLOURS[colour]).max() < 20


def test_the_split_does_not_move_when_classes_or_copies_are_made(tmp_path: Path) -> None:
    root = write_colours(tmp_path / "own")
    before = names_of(FolderDataset(root))
    write_colours(root, ["cyan"])
    after = names_of(FolderDataset(root))
    for split, names in before.items():
        assert names == {name for name in after[split] if not name.startswith("cyan/")}
    shutil.copytree(root, tmp_path / "elsewhere")
    assert names_of(FolderDataset(tmp_path / "elsewhere")) == after


def test_named_splits_are_kept_and_val_is_a_fifth_of_train(tmp_path: Path) -> None:
    write_colours(tmp_path / "train", count=10)
    write_colours(tmp_path / "test", count=3)
    dataset = FolderDataset(tmp_path)
    parts = names_of(dataset)
    assert {split: len(names) for split, names in parts.items()} == {"train": 24, "val": 6, "test": 9}
    assert all(name.startswith("test/") for name in parts["test"])
    assert all(name.startswith("train/") for name in parts["train"] | parts["val"])
    assert not parts["train"] & parts["val"]
    write_colours(tmp_path / "val", count=2)
    assert {split: len(names) for split, names in names_of(FolderDataset(tmp_path)).items()} == {
        "train": 30,
        "val": 6,
        "test": 9,
    }


@pytest.mark.parametrize("prefix", ["", "train"])
def test_domains(prefix: str, tmp_path: Path) -> None:
    for domain in ("photo", "sketch"):
        write_colours(tmp_path / prefix / domain, count=5)
        if prefix:
            write_colours(tmp_path / "test" / domain, count=2)
    dataset = FolderDataset(tmp_path)
    assert dataset.class_names == ("blue", "green", "red")
    index = dataset.index("test")
    assert set(index.domains) == {"photo", "sketch"}
    assert all(f"{domain}/" in name for domain, name in zip(index.domains, index.names, strict=True))
    counts = {domain: index.domains.count(domain) for domain in ("photo", "sketch")}
    assert counts == {"photo": 6, "sketch": 6}


def test_without_domains_there_are_none(tmp_path: Path) -> None:
    assert FolderDataset(write_colours(tmp_path)).index("test").domains == ()


def test_hidden_folders_and_other_files_are_left_out(tmp_path: Path) -> None:
    write_colours(tmp_path)
    (tmp_path / ".thumbs").mkdir()
    colour_image("red", 0).save(tmp_path / ".thumbs" / "a.png")
    (tmp_path / "red" / "notes.txt").write_text("x")
    dataset = FolderDataset(tmp_path)
    assert dataset.class_names == ("blue", "green", "red")
    assert not any(name.endswith(".txt") for names in names_of(dataset).values() for name in names)


def test_default_classes(tmp_path: Path) -> None:
    dataset = FolderDataset(write_colours(tmp_path, list(COLOURS)))
    assert dataset.forget_classes == ("cyan", "magenta", "yellow")  # of blue cyan green magenta red yellow
    assert dataset.tuning_classes == ("green", "red")
    assert not set(dataset.tuning_classes) & set(dataset.forget_classes)


def test_class_names_file(tmp_path: Path) -> None:
    write_colours(tmp_path)
    (tmp_path / "red").rename(tmp_path / "light_red")
    assert FolderDataset(tmp_path).class_names == ("blue", "green", "light red")
    (tmp_path / "classnames.json").write_text(json.dumps({"light_red": "pink"}))
    assert FolderDataset(tmp_path).class_names == ("blue", "green", "pink")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "classnames.json' is not JSON"),
        ("[1]", "must be an object of folder name to class name"),
        ('{"red": 3}', "must be an object of folder name to class name"),
        ('{"purple": "x"}', "names folders that hold no images: purple"),
        ('{"red": "blue"}', "gives two folders one name"),
    ],
)
def test_bad_class_names_file(text: str, message: str, tmp_path: Path) -> None:
    write_colours(tmp_path, count=1)
    (tmp_path / "classnames.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        FolderDataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_version_changes_with_bytes_names_and_class_names(tmp_path: Path) -> None:
    write_colours(tmp_path)
    versions = [FolderDataset(tmp_path).version, FolderDataset(tmp_path).version]
    assert versions[0] == versions[1]
    colour_image("red", 99).save(tmp_path / "red" / "000.png")
    versions.append(FolderDataset(tmp_path).version)
    (tmp_path / "red" / "000.png").rename(tmp_path / "red" / "x.png")
    versions.append(FolderDataset(tmp_path).version)
    (tmp_path / "classnames.json").write_text('{"red": "rouge"}')
    versions.append(FolderDataset(tmp_path).version)
    assert len(set(versions)) == 4


@pytest.mark.parametrize(("names", "count"), [((), 0), (("red",), 1)])
def test_fewer_than_two_classes(names: tuple[str, ...], count: int, tmp_path: Path) -> None:
    write_colours(tmp_path, names)
    with pytest.raises(InputError, match=f"holds images of {count} classes; at least two"):
        FolderDataset(tmp_path)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder at .*; give folder:/path"):
        open_dataset(f"folder:{tmp_path / 'nowhere'}")


ODD = {
    "grey.png": colour_image("red", 0).convert("L"),
    "bits.png": colour_image("red", 0).convert("1"),
    "palette.png": colour_image("red", 0).convert("P"),
    "alpha.png": colour_image("red", 0).convert("RGBA"),
    "grey-alpha.png": colour_image("red", 0).convert("LA"),
    "print.jpg": colour_image("red", 0).convert("CMYK"),
    "deep.png": Image.fromarray(np.full((10, 10), 40000, dtype=np.uint16)),
}


@pytest.mark.parametrize("file", ODD)
def test_odd_pictures_load_as_rgb(file: str, tmp_path: Path) -> None:
    write_colours(tmp_path, WARM, count=1)
    for name in WARM:
        (tmp_path / name / "000.png").unlink()
        ODD[file].save(tmp_path / name / file)
    picture = one_picture(FolderDataset(tmp_path))
    assert picture.mode == "RGB"
    assert picture.size == (10, 10)


def test_animation_and_rotation(tmp_path: Path) -> None:
    write_colours(tmp_path, ["blue", "red"], count=1)
    for name in ("blue", "red"):
        (tmp_path / name / "000.png").unlink()
    frames = [colour_image(name, 0) for name in ("blue", "green")]
    frames[0].save(tmp_path / "blue" / "moving.gif", save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    wide = colour_image("red", 0).resize((20, 10))
    wide.save(tmp_path / "red" / "turned.jpg", exif=exif)
    dataset = FolderDataset(tmp_path)
    found = {name: dataset.picture(s, row) for s in ("train", "val", "test") for row, name in of(dataset, s)}
    moving = np.asarray(found["blue/moving.gif"])
    assert found["blue/moving.gif"].mode == "RGB"
    assert moving[..., 2].mean() > 180  # the first frame
    assert found["red/turned.jpg"].size == (20, 10)  # as stored, as the field's loaders do


def of(dataset: Dataset, split: str) -> list[tuple[int, str]]:
    return list(enumerate(dataset.index(split).names))  # type: ignore[arg-type]


def one_picture(dataset: Dataset) -> Image.Image:
    for split in ("train", "val", "test"):
        if len(dataset.index(split)):
            return dataset.picture(split, 0)
    raise AssertionError("no pictures")


def spoil(path: Path, how: str) -> None:
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not a picture"}[how])


@pytest.mark.parametrize("how", ["empty", "cut", "text"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif"])
def test_broken_pictures_are_named(how: str, suffix: str, tmp_path: Path) -> None:
    write_colours(tmp_path, count=1)
    for name in WARM:
        (tmp_path / name / "000.png").unlink()
        path = tmp_path / name / f"broken{suffix}"
        colour_image(name, 0, side=40).save(path)
        spoil(path, how)
    with pytest.raises(BadImageError, match=rf"/broken\{suffix}' can't be read \(.+--skip-bad-images"):
        one_picture(FolderDataset(tmp_path))


def test_bad_images_stop_a_run_or_are_counted(suite_file: Path, tmp_path: Path) -> None:
    suite = load_suite(str(suite_file))
    dataset = bench_of(suite).evaluated["folder:warm"].dataset
    broken = tmp_path / "data" / "warm" / dataset.index("test").names[0]
    spoil(broken, "cut")
    spec = write_method(tmp_path, "return clip")
    from unlearn_bench.benchmarks.referee.workbench import open_workbench
    from unlearn_bench.benchmarks.sweep.plan import cells_for
    from unlearn_bench.benchmarks.sweep.players import Choice

    open_workbench.cache_clear()
    (cell,) = plan(suite_file, [spec], classes=["red"])
    with pytest.raises(BadImageError, match=broken.name):
        run_cell(cell, open_workbench(cell.setting), conditions_for("cpu", 1))
    choice = Choice(methods=[spec], classes=["red"])
    (kept,) = cells_for(suite, choice, bench_of(suite, skip_bad=True))
    record = run_cell(kept, open_workbench(kept.setting), conditions_for("cpu", 1)).record
    assert record.status == "ok"
    assert record.provenance["skipped_images"] == {"folder:warm": 1}
    assert kept.run.key != cell.run.key
    counts = [record.find("accuracy", dataset="folder:warm", group=group) for group in ("target", "other")]
    assert sum(item.n for item in counts if item is not None) == 11


def test_embedded_datasets_open() -> None:
    entries = {name: entry for name, entry in known_datasets().items() if name.startswith("mini-")}
    assert len(entries) >= 4
    for name, entry in entries.items():
        dataset = open_dataset(name)
        assert dataset.name == name
        shown = dataset.class_names if dataset.domain_labels is None else dataset.domain_labels.class_list
        assert tuple(shown) == entry.facts["classes"]
        assert all(dataset.labels([item]) for item in (*dataset.forget_classes, *dataset.tuning_classes))
        assert not set(dataset.forget_classes) & set(dataset.tuning_classes)
        assert "{}" in dataset.template
        assert dataset.licence
        assert dataset.source


def test_an_embedded_split() -> None:
    dataset = open_dataset("mini-digits")
    index = dataset.index("train")
    assert set(index.labels) == set(range(len(dataset.class_names)))
    picture = dataset.picture("train", 0)
    assert (picture.mode, picture.size) == ("RGB", (64, 64))
    assert picture.tobytes() == open_dataset("mini-digits").picture("train", 0).tobytes()
    assert len(dataset.rendering) == 12  # a hash of what draws: libraries and code
    assert dataset.rendering == open_dataset("mini-shapes").rendering


PLUGIN = """
from unlearn_bench.benchmarks.data.layouts.folder import FolderDataset
from pathlib import Path
def make(): return FolderDataset(Path({folder!r}), template="a drawing of {{}}")
def fails(): raise RuntimeError("no disk in the drive")
def wants(argument): return make()
def other(): return 3
value = 4
"""


def test_dataset_plugin(tmp_path: Path) -> None:
    path = tmp_path / "data_plugin.py"
    path.write_text(PLUGIN.format(folder=str(write_colours(tmp_path / "own"))))
    assert open_dataset(f"{path}:make").texts[0] == "a drawing of blue"
    for attribute, message in {
        "fails": r"can't be made \(RuntimeError: no disk in the drive\)",
        "wants": r"can't be made \(TypeError: .*called without arguments",
        "other": "made a int; it must make a Dataset",
        "value": "is a int, not a function",
        "lacks": "unknown attribute",
    }.items():
        with pytest.raises(InputError, match=message):
            open_dataset(f"{path}:{attribute}")


def test_unknown_dataset_and_class(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown dataset 'mini-digit'; known: .*did you mean 'mini-digits'"):
        open_dataset("mini-digit")
    dataset = FolderDataset(write_colours(tmp_path / "own"))
    assert dataset.label("red") == 2
    with pytest.raises(InputError, match=r"unknown class of 'folder:own' 'rde'; known: .*did you mean 'red'"):
        dataset.label("rde")
