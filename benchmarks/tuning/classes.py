"""Which classes tuning uses: none that is reported, at least two of each dataset."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.referee.workbench import Evaluated, Workbench
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.sweep.tasks import Task, tasks_for
from unlearn_bench.errors import InputError
from unlearn_bench.metrics.shared.classification import predictions

_LEAST = 2
_NAMED = 3
_SPLIT = "validation"


class NothingKnownError(InputError):
    """The model gets every class all wrong that could serve."""


@dataclass(frozen=True, kw_only=True)
class TuningTasks:
    """What is forgotten in trials.

    Attributes:
        tasks: each tuning class by itself, one of each dataset before a second one.
        withheld: of these, what would else have been reported, and must not be.
        unknown: datasets left out since the model gets all classes wrong there that could serve.
        unseen: of a dataset, its classes without validation images: none of them serves, and no trial measures them.
    """

    tasks: tuple[Task, ...]
    withheld: tuple[Task, ...] = ()
    unknown: tuple[str, ...] = ()
    unseen: tuple[Task, ...] = ()

    def warnings(self) -> Iterator[str]:
        """What is to be known before the search, a line each."""
        for dataset, names in self.unseen:
            some = ", ".join(map(repr, names[:_NAMED])) + (
                f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
            )
            classes = "class" if len(names) == 1 else "classes"
            yield (
                f"{dataset}: {len(names)} {classes} without {_SPLIT} images ({some}): no trial measures them, and "
                "none of them is forgotten in one"
            )
        if self.withheld:
            which = ", ".join(f"{dataset}/{'+'.join(names)}" for dataset, names in self.withheld)
            yield f"{which} serve to tune, since no other classes are left, and are not reported"
        for dataset in self.unknown:
            yield f"no tuning class of {dataset!r}: the model gets all of them wrong that are not reported"


def tuning_tasks(
    suite: Suite, bench: Workbench, choice: Choice | None = None, *, withhold: bool = False
) -> TuningTasks:
    """What is forgotten in a trial.

    Of each dataset: the classes that the suite names; else two: the dataset's own, without the ones that are to be
    reported; and where that leaves fewer than two, the classes at one and two thirds of those that are not reported,
    in the dataset's order. Of a class that the model gets all wrong nothing can be learnt: the next one that is
    not reported takes its place, and where there is none, one class has to do. Where the user said what is to be
    forgotten, datasets from which nothing is are left out. A class without validation images does not serve; one that
    the suite names is an error.

    Args:
        choice: what the user narrowed the sweep down to: `classes` are what is going to be reported.
        withhold: where too few classes are not reported, and nobody named the reported ones, take the classes at one
            and two thirds of all of them away from the reported ones.

    Raises:
        InputError: fewer than two classes of a dataset are left; a class that the suite names is a reported one or
            has no validation images; a dataset has none at all.
        NothingKnownError: the model gets all those classes of all datasets wrong.
    """
    chosen = choice or Choice()
    items = {name: item for name, item in bench.evaluated.items() if not item.control}
    datasets = {name: item.dataset for name, item in items.items()}
    wanted = tasks_for(suite, chosen, datasets)
    reported: dict[str, set[int]] = {name: set() for name in datasets}
    for name, names in wanted:
        reported[name] |= set(datasets[name].labels(names))
    found: list[Task] = []
    withheld: list[Task] = []
    unknown: list[str] = []
    unseen: list[Task] = []
    for name, item in items.items():
        if chosen.classes is not None and not reported[name]:
            continue
        blank = _without_images(item)
        unseen += [(name, blank)] if blank else []
        if name in suite.tuning:
            found += _named(suite.tuning[name], item.dataset, reported[name], blank)
            continue
        seen = [each for each in item.dataset.choices if each not in blank]
        classes = _free(item.dataset, seen, reported[name])
        if len(classes) < _LEAST and withhold and chosen.classes is None and name not in suite.classes:
            classes = _at_thirds(seen)
            own = [task for task in wanted if task[0] == name]
            if all(_share(item.dataset, names, classes) for _, names in own):
                classes = ()  # nothing would be left to report
        _refuse_few(item.dataset, classes, reported[name], blank)
        known = [each for each in classes if _is_known(item, each)][:_LEAST]
        found += [(name, item.dataset.canonical((each,))) for each in known]
        withheld += [task for task in wanted if task[0] == name and _share(item.dataset, task[1], known)]
        unknown += [] if known else [name]
    if not found:
        raise NothingKnownError(
            f"the model gets every class of {', '.join(unknown)} all wrong that is not reported, so nothing can be "
            "forgotten there; name others under [tuning] in the suite, or see `unlearn-bench check-model`"
        )
    return TuningTasks(
        tasks=tuple(spread(found)), withheld=tuple(withheld), unknown=tuple(unknown), unseen=tuple(unseen)
    )


def _without_images(item: Evaluated) -> tuple[str, ...]:
    """The classes that the split, on which trials are measured, has no image of.

    Raises:
        InputError: it has none of any.
    """
    dataset, split = item.dataset, item.split
    there = set(dataset.index(split).labels)
    if not there:
        raise InputError(
            f"dataset {dataset.name!r} has no images in its split {split!r}, on which trials are measured; give it "
            "some, or tune on other data"
        )
    return tuple(name for name in dataset.choices if not there & set(dataset.labels((name,))))


def _share(dataset: Dataset, names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two sets of classes have one in common."""
    return bool(set(dataset.labels(names)) & set(dataset.labels(others)))


