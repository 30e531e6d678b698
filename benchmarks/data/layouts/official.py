"""The layouts in which the photographs come from their authors, and the official splits in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.data.dataset.base import Split
from unlearn_bench.benchmarks.data.dataset.formats import endings
from unlearn_bench.benchmarks.data.dataset.partition import WHOLE, cut_by_hash
from unlearn_bench.benchmarks.data.layouts.photograph_facts import Facts
from unlearn_bench.benchmarks.data.layouts.split_files import Listing, Sample, complete
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError

OFFICIAL = "official"
BY_HASH = "hash-50-20-30"
"""No official split exists: each class is cut by a hash of its file names into train, val and test."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A dataset in its original form on disk.

    Attributes:
        root: where its annotations are. images: what the paths of its images, and of split files, are relative to.
        listing: reads the official split, or cuts where there is none.
    """

    root: Path
    images: Path
    listing: Callable[[], Listing]


def find_layout(name: str, facts: Facts, root: Path) -> Layout:
    """The layout of the dataset `name` in `root`, or in a folder directly below it.

    Raises:
        InputError: `root` is no folder, or what tells the dataset is not in it.
    """
    if not root.is_dir():
        raise InputError(f"no folder at {str(root)!r}; give {name}:/path with {facts.title} as its authors pack it")
    return _FINDERS[name](facts, root)


def _locate(root: Path, marker: str, facts: Facts) -> Path:
    """The folder that holds `marker`: `root`, one directly below it, or the one above (`root` is the marker)."""
    below = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    candidates = [root, *below, *([root.parent] if root.name == marker else [])]
    for folder in candidates:
        if (folder / marker).exists():
            return folder
    raise InputError(
        f"no {marker!r} in {str(root)!r}, where {facts.title} has it; give the folder as its authors pack it"
    )


def _class_folders(facts: Facts, images: Path, prefix: str = "") -> Listing:
    """One folder per class, no official split."""
    folders = sorted(
        path
        for path in images.iterdir()
        if path.is_dir() and path.name.startswith(prefix) and path.name[0] != "." and path.name not in facts.excluded
    )
    samples = [
        Sample(path=f"{folder.name}/{file.name}", label=label)
        for label, folder in enumerate(folders)
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in endings() and file.is_file()
    ]
    if not samples:
        raise InputError(f"no images in the folders of {str(images)!r}; complete {facts.title} there")
    cut = cut_by_hash(samples, WHOLE, group=lambda item: item.label, name=lambda item: item.path.rsplit("/", 1)[1])
    splits: dict[Split, list[Sample]] = {"train": cut["train"], "val": cut["val"], "test": cut["test"]}
    return complete(_named(facts, [folder.name for folder in folders]), splits, BY_HASH)


def _named(facts: Facts, names: Sequence[str]) -> list[str]:
    return [facts.as_named(str(name)) for name in names]


def _caltech(facts: Facts, root: Path) -> Layout:
    base = _locate(root, "101_ObjectCategories", facts)
    images = base / "101_ObjectCategories"
    return Layout(root=base, images=images, listing=lambda: _class_folders(facts, images))


def _pins(facts: Facts, root: Path) -> Layout:
    below = sorted(path for path in root.iterdir() if path.is_dir())
    holding = [folder for folder in [root, *below] if any(path.is_dir() for path in folder.glob("pins_*"))]
    if not holding:
        raise InputError(f"no folders 'pins_<name>' in {str(root)!r}; {facts.by_hand}")
    images = holding[0]
    return Layout(root=images, images=images, listing=lambda: _class_folders(facts, images, "pins_"))


def _flowers(facts: Facts, root: Path) -> Layout:
    base = _locate(root, "jpg", facts)

    def listing() -> Listing:
        labels = _mat(base / "imagelabels.mat")["labels"].ravel()  # (images,), from 1
        sets = _mat(base / "setid.mat")
        parts: dict[Split, str] = {"train": "trnid", "val": "valid", "test": "tstid"}
        splits = {
            split: [
                Sample(path=f"image_{i:05d}.jpg", label=int(labels[i - 1]) - 1) for i in sets[part].ravel().tolist()
            ]
            for split, part in parts.items()
        }
        return complete(_named(facts, _flower_names(base)), splits, OFFICIAL)

    return Layout(root=base, images=base / "jpg", listing=listing)


def _flower_names(base: Path) -> list[str]:
    """From `cat_to_name.json` where people have it, else the list that torchvision carries."""
    path = base / "cat_to_name.json"
    if path.is_file():
        names = _json(path)
        try:
            return [names[str(number)] for number in range(1, len(names) + 1)]
        except KeyError as error:
            raise InputError(f"{str(path)!r} has no name for class {error}; get the file again") from error
    from torchvision.datasets import Flowers102  # noqa: PLC0415  (slow to import, rarely needed)

    return list(Flowers102.classes)


def _cars(facts: Facts, root: Path) -> Layout:
    base = _locate(root, "cars_train", facts)

    def listing() -> Listing:
        kit = base / "devkit"
        labelled = base / "cars_test_annos_withlabels.mat"
        test = labelled if labelled.is_file() else kit / labelled.name
        files: dict[Split, tuple[str, Path]] = {
            "train": ("cars_train", kit / "cars_train_annos.mat"),
            "test": ("cars_test", test),
        }
        splits = {
            split: [
                Sample(path=f"{folder}/{row['fname'].item()}", label=int(row["class"].item()) - 1)
                for row in _mat(path)["annotations"].ravel()
            ]
            for split, (folder, path) in files.items()
        }
        names = [item.item() for item in _mat(kit / "cars_meta.mat")["class_names"].ravel()]
        return complete(_named(facts, names), splits, OFFICIAL)

    return Layout(root=base, images=base, listing=listing)


def _dogs(facts: Facts, root: Path) -> Layout:
    base = _locate(root, "Images", facts)

    def listing() -> Listing:
        lists = base / "lists" if (base / "lists").is_dir() else base
        parts: dict[Split, str] = {"train": "train_list.mat", "test": "test_list.mat"}
        splits = {split: _dog_rows(_mat(lists / file)) for split, file in parts.items()}
        names = {sample.label: sample.path.split("/", 1)[0] for rows in splits.values() for sample in rows}
        return complete(_named(facts, [names[label] for label in sorted(names)]), splits, OFFICIAL)

    return Layout(root=base, images=base / "Images", listing=listing)


def _dog_rows(table: Mapping[str, Any]) -> list[Sample]:
    rows = zip(table["file_list"].ravel(), table["labels"].ravel(), strict=True)
    return [Sample(path=str(file.item()), label=int(label) - 1) for file, label in rows]


def _pets(facts: Facts, root: Path) -> Layout:
    base = _locate(root, "annotations", facts)

    def listing() -> Listing:
        names: dict[int, str] = {}
        splits: dict[Split, list[Sample]] = {"train": [], "test": []}
        files: dict[Split, str] = {"train": "trainval.txt", "test": "test.txt"}
        for split, file in files.items():
            for line in _text(base / "annotations" / file).splitlines():
                words = line.split()  # image, class from 1, species, breed within the species
                if len(words) == 4 and not line.startswith("#"):
                    label = int(words[1]) - 1
                    names.setdefault(label, words[0].rsplit("_", 1)[0])
                    splits[split].append(Sample(path=f"{words[0]}.jpg", label=label))
        return complete(_named(facts, [names[label] for label in sorted(names)]), splits, OFFICIAL)

    return Layout(root=base, images=base / "images", listing=listing)


def _food(facts: Facts, root: Path) -> Layout:
    base = _locate(root, "meta", facts)

    def listing() -> Listing:
        parts: dict[Split, Any] = {split: _json(base / "meta" / f"{split}.json") for split in ("train", "test")}
        folders = sorted(parts["train"])
        places = {folder: label for label, folder in enumerate(folders)}
        splits = {
            split: [Sample(path=f"{file}.jpg", label=places[folder]) for folder in folders for file in part[folder]]
            for split, part in parts.items()
        }
        return complete(_named(facts, folders), splits, OFFICIAL)

    return Layout(root=base, images=base / "images", listing=listing)


def _mat(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat  # noqa: PLC0415  (only these layouts need it)

    if not path.is_file():
        raise _missing(path)
    try:
        found: dict[str, Any] = loadmat(path)
    except Exception as error:  # what the parser raises depends on where the damage is
        raise InputError(f"{str(path)!r} can't be read ({error}); get the file again") from error
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(_text(path))
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not JSON ({error}); get the file again") from error
    if not isinstance(found, dict):
        raise InputError(f"{str(path)!r} holds a {type(found).__name__}, expected an object; get the file again")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise _missing(path) from error


def _missing(path: Path) -> InputError:
    return InputError(
        f"no {path.name!r} in {str(path.parent)!r}, which holds the official split; get it, or put a split file "
        "(split_*.json) beside the images"
    )


_FINDERS: Mapping[str, Callable[[Facts, Path], Layout]] = {
    "caltech101": _caltech,
    "oxford-flowers": _flowers,
    "stanford-cars": _cars,
    "stanford-dogs": _dogs,
    "pins-faces": _pins,
    "oxford-pets": _pets,
    "food101": _food,
}
