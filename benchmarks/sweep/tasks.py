"""What is forgotten: classes that a suite or a user names become pairs of dataset and forget set."""

import csv
from collections.abc import Callable, Mapping, Sequence
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
    if choice.tasks is not None:
        return list(choice.tasks)
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
    return find_classes(choice.classes, allowed)


def find_classes(given: Sequence[str], datasets: Mapping[str, Dataset]) -> list[Task]:
    """The tasks of what the user typed: names with commas between them, as often as the option was given.

    A name that is there counts first, whatever signs are in it: `tench, Tinca tinca` is one class where there is one
    of that name. What stands in double quotes is one name.

    Raises:
        InputError: a name that stands for nothing, or for something in several datasets.
    """
    return [find_class(name, datasets) for text in given for name in _names_in(text, datasets)]


def find_class(wanted: str, datasets: Mapping[str, Dataset]) -> Task:
    """The task for a class that the user named, alone or as `dataset/class`; several joined by `+` at once.

    A class of exactly that name counts first, so `tv/monitor` and `C++` can be said. Where there are domains, `dog`
    is the class in all of them, `dog@sketch` in one, and `*@sketch` a whole domain.
    """
    exact = [key for key, dataset in datasets.items() if wanted in dataset.class_names]
    owner = next((key for key in sorted(datasets, key=len, reverse=True) if wanted.startswith(f"{key}/")), None)
    if owner is not None and not exact:
        return owner, datasets[owner].canonical(_known_parts(wanted.removeprefix(f"{owner}/"), datasets[owner]))
    found = {key: _known_parts(wanted, dataset) for key, dataset in datasets.items()}
    owners = [key for key, names in found.items() if all(map(datasets[key].knows, names))]
    if not owners:
        raise _unknown_class(wanted, found, datasets)
    if len(owners) > 1:
        options = ", ".join(repr(f"{key}/{wanted}") for key in owners)
        raise InputError(f"class {wanted!r} is in {len(owners)} datasets; say which: {options}")
    return owners[0], datasets[owners[0]].canonical(found[owners[0]])


def quoted_names(text: str) -> list[str]:
    """Names with commas between them, what stands in double quotes as one.

    >>> quoted_names('cat, "tench, Tinca tinca"')
    ['cat', 'tench, Tinca tinca']
    """
    try:
        fields = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error:  # a line's end in a name
        fields = text.split(",")
    return [name.strip() for name in fields if name.strip()]


def _names_in(text: str, datasets: Mapping[str, Dataset]) -> list[str]:
    """The names in what was typed once: the longest runs of fields between commas that stand for something."""
    quoted = quoted_names(text)
    fields = text.split(",")
    if len(quoted) != len([field for field in fields if field.strip()]):
        return quoted

    def stands(name: str) -> bool:
        try:
            find_class(name, datasets)
        except InputError:
            return False
        return True

    return [name for name in _longest(fields, ",", stands) if name]


def _known_parts(text: str, dataset: Dataset) -> tuple[str, ...]:
    """The names that are joined by `+` in `text`, each once: the longest ones that the dataset knows."""
    return tuple(dict.fromkeys(_longest(text.split("+"), "+", dataset.knows)))


def _longest(fields: Sequence[str], joint: str, stands: Callable[[str], bool]) -> list[str]:
    """The fields, joined again where a longer run of them stands for something; a field that does not stays alone."""
    found: list[str] = []
    start = 0
    while start < len(fields):
        ends = range(len(fields), start + 1, -1)
        end = next((end for end in ends if stands(joint.join(fields[start:end]).strip())), start + 1)
        found.append(joint.join(fields[start:end]).strip())
        start = end
    return found


def _unknown_class(wanted: str, found: Mapping[str, Sequence[str]], datasets: Mapping[str, Dataset]) -> InputError:
    """The error for a name that stands for nothing, with the choices, and how names with signs in them are said."""
    strangers = [name for names in found.values() for name in names]
    stranger = next((n for n in strangers if not any(dataset.knows(n) for dataset in datasets.values())), wanted)
    parted = [dataset for dataset in datasets.values() if dataset.domain_labels and SEPARATOR in stranger]
    if len(parted) == 1:
        parted[0].labels((stranger,))  # says whether it is the domain or the class
    choices = [name for dataset in datasets.values() for name in dataset.choices]
    error = unknown("class", stranger, choices)
    if not any(sign in name for name in choices for sign in ",+"):
        return error
    return InputError(f"{error}; names with a comma: --classes '\"salt, pepper\"', or --classes once for each")


def flat(groups: Sequence[str] | Sequence[Sequence[str]]) -> list[str]:
    return [name for group in groups for name in ([group] if isinstance(group, str) else group)]
