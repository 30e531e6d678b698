"""What is forgotten: classes that a suite or a user names become pairs of dataset and forget set."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.dataset.domains import SEPARATOR
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.errors import InputError, unknown

Task = tuple[str, tuple[str, ...]]
"""A dataset, and what is forgotten from it."""


def tasks_for(suite: Suite, choice: Choice, datasets: Mapping[str, Dataset]) -> list[Task]:
    """What is forgotten, after the user's filters and without what tuning has withheld; datasets take turns.

    For a quick look the first of each dataset.
    """
    found = in_turn([task for task in _tasks(suite, choice, datasets) if task not in choice.withheld])
    return found[: len(dict(found))] if choice.quick else found


def in_turn(tasks: Sequence[Task]) -> list[Task]:
    """The first task of every dataset, then the second of each: so each dataset is soon heard of.

    >>> in_turn([("digits", ("one",)), ("digits", ("two",)), ("letters", ("a",))])
    [('digits', ('one',)), ('letters', ('a',)), ('digits', ('two',))]
    """
    by_dataset: dict[str, list[Task]] = {}
    for task in tasks:
        by_dataset.setdefault(task[0], []).append(task)
    return [task for turn in zip_longest(*by_dataset.values()) for task in turn if task is not None]


def _tasks(suite: Suite, choice: Choice, datasets: Mapping[str, Dataset]) -> list[Task]:
    tasks = []
    for name in suite.classes:
        if name not in datasets:
            raise unknown(f"dataset under [classes] of suite {suite.name!r}", name, datasets)
    for name, dataset in datasets.items():
        given = suite.classes.get(name)
        groups = given if given is not None else tuple((item,) for item in dataset.forget_classes)
        for group in groups:
            tasks.append((name, dataset.canonical(group)))
    if choice.datasets is not None:
        for wanted in choice.datasets:
            if wanted not in datasets:
                raise unknown("dataset of this suite", wanted, datasets)
        tasks = [task for task in tasks if task[0] in choice.datasets]
    if choice.classes is None:
        return tasks
    allowed = {n: d for n, d in datasets.items() if choice.datasets is None or n in choice.datasets}
    return [find_class(item, allowed) for item in choice.classes]


def find_class(wanted: str, datasets: Mapping[str, Dataset]) -> Task:
    """The task for a class that the user named, alone or as `dataset/class`; several joined by `+` at once.

    Where there are domains, `dog` is the class in all of them, `dog@sketch` in one, and `*@sketch` a whole domain.
    """
    owner, _, rest = wanted.rpartition("/")
    parts = (rest if owner in datasets else wanted).split("+")
    names = tuple(dict.fromkeys(part.strip() for part in parts))
    if owner in datasets:
        return owner, datasets[owner].canonical(names)
    owners = [key for key, dataset in datasets.items() if all(dataset.knows(name) for name in names)]
    if not owners:
        stranger = next((n for n in names if not any(dataset.knows(n) for dataset in datasets.values())), wanted)
        parted = [dataset for dataset in datasets.values() if dataset.domain_labels and SEPARATOR in stranger]
        if len(parted) == 1:
            parted[0].labels((stranger,))  # says whether it is the domain or the class
        raise unknown("class", stranger, [name for dataset in datasets.values() for name in dataset.choices])
    if len(owners) > 1:
        options = ", ".join(repr(f"{key}/{wanted}") for key in owners)
        raise InputError(f"class {wanted!r} is in {len(owners)} datasets; say which: {options}")
    return owners[0], datasets[owners[0]].canonical(names)


def flat(groups: Sequence[str] | Sequence[Sequence[str]]) -> list[str]:
    return [name for group in groups for name in ([group] if isinstance(group, str) else group)]
