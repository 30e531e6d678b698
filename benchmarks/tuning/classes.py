"""Which classes tuning uses: none that is reported, at least two of each dataset."""

from collections.abc import Mapping, Sequence

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.sweep.tasks import tasks_for
from unlearn_bench.errors import InputError

Task = tuple[str, tuple[str, ...]]
"""A dataset, and what is forgotten from it."""

_LEAST = 2


def tuning_tasks(suite: Suite, bench: Workbench, choice: Choice | None = None) -> list[Task]:
    """What is forgotten in a trial: each tuning class by itself, dataset by dataset.

    They are those that the suite names; else the dataset's own, without the ones that are to be reported; and where
    that leaves fewer than two, the classes at one and two thirds of those that are not reported, in the dataset's
    order. Where the user said what is to be forgotten, datasets from which nothing is are left out.

    Args:
        choice: what the user narrowed the sweep down to: `classes` are what is going to be reported.

    Raises:
        InputError: fewer than two classes of a dataset are left, or a class that the suite names is a reported one.
    """
    chosen = choice or Choice()
    datasets = {name: item.dataset for name, item in bench.evaluated.items() if not item.control}
    reported: dict[str, set[int]] = {name: set() for name in datasets}
    for name, names in tasks_for(suite, chosen, datasets):
        reported[name] |= set(datasets[name].labels(names))
    tasks: list[Task] = []
    for name, dataset in datasets.items():
        if chosen.classes is None or reported[name]:
            classes = suite.tuning[name] if name in suite.tuning else _own(dataset, reported[name])
            if len(classes) < _LEAST:
                raise InputError(
                    f"dataset {name!r} has {len(classes)} tuning classes ({len(reported[name])} of its "
                    f"{len(dataset.class_names)} are reported); name at least two under [tuning] in the suite, or "
                    "forget fewer"
                )
            tasks += [(name, dataset.canonical((class_name,))) for class_name in classes]
    _refuse_reported(tasks, reported, datasets)
    return tasks


def _own(dataset: Dataset, reported: set[int]) -> tuple[str, ...]:
    """The dataset's tuning classes that are not reported; others by their places where these are too few."""
    free = [name for name in dataset.tuning_classes if not reported & set(dataset.labels((name,)))]
    if len(free) >= _LEAST:
        return tuple(free)
    rest = [name for name in dataset.choices if not reported & set(dataset.labels((name,)))]
    return tuple(rest[place] for place in sorted({len(rest) // 3, 2 * len(rest) // 3})) if rest else ()


def _refuse_reported(
    tasks: Sequence[Task], reported: Mapping[str, set[int]], datasets: Mapping[str, Dataset]
) -> None:
    shared = [
        f"{dataset}/{names[0]}"
        for dataset, names in tasks
        if reported[dataset] & set(datasets[dataset].labels(names))
    ]
    if shared:
        raise InputError(f"tuning classes are reported ones too: {', '.join(shared)}; choose others")
