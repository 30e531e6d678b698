"""Split files that people have beside the images: lists of [path, label, class name] for train, val and test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unlearn_bench.benchmarks.data.dataset.base import Split
from unlearn_bench.benchmarks.data.dataset.partition import FIFTH, cut_by_hash
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError

PATTERN = "split_*.json"
SPLIT_FILE_SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image: its path below the images' folder, with forward slashes, and its label."""

    path: str
    label: int


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Which images a dataset has in which split.

    Attributes:
        class_names: in the order of the labels. splits: images by split; always train, val and test.
        split_name: which partition this is.
    """

    class_names: tuple[str, ...]
    splits: dict[Split, tuple[Sample, ...]]
    split_name: str


def complete(class_names: Sequence[str], splits: dict[Split, list[Sample]], split_name: str) -> Listing:
    """A listing; where there are no val images, a fifth of each class's train images becomes them."""
    if not splits.get("val"):
        cut = cut_by_hash(
            splits["train"], FIFTH, group=lambda item: item.label, name=lambda item: PurePosixPath(item.path).name
        )
        splits = splits | {"train": cut["train"], "val": cut["val"]}
    ordered = {split: tuple(sorted(splits[split], key=lambda item: (item.label, item.path))) for split in splits}
    return Listing(class_names=tuple(class_names), splits=ordered, split_name=split_name)


def find_split_file(folders: Sequence[Path]) -> Path | None:
    """The only split file in the folders, or None.

    Raises:
        InputError: there are two, and nobody says which one counts.
    """
    found = sorted({path.resolve() for folder in folders for path in folder.glob(PATTERN) if path.is_file()})
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{str(found[0].parent)!r} holds {len(found)} split files ({names}); keep the one to use")
    return found[0] if found else None


def read_split_file(path: Path, *, as_named: Callable[[str], str]) -> Listing:
    """What a split file says, as it is; its name without `.json` is the name of the split.

    Args:
        as_named: the dataset's rule for class names; it changes nothing in a name that keeps it already.

    Raises:
        InputError: no JSON, not of this form, a class with two names, a gap in the labels, or a path that leaves
            the images' folder.
    """
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"split file {str(path)!r} can't be read ({error}); get it again, or remove it") from error
    if not isinstance(data, dict) or not isinstance(data.get("train"), list) or not data.get("test"):
        raise InputError(f"split file {str(path)!r} must be an object with lists 'train' and 'test' (and 'val')")
    names: dict[int, str] = {}
    splits: dict[Split, list[Sample]] = {}
    for split in SPLIT_FILE_SPLITS:
        rows = data.get(split) or []
        splits[split] = [_sample(path, split, place, row, names) for place, row in enumerate(rows)]
    if sorted(names) != list(range(len(names))):
        raise InputError(f"split file {str(path)!r} has labels {min(names)} to {max(names)} for {len(names)} classes")
    class_names = [as_named(names[label]) for label in range(len(names))]
    if len(set(class_names)) < len(class_names):
        twice = sorted({name for name in class_names if class_names.count(name) > 1})
        raise InputError(f"split file {str(path)!r} gives one name to several labels: {', '.join(twice[:5])}")
    _check_disjoint(path, splits)
    return complete(class_names, splits, path.stem)


def _sample(source: Path, split: str, place: int, row: object, names: dict[int, str]) -> Sample:
    where = f"split file {str(source)!r}, {split}[{place}]"
    if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], str) or not isinstance(row[2], str):
        raise InputError(f"{where} is {str(row)[:60]}; expected [path, label, class name]")
    file, label, name = PurePosixPath(row[0].replace("\\", "/")), row[1], row[2]
    if not isinstance(label, int) or isinstance(label, bool):
        raise InputError(f"{where} has the label {label!r}; expected a whole number")
    if file.is_absolute() or ".." in file.parts:
        raise InputError(f"{where} names {row[0]!r}, which is outside the images' folder")
    if names.setdefault(label, name) != name:
        raise InputError(f"{where} calls class {label} {name!r}, and an earlier line {names[label]!r}")
    return Sample(path=file.as_posix(), label=label)


def _check_disjoint(source: Path, splits: dict[Split, list[Sample]]) -> None:
    taken = {sample.path for split in ("train", "val") for sample in splits[split]}
    both = [sample.path for sample in splits["test"] if sample.path in taken]
    if both:
        raise InputError(
            f"split file {str(source)!r} has {len(both)} test images in train or val too, first {both[0]!r}"
        )