def spread(tasks: Sequence[Task]) -> list[Task]:
    """The tasks in an order that takes one of each dataset before a second one."""
    seen: dict[str, int] = {}
    order = []
    for task in tasks:
        order.append((seen.get(task[0], 0), task))
        seen[task[0]] = seen.get(task[0], 0) + 1
    return [task for _, task in sorted(order, key=lambda pair: pair[0])]


def _free(dataset: Dataset, seen: Sequence[str], reported: set[int]) -> tuple[str, ...]:
    """Of the classes that have images: the dataset's tuning classes that are not reported, and those at thirds; then
    all the others."""
    free = [name for name in seen if not reported & set(dataset.labels((name,)))]
    own = [name for name in dataset.tuning_classes if name in free]
    first = own if len(own) >= _LEAST else list(_at_thirds(free))
    return tuple(dict.fromkeys([*first, *free]))


def _at_thirds(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[place] for place in sorted({len(names) // 3, 2 * len(names) // 3})) if names else ()


def _is_known(item: Evaluated, name: str) -> bool:
    """Whether the model gets any image of it right."""
    labels = item.images.labels
    rows = torch.isin(labels, torch.tensor(item.dataset.labels((name,))))
    return bool((predictions(item.before_in(item.dataset.template)) == labels)[rows].any())


def _named(classes: Sequence[str], dataset: Dataset, reported: set[int], blank: Sequence[str]) -> list[Task]:
    """Those that the suite names."""
    _refuse_few(dataset, classes, reported, ())
    lacking = [name for name in classes if name in blank]
    if lacking:
        raise InputError(
            f"tuning class {lacking[0]!r} of {dataset.name!r} has no {_SPLIT} images, on which trials are measured; "
            "give it some, or name others under [tuning] in the suite"
        )
    shared = [name for name in classes if reported & set(dataset.labels((name,)))]
    if shared:
        said = ", ".join(f"{dataset.name}/{name}" for name in shared)
        raise InputError(f"tuning classes are reported ones too: {said}; choose others")
    return [(dataset.name, dataset.canonical((name,))) for name in classes]


def _refuse_few(dataset: Dataset, classes: Sequence[str], reported: set[int], blank: Sequence[str]) -> None:
    if len(classes) < _LEAST:
        lacking = f", {len(blank)} have no {_SPLIT} images" if blank else ""
        raise InputError(
            f"dataset {dataset.name!r} has {len(classes)} tuning classes ({len(reported)} of its "
            f"{len(dataset.class_names)} are reported{lacking}); name at least two under [tuning] in the suite, or "
            "forget fewer"
        )
