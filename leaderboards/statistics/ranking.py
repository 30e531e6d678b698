"""Which rows may be ranked against each other, and how ties are told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from unlearn_bench.leaderboards.records.record import Record, different
from unlearn_bench.leaderboards.statistics.intervals import Interval

Standing = Literal["ranked", "apart", "not tuned", "reference"]
"""Ranked; tuned on the reported classes; not tuned; a row that shows the scale. Only the first has a rank."""

UNRANKED: Mapping[Standing, str] = {"apart": "tuned on reported classes", "not tuned": "not tuned"}
"""Competitors without a rank, and the note that says why."""

_DIGITS = 12
"""Scores that differ by less are equal: the last bits depend on the order of adding."""


class Scored(Protocol):
    """What ranking needs of a row's summary."""

    @property
    def score(self) -> float | None: ...


class Rankable(Protocol):
    """What ranking needs of a row."""

    @property
    def label(self) -> str: ...
    @property
    def standing(self) -> Standing: ...
    @property
    def overall(self) -> Scored: ...


R = TypeVar("R", bound=Rankable)


def standing_of(records: Sequence[Record]) -> Standing:
    """How the row of these records may be ranked.

    - `reference`: the method's kind says so.
    - `apart`: its thresholds were chosen by class on the reported classes (`paper-per-class`), or it was
      tuned on classes that this row reports.
    - `not tuned`: its hyperparameters are defaults or were given by hand, and it has some: nobody knows what
      an equal budget would have made of it.
    - `ranked`: tuned with the common budget, published with the method, or nothing to tune.
    """
    if records[0].run.kind == "reference":
        return "reference"
    presets = different(record.preset for record in records)
    sources = {str(preset.get("source", "default")) for preset in presets}
    classes = [preset.get("classes") for preset in presets]
    if "paper-per-class" in sources or tuned_on_reported(records, classes):
        return "apart"
    if sources & {"default", "given"} and any(record.run.hyperparameters for record in records):
        return "not tuned"
    return "ranked"


def tuned_on_reported(records: Iterable[Record], classes: Iterable[object]) -> bool:
    """Whether any of these presets' `classes` is one that any of the records is about."""
    reported = {(record.run.dataset, name) for record in records for name in record.run.forget}
    return any(_meets(pair, reported) for value in different(classes) for pair in _tuning_classes(value))


def rank(rows: Iterable[R], paired: Callable[[R, R], Interval | None]) -> list[tuple[R, int | None]]:
    """The rows in the order of the table with their ranks: competitors by Avg. Score, best first, then references.

    Only rows of the standing `ranked` with a score have a rank, and only they are counted: the others stand where
    their score puts them. A row shares the rank of the best row of the group before it unless `paired(row, best)`,
    the interval of their paired difference, leaves out 0; without an interval only equal scores share. The next rank
    counts the ranked rows before it (1, 1, 3).

    Departures: sharing is judged against the first of a group, as "not told apart" is no transitive relation.
    """

    def order(row: R) -> tuple[bool, bool, float, str]:
        score = row.overall.score
        return (row.standing == "reference", score is None, round(score or 0.0, _DIGITS), row.label)

    placed: list[tuple[R, int | None]] = []
    best: R | None = None
    place = number = 0
    for row in sorted(rows, key=order):
        if row.standing != "ranked" or row.overall.score is None:
            placed.append((row, None))
            continue
        number += 1
        if best is None or not _tied(row, best, paired(row, best)):
            best, place = row, number
        placed.append((row, place))
    return placed


def _tied(row: Rankable, best: Rankable, difference: Interval | None) -> bool:
    if difference is not None:
        return 0.0 in difference
    mine, theirs = row.overall.score, best.overall.score
    return mine is not None and theirs is not None and round(mine - theirs, _DIGITS) == 0


def _tuning_classes(value: object, dataset: str | None = None) -> list[tuple[str | None, str]]:
    """The (dataset, class) pairs in a preset's `classes`: lists of names, or of such lists by dataset."""
    if isinstance(value, str):
        return [(dataset, value)]
    if isinstance(value, Mapping):
        return [pair for name, inner in value.items() for pair in _tuning_classes(inner, str(name))]
    if isinstance(value, Iterable):
        return [pair for inner in value for pair in _tuning_classes(inner, dataset)]
    return []


def _meets(tuned: tuple[str | None, str], reported: Iterable[tuple[str, str]]) -> bool:
    dataset, name = tuned
    return any(
        name == f"{other}/{reported_name}" or (name == reported_name and dataset in {None, other})
        for other, reported_name in reported
    )
