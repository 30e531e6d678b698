"""What a leaderboard is made of: pairs before and after, summaries, rows, boards."""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

import numpy as np

from unlearn_bench.leaderboards.records.layout import Layout, Measured
from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.statistics import tradeoff
from unlearn_bench.leaderboards.statistics.intervals import OTHER, TARGET, ClassKey, Floats, Images, Interval
from unlearn_bench.leaderboards.statistics.ranking import Standing
from unlearn_bench.metrics.shared.outcomes import unpack_sums

Cell = tuple[str, tuple[str, ...], int]
"""A dataset, the classes forgotten from it, a seed."""

FORGOTTEN = 0.5
"""A row whose target AF/BF is over this did not forget."""

AUDITS: Mapping[str, tuple[str, str]] = {
    "linear-probe": (TARGET, OTHER),
    "relearning": (f"shots@1/{TARGET}", f"shots@1/{OTHER}"),
}
"""Metrics that try to bring the target back, with the groups that say how far they came with it and with the other
classes. Relearning from one image of each class: with many, any model learns the class."""

Quantity = Literal["score", "forgetting", "retention", "harmonic"]
"""What a summary says in one number."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A quantity before and after forgetting; None where it has no such side or is undefined."""

    before: float | None
    after: float | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One method on one class, one forget dataset, or all of them.

    Attributes:
        target: zero-shot accuracy on the forget class. others: that of the own dataset's other classes
            (`other`) and of each other dataset by its name; empty in the summary over all datasets.
        score: Avg. Score; None where a cell is missing or an accuracy undefined.
        retention: see `tradeoff`; over all datasets, the mean of theirs. None as the score is.
        done, planned: cells that are ok, and cells that there should be.
        intervals: 95 %, of what has one.
    """

    target: Pair | None
    others: Mapping[str, Pair]
    score: float | None
    retention: float | None
    done: int
    planned: int
    intervals: Mapping[Quantity, Interval] = field(default_factory=dict)

    @property
    def interval(self) -> Interval | None:
        """Of the score, 95 %."""
        return self.intervals.get("score")

    @property
    def forgetting(self) -> float | None:
        """1 - AF/BF of this summary's target, clipped to [0, 1]: see `tradeoff`."""
        if self.ratio is None:
            return None
        return float(np.clip(1 - self.ratio, 0.0, 1.0))

    @property
    def harmonic(self) -> float | None:
        """The harmonic mean of forgetting and retention."""
        if self.forgetting is None or self.retention is None:
            return None
        return float(tradeoff.harmonic_mean(np.array(self.forgetting), np.array(self.retention)))

    @property
    def ratio(self) -> float | None:
        """Target AF/BF."""
        if self.target is None or self.target.after is None or not self.target.before:
            return None
        return self.target.after / self.target.before

    @property
    def did_not_forget(self) -> bool:
        """Whether more than half of the target accuracy is still there."""
        return self.ratio is not None and self.ratio > FORGOTTEN


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What one attack got back of what a method had forgotten.

    Attributes:
        name: of the attack. share: see `recovery.recovered`; None where undefined.
        unreliable: why the share counts for nothing (`recovery.attempt`); empty where it counts.
    """

    name: str
    share: float | None
    unreliable: str = ""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What the standard attack got back.

    Attributes:
        share: the largest over the reliable attacks, the worst known recovery; None without any. attack: which one.
        interval: 95 %, of the largest share. is_bare: whether no retrained model sets the zero.
        attempts: of every attack. draws: the largest share in each resample; None as the interval is.
    """

    share: float | None
    attack: str
    interval: Interval | None
    is_bare: bool
    attempts: tuple[Attempt, ...]
    draws: Floats | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One method with one version and one set of hyperparameters.

    Attributes:
        label: the method's name, with what differs where several rows have that name.
        records: all of the row's, ok or not. by_class: the ok ones of each forget class, by seed.
        standing: how it may be ranked. place: its rank among the ranked rows, or None.
        overall, datasets, classes: its numbers. draws: resampled scores by dataset, and over all under "".
        shares: resampled forgetting and retention over all, of the same resamples; empty where they have none.
        on_front: whether no other row, ranked or not tuned, forgets and retains more (`tradeoff.front`).
        recovery: what the standard attack got back; None where it did not run.
    """

    label: str
    records: tuple[Record, ...]
    by_class: Mapping[ClassKey, tuple[Record, ...]]
    standing: Standing
    overall: Summary
    datasets: Mapping[str, Summary]
    classes: Mapping[ClassKey, Summary]
    draws: Mapping[str, Floats] = field(default_factory=dict)
    shares: Mapping[Quantity, Floats] = field(default_factory=dict)
    place: int | None = None
    on_front: bool = False
    recovery: Recovery | None = None

    @property
    def run(self) -> Run:
        """One of the row's runs: what is the same in all of them can be read there."""
        return self.records[0].run

    @cached_property
    def layouts(self) -> tuple[Layout, ...]:
        """Those of its ok runs, each once: what is asked of many records is asked of these few."""
        return tuple(dict.fromkeys(layout for seeds in self.seeds.values() for layout in seeds.layouts))

    @cached_property
    def seeds(self) -> "Mapping[ClassKey, Seeds]":
        """The ok runs of each forget class."""
        return {key: Seeds.of(records) for key, records in self.by_class.items()}

    def mean(self, metric: str, group: str, *, dataset: str | None = None) -> Pair:
        """A quantity over the row: seeds within a class (see `seed_mean`), then classes within a dataset, datasets.

        None on both sides unless all cells are there and all of them have the quantity. A forget set on which the
        metric found other groups only does not count: it leaves no such group (see `DomainAccuracy`).
        """
        if self.overall.done < self.overall.planned:
            return Pair(before=None, after=None)
        by_dataset: dict[str, list[Pair]] = {}
        for (own, _), seeds in self.seeds.items():
            if seeds.lack(metric, group, dataset):
                continue
            by_dataset.setdefault(own, []).append(seeds.mean(metric, group, dataset))
        return mean_pair([mean_pair(pairs) for pairs in by_dataset.values()])

    @property
    def audits(self) -> tuple[str, ...]:
        """Those of `AUDITS` that any of its runs was put through."""
        return tuple(
            name
            for name, (group, _) in AUDITS.items()
            if any(layout.find(name, group=group) for layout in self.layouts)
        )

    @property
    def irreversibility(self) -> float | None:
        """How little of the target its audits bring back (`tradeoff`); None without audits or where undefined."""
        pairs = [self.mean(name, AUDITS[name][part]) for part in (0, 1) for name in self.audits]
        before, after = (
            np.array([math.nan if value is None else value for value in side]).reshape(2, -1)
            for side in ([pair.before for pair in pairs], [pair.after for pair in pairs])
        )
        found = tradeoff.irreversibility(before, after)
        return None if math.isnan(found) else found


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A method's Avg. Score minus the baseline's, over the same resamples; negative is better."""

    mean: float | None
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Board:
    """The rows that may share a table: one suite, model, fingerprint, test data, metrics' versions, split.

    Attributes:
        variant: what tells it from another board of the same suite and model; empty if there is none.
        rows: competitors by their score, references last.
        cells: what every row should have.
    """

    run: Run
    variant: str
    rows: tuple[Row, ...]
    cells: frozenset[Cell]

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """The forget datasets, in the order of evaluation."""
        order = {item.name: place for place, item in enumerate(self.run.evaluation)}
        return tuple(sorted({cell[0] for cell in self.cells}, key=lambda name: (order.get(name, 10**6), name)))

    @cached_property
    def classes(self) -> tuple[ClassKey, ...]:
        """The forget classes, dataset by dataset."""
        found = {(dataset, forget) for dataset, forget, _ in self.cells}
        return tuple(sorted(found, key=lambda key: (self.datasets.index(key[0]), key[1])))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the runs."""
        return tuple(sorted({seed for _, _, seed in self.cells}))

    def find(self, name: str) -> Row | None:
        """The row with that label, or the only one of that method; None if there is none."""
        found = [row for row in self.rows if row.label == name]
        same = [row for row in self.rows if row.run.label == name]
        return found[0] if found else same[0] if len(same) == 1 else None


