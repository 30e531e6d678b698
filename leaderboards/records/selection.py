"""Some of the records: by method, dataset, class, model, seed, or how they ended."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from unlearn_bench.errors import unknown
from unlearn_bench.leaderboards.records.record import Record, Status

_STATUSES = get_args(Status)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which records are meant; None means any.

    Attributes:
        methods: names of rows, so of variants too, or of methods for all of their variants.
        datasets: from which something is forgotten.
        classes: forget sets as `run` takes them: class, dataset/class, or a+b for those forgotten at once.
        models: as they were asked for. seeds: as texts. statuses: ok, skipped, failed.
    """

    methods: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    models: Sequence[str] | None = None
    seeds: Sequence[str] | None = None
    statuses: Sequence[str] | None = None

    @property
    def is_any(self) -> bool:
        """Whether nothing is chosen."""
        return all(value is None for value in vars(self).values())


def select(records: Sequence[Record], selection: Selection) -> tuple[Record, ...]:
    """The records that fit all that is chosen, in their order.

    Raises:
        InputError: a name that none of the records has; it lists those that there are.
    """
    found: Iterable[Record] = records
    if selection.statuses is not None:
        for name in selection.statuses:
            _known("status", name, _STATUSES)
        statuses = selection.statuses
        found = [record for record in found if record.status in statuses]
    if selection.methods is not None:
        labels = _labels(records, selection.methods)
        found = [record for record in found if record.run.label in labels]
    if selection.classes is not None:
        places = {place for wanted in selection.classes for place in _forget_sets(records, wanted)}
        found = [record for record in found if (record.run.dataset, record.run.forget) in places]
    for kind, chosen, field in (
        ("dataset", selection.datasets, "dataset"),
        ("model", selection.models, "model"),
        ("seed", selection.seeds, "seed"),
    ):
        if chosen is not None:
            there = {str(getattr(record.run, field)) for record in records}
            for name in chosen:
                _known(f"{kind} in these records", name, there)
            found = [record for record in found if str(getattr(record.run, field)) in chosen]
    return tuple(found)


def _labels(records: Iterable[Record], wanted: Sequence[str]) -> set[str]:
    """The rows that are meant: those called so, or else all of the method."""
    methods: dict[str, set[str]] = {}
    for record in records:
        methods.setdefault(record.run.method, set()).add(record.run.label)
    labels = {label for found in methods.values() for label in found}
    for name in wanted:
        _known("method in these records", name, {*labels, *methods})
    return {label for name in wanted for label in ({name} if name in labels else methods[name])}


def _forget_sets(records: Iterable[Record], wanted: str) -> set[tuple[str, tuple[str, ...]]]:
    """All forget sets that `wanted` names; two datasets may have one of that name."""
    there = {(record.run.dataset, record.run.forget) for record in records}
    names = {place: {"+".join(place[1]), f"{place[0]}/{'+'.join(place[1])}"} for place in there}
    owner, _, rest = wanted.rpartition("/")
    parts = {part.strip() for part in (rest if owner in {dataset for dataset, _ in there} else wanted).split("+")}
    found = {
        place for place in there if wanted in names[place] or (set(place[1]) == parts and owner in {"", place[0]})
    }
    if not found:
        raise unknown("forget set in these records", wanted, {f"{name}/{'+'.join(forget)}" for name, forget in there})
    return found


def _known(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise unknown(kind, name, known)
