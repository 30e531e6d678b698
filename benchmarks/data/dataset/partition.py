"""Cutting images into splits by a hash of their names, so that every machine cuts alike and nothing is drawn."""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

WHOLE: tuple[tuple[str, float], ...] = (("train", 0.5), ("val", 0.2), ("test", 0.3))
"""Shares of a dataset that has no official split: those of the split files that the field uses for such datasets."""

FIFTH: tuple[tuple[str, float], ...] = (("train", 0.8), ("val", 0.2))
"""Shares of an official training split that has no validation images beside it."""


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