def mean_pair(pairs: Sequence[Pair]) -> Pair:
    """The mean of each side; None for a side that any of the pairs lacks, and of nothing."""

    def mean(side: list[float | None]) -> float | None:
        known = [value for value in side if value is not None and not math.isnan(value)]
        return math.fsum(known) / len(known) if known and len(known) == len(side) else None

    return Pair(
        before=mean([pair.before for pair in pairs]),
        after=mean([pair.after for pair in pairs]),
    )


def seed_mean(records: Sequence[Record], metric: str, group: str, dataset: str | None) -> Pair:
    """A quantity of one forget class, averaged over its seeds; a gap where any of them lacks it.

    Where no dataset is named, each run's is the mean over all datasets on which it has the group; those where the
    metric found nothing to look at (n = 0) don't count beside others.
    """
    return Seeds.of(records).mean(metric, group, dataset)


@dataclass(frozen=True, eq=False)
class Seeds:
    """The runs of one forget class: their numbers, side by side where all of them have one layout."""

    runs: tuple[Measured, ...]
    layouts: tuple[Layout, ...]

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Seeds":
        """The runs of these records."""
        runs = tuple(record.measured for record in records)
        return cls(runs, tuple(dict.fromkeys(run.layout for run in runs)))

    def lack(self, metric: str, group: str, dataset: str | None) -> bool:
        """Whether the metric was measured in these runs, and in none of them for this group."""
        measured = any(metric in layout.places for layout in self.layouts)
        return measured and not any(layout.find(metric, group=group, dataset=dataset) for layout in self.layouts)

    def mean(self, metric: str, group: str, dataset: str | None) -> Pair:
        """See `seed_mean`."""
        shown = [_shown(layout, metric, group, dataset) for layout in self.layouts]
        if not all(shown):
            return Pair(before=None, after=None)
        parts = list(zip(self._columns, shown, strict=True))  # nearly always one
        before, after = (_mean([value for sides, at in parts for value in _over(sides[k], at)]) for k in (0, 1))
        return Pair(before=before, after=after)

    @cached_property
    def _columns(self) -> tuple[tuple[Floats, Floats], ...]:
        """For each layout before and after, (runs, quantities), of the runs that have it."""

        def joined(parts: "Iterable[array[float]]", runs: int) -> Floats:
            return np.frombuffer(b"".join(part.tobytes() for part in parts), dtype=np.float64).reshape(runs, -1)

        alike = [[run for run in self.runs if run.layout is layout] for layout in self.layouts]
        return tuple(
            (joined((run.before for run in runs), len(runs)), joined((run.after for run in runs), len(runs)))
            for runs in alike
        )


