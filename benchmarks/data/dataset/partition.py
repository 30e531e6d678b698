"""Which part of a dataset is train, val and test, and cutting where nobody did: on every machine alike."""

import hashlib
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Literal, TypeVar

from unlearn_bench.errors import InputError, unknown

Item = TypeVar("Item")
Part = Literal["train", "val", "test"]

WHOLE: tuple[tuple[str, float], ...] = (("train", 0.5), ("val", 0.2), ("test", 0.3))
"""Shares of a dataset that has no official split: those of the split files that the field uses for such datasets."""

FIFTH: tuple[tuple[str, float], ...] = (("train", 0.8), ("val", 0.2))
"""Shares of an official training split that has no validation images beside it."""

SPLIT_WORDS: Mapping[Part, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
"""What people call a split, in any letter case."""


def is_split_word(name: str) -> bool:
    """Whether a folder or a part of that name may be a split.

    >>> is_split_word("Validation"), is_split_word("trainer")
    (True, False)
    """
    return any(name.lower() in words for words in SPLIT_WORDS.values())


def assign_splits(known: Sequence[str], *, of: str, given: Mapping[Part, str] | None = None) -> dict[Part, str]:
    """Which of the parts `known` is which split, by their names; parts with other names are none.

    Where nothing is called test, what is called val, valid, validation, dev or eval is test, and there is no val.

    >>> assign_splits(["Train", "val"], of="pets")
    {'train': 'Train', 'test': 'val'}

    Args:
        of: the dataset, for messages. given: what the user said, which counts more than a name; empty: nothing said.

    Raises:
        InputError: a part that is not there, or several that may be one split.
    """
    said: dict[Part, str] = {part: name for part, name in (given or {}).items() if name}
    for name in said.values():
        if name not in known:
            raise unknown(f"split of {of!r}", name, known)

    def only(part: Part, words: Part) -> str:
        if part in said:
            return said[part]
        fitting = [name for name in known if name.lower() in SPLIT_WORDS[words] and name not in said.values()]
        if len(fitting) > 1:
            raise InputError(
                f"{of!r} has several parts that may be its {part} split: {', '.join(fitting)}; say which with "
                f"?{part}=NAME (and ?train=, ?val=, ?test= for the others)"
            )
        return fitting[0] if fitting else ""

    found: dict[Part, str] = {"train": only("train", "train"), "test": only("test", "test")}
    if found["test"]:
        found["val"] = only("val", "val")
    else:
        found["test"], found["val"] = only("test", "val"), said.get("val", "")
    return {part: found[part] for part in ("train", "val", "test") if found[part]}


def classes_lacking(counts: Mapping[str, Collection[int]], labels: int) -> dict[int, str]:
    """The labels without an image in `train` or in `test`, with the split that lacks them.

    Nobody can be measured on a class without test images, nor be given what is not in train. So layouts leave such a
    class out. A split without any image lacks no class: that dataset is used without it.

    >>> classes_lacking({"train": [0, 1], "test": [0, 0, 2], "val": []}, 3)
    {1: 'test', 2: 'train'}
    """
    found: dict[int, str] = {}
    for split in ("test", "train"):
        there = set(counts.get(split, ()))
        if there:
            found |= {label: split for label in range(labels) if label not in there and label not in found}
    return dict(sorted(found.items()))


def cut_by_hash(
    items: Sequence[Item],
    parts: Sequence[tuple[str, float]],
    *,
    group: Callable[[Item], Hashable],
    name: Callable[[Item], str],
) -> dict[str, list[Item]]:
    """Cut each group, ordered by the SHA-256 of its items' names, into shares that sum to one.

    Part p of a group of n items is items round(n * s_(p-1)) to round(n * s_p) of that order, with s_p the sum of the
    first p shares. Adding a group moves no item of another.
    """
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(group(item), []).append(item)
    cut: dict[str, list[Item]] = {part: [] for part, _ in parts}
    for members in groups.values():
        order = sorted(members, key=lambda item: hashlib.sha256(name(item).encode()).hexdigest())
        start, share = 0, 0.0
        for part, size in parts:
            share += size
            stop = round(share * len(order))
            cut[part] += order[start:stop]
            start = stop
    return cut


def default_classes(class_names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Forget classes and tuning classes where nobody names any: by their places in the list, disjoint."""
    count = len(class_names)
    forget = tuple(class_names[i] for i in sorted({count // 6, count // 2, 5 * count // 6}))
    rest = [name for name in class_names if name not in forget]
    tuning = tuple(rest[i] for i in sorted({len(rest) // 3, 2 * len(rest) // 3})) if rest else ()
    return forget, tuning