def images_of(records: Sequence[Record], metric: str, dataset: str, group: str) -> Images | None:
    """What each image came to in the runs of one forget class, summed over seeds; None if any does not say."""
    measured = [record.measured for record in records]
    found = [(item, item.layout.find(metric, dataset=dataset, group=group)) for item in measured]
    known = [(item, places[0]) for item, places in found if places and item.layout.quantities[places[0]][5]]
    sizes = {item.layout.quantities[place][4] for item, place in known}
    if len(known) < len(found) or len(sizes) != 1:
        return None
    before, after = unpack_sums([item.outcomes(place) for item, place in known], sizes.pop())
    return Images(before=before, after=after, seeds=len(known))


def _shown(layout: Layout, metric: str, group: str, dataset: str | None) -> tuple[int, ...]:
    found = layout.find(metric, group=group, dataset=dataset)
    return tuple(place for place in found if layout.quantities[place][4]) or found


def _over(side: Floats, places: Sequence[int]) -> list[float]:
    """For each run, (runs, quantities), the mean of these quantities."""
    if len(places) == 1:
        return cast("list[float]", side[:, places[0]].tolist())
    return [math.fsum(values) / len(values) for values in side[:, places].tolist()]


def _mean(values: Sequence[float]) -> float | None:
    """The mean; None for nothing, and where any of them is not a number."""
    found = math.fsum(values) / len(values) if values else math.nan
    return None if math.isnan(found) else found
