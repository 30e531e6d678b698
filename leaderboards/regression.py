"""Whether a run gives the numbers that were published: cell by cell, within tolerances that were measured."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from unlearn_bench.errors import InputError, unknown
from unlearn_bench.leaderboards.records.layout import Layout, Measured
from unlearn_bench.leaderboards.records.record import Place, Record, Run
from unlearn_bench.leaderboards.statistics.identity import describe_differences
from unlearn_bench.metrics.base import Measurement
from unlearn_bench.shown import one_line

_ROUNDING = 5e-6
"""What 6 significant digits of a fraction may differ by; one image of 200,000 is more."""

_ACCURACY = "accuracy"
_LEFT_OUT = {"seconds", "peak-memory", "share-changed", "relative-change", "predictions"}
"""Metrics that are not compared: costs, and which classes target images are taken for, one by one."""

_RELEARNING, _LOOK = "relearning", "steps@"
_VERIFICATION, _SYNTHETIC = "verification-gap", ("synthetic", "gap")
_AFTER = "after"
"""The last word of what names a number after forgetting."""

_COUNTS = {"steps-to-return"}
"""Groups of other metrics that count something."""


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """How far a cell may lie from the published one on another machine.

    Other threads or instruction sets round differently, and training amplifies that. Accuracies before forgetting
    must be equal: nothing is trained there.

    Measured on mini-rn, tuned, one seed. The same processor and threads: 108 cells, no difference in any metric.
    Another machine with AVX2 asked for on both, both models: 504 cells, no difference but in the linear probe (.02 at
    most, its before-values too; its solver may not follow what is asked for). Two threads for one: 9 cells, no target
    image, others by up to .008. SSE4.1 for AVX2: 54 cells, before-accuracies equal; 50 of them within 2 target images
    and .016, two cells of Lip with others off by .044 and .061, and two of Emb that took another turn (27 and 74 of
    100 target images): their loop keeps or takes back whole epochs. AVX-512 for AVX2: all 240 cells of `mini` with
    all audits, before-values of test images equal. Without Lip: 228 cells, one of Emb with 3 target images, one of
    text-space adaptation with .14 after one update of relearning, all else within these tolerances. Lip: 7 of its 12
    cells beyond them, by up to .33 of the target; each of its steps amplifies what the last one rounded. A newer Xeon
    with AVX2 asked for: 120 cells of `mini`, three of Emb's six (by up to .74 of the target) and two of Lip's (.06)
    beyond them, and one look into relearning (.24); two cells of each, run there with the commit that had been equal
    elsewhere, gave the same target accuracies. So these tolerances are for the processor of the published numbers;
    runs that are compared should ask for its instructions, and may have these two methods told only (`compare_runs`).

    Attributes:
        target_images: target accuracy after, in test images. others: other accuracies after, as a fraction.
        class_mean: target accuracy after, averaged over a method's seeds and forget sets, as a fraction.
        looks: accuracy while relearning is still under way.
        synthetic: what is measured on synthetic images, which each machine makes itself (the newer Xeon: .125, four
            of 32 images, in one cell of 21).
        audits: any other metric, before or after, where its published values lie within -1 and 1 (rates, gaps,
            cosines, Avg. Score); over few images or queries, `target_images` of them. Costs, predicted classes and
            counts of updates are not compared.
    """

    target_images: float = 2
    others: float = 0.02
    class_mean: float = 0.02
    looks: float = 0.3
    synthetic: float = 0.2
    audits: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One thing that is not as published; the fields are the columns of the table."""

    model: str
    method: str
    cell: str
    what: str
    published: str
    measured: str
    allowed: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of a comparison.

    Attributes:
        compared: how many cells were in both. drifts: what is not as published. told: what of it does not count.
        not_run: published cells that were not measured. new: measured cells that were not published.
    """

    compared: int
    drifts: tuple[Drift, ...]
    not_run: tuple[str, ...]
    new: tuple[str, ...]
    told: tuple[Drift, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that was compared is as published."""
        return not self.drifts

    @property
    def summary(self) -> str:
        """One line."""
        said = f"{self.compared} cells compared, {len(self.drifts)} numbers drifted"
        said += f" ({len(self.told)} more are told only)" if self.told else ""
        return f"{said}; {len(self.not_run)} published cells not run, {len(self.new)} cells new"

    def table(self, *, told: bool = False) -> str:
        """The drifts as a Markdown table, or those that are told only; empty if there are none."""
        shown = self.told if told else self.drifts
        rows = [[one_line(text).replace("|", r"\|") for text in dataclasses.astuple(drift)] for drift in shown]
        headers = [item.name for item in dataclasses.fields(Drift)]
        return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True) if rows else ""


def parse_tolerances(texts: Sequence[str]) -> Tolerances:
    """The tolerances with what `name=value` texts set.

    Raises:
        InputError: no `=`, an unknown name, or a value that is no number of 0 or more.

    >>> parse_tolerances(["others=0.03"]).others
    0.03
    """
    known = [item.name for item in dataclasses.fields(Tolerances)]
    values: dict[str, float] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise InputError(f"tolerance {text!r} is not of the form name=value; names: {', '.join(known)}")
        if name not in known:
            raise unknown("tolerance", name, known)
        try:
            values[name] = float(value)
        except ValueError:
            raise InputError(f"tolerance {name} takes a number, got {value!r}") from None
        if not 0 <= values[name] < float("inf"):
            raise InputError(f"tolerance {name} takes a number of 0 or more, got {value!r}")
    return Tolerances(**values)


def compare_runs(
    measured: Sequence[Record],
    published: Sequence[Record],
    tolerances: Tolerances | None = None,
    *,
    told_only: Collection[str] = (),
) -> Comparison:
    """Hold measured records against published ones of the same model, method, dataset, forget set and seed.

    A published cell that was not run is no drift, so a part of a suite can be checked. Another fingerprint, version,
    hyperparameter or setting is one, and is named; so is a measurement that one of the two lacks, and another number
    of images. What is compared with which tolerance: see `Tolerances`.

    Args:
        told_only: methods whose numbers after forgetting are told where they drift, and do not count: on a processor
            that rounds otherwise, a loop that keeps or takes back whole epochs takes another turn. What was run, how
            it ended and all that was there before forgetting count for them too.

    Raises:
        InputError: no cell is in both; a check that looked at nothing must not pass.
    """
    allowed = tolerances or Tolerances()
    known = _by_place(published)
    found = _by_place(measured)
    pairs = {place: _closest(found[place], known[place]) for place in found if place in known}
    if not pairs:
        raise InputError(
            f"nothing to compare: none of the {len(found)} measured cells is among the {len(known)} published ones; "
            "give a run of the same models and methods"
        )
    drifts = [drift for place, pair in pairs.items() for drift in _of_cell(place, *pair, allowed)]
    drifts += _of_means(list(pairs.values()), allowed)
    told = [drift for drift in drifts if drift.method in told_only and drift.what.endswith(_AFTER)]
    return Comparison(
        compared=len(pairs),
        drifts=tuple(drift for drift in drifts if drift not in told),
        told=tuple(told),
        not_run=tuple(_name(place) for place in sorted(known.keys() - found.keys())),
        new=tuple(_name(place) for place in sorted(found.keys() - known.keys())),
    )


def _by_place(records: Sequence[Record]) -> dict[Place, list[Record]]:
    found: dict[Place, list[Record]] = {}
    for record in records:
        found.setdefault(record.run.place, []).append(record)
    return found


def _closest(measured: Sequence[Record], published: Sequence[Record]) -> tuple[Record, Record]:
    """The pair of equal keys if there is one (a method may be in a table with several settings), else the first."""
    keys = {record.run.key: record for record in published}
    for record in measured:
        if record.run.key in keys:
            return record, keys[record.run.key]
    return measured[0], published[0]


def _name(place: Place) -> str:
    model, method, dataset, forget, seed = place
    return f"{model}, {method}, {dataset}: {' + '.join(forget)}, seed {seed}"


def _of_cell(place: Place, measured: Record, published: Record, allowed: Tolerances) -> Iterator[Drift]:
    model, method, dataset, forget, seed = place
    cell = f"{dataset}: {' + '.join(forget)}, seed {seed}"

    def drift(what: str, was: str, came: str, within: str) -> Drift:
        return Drift(model=model, method=method, cell=cell, what=what, published=was, measured=came, allowed=within)

    mine, theirs = _identity(measured.run), _identity(published.run)
    if measured.run.key != published.run.key:
        yield drift(
            "what was run", describe_differences(theirs, [mine]), describe_differences(mine, [theirs]), "equal"
        )
        return
    if measured.status != published.status:
        yield drift("status", published.status, f"{measured.status}: {measured.reason}".rstrip(": "), "equal")
        return
    if _is_within(measured.measured, published.measured, allowed):
        return
    now, then = _compared(measured), _compared(published)
    for name in dict.fromkeys([*then, *now]):
        yield from (
            drift(" ".join(filter(None, (*name, side))), was, came, within)
            for side, was, came, within in _compare(now.get(name), then.get(name), allowed)
        )


def _is_within(now: Measured, then: Measured, allowed: Tolerances) -> bool:
    """Whether all that is compared is there in both and no further apart than it may be, as in nearly all cells."""
    if now.layout is not then.layout:
        return False
    sides = [_apart_at_most(then.layout, part, allowed) for part in (0, 1)]
    pairs = [(np.asarray(now.before), np.asarray(then.before)), (np.asarray(now.after), np.asarray(then.after))]
    small = np.logical_and.reduce([~(np.abs(was) > 1) for _, was in pairs])  # others are not compared
    for within, (came, was) in zip(sides, pairs, strict=True):
        fits = (np.abs(came - was) <= within + _ROUNDING) | (np.isnan(came) & np.isnan(was)) | np.isnan(within)
        if not np.all(fits | ~small):
            return False
    return True


@lru_cache(maxsize=4096)
def _apart_at_most(layout: Layout, side: int, allowed: Tolerances) -> NDArray[np.float64]:
    """How far each of a layout's quantities may lie from the published one; not a number where it is not compared."""
    found = []
    for metric, version, dataset, group, n, _ in layout.quantities:
        item = Measurement(metric=metric, version=version, dataset=dataset, group=group, before=None, after=None, n=n)
        counts = metric not in _LEFT_OUT and group not in _COUNTS
        found.append(_allowed(item, allowed)[side][0] if counts else np.nan)
    return np.array(found, dtype=np.float64)


def _compare(
    now: Measurement | None, then: Measurement | None, allowed: Tolerances
) -> Iterator[tuple[str, str, str, str]]:
    """Side, published, measured and allowed, for each side of one quantity that drifted."""
    if now is None or then is None:
        was, came = ("absent" if item is None else "present" for item in (then, now))
        yield "", was, came, "equal"
        return
    if now.n != then.n:
        yield "test images" if now.metric == _ACCURACY else "n", str(then.n), str(now.n), "equal"
        return
    if any(abs(value) > 1 for value in (then.before, then.after) if value is not None):
        return
    (before, exact), (after, loose) = _allowed(then, allowed)
    if _apart(now.before, then.before, before):
        yield "before", _digits(then.before), _digits(now.before), exact
    if _apart(now.after, then.after, after):
        yield "after", _digits(then.after), _digits(now.after), loose


def _allowed(item: Measurement, allowed: Tolerances) -> tuple[tuple[float, str], tuple[float, str]]:
    """How far each side may lie from the published one, as a number and in words."""
    if item.metric != _ACCURACY:
        within = max(_of_audit(item, allowed), allowed.target_images / max(1, item.n))
        return ((within, f"{within:.4g}"),) * 2
    if item.group != "target":
        return (0.0, "equal"), (allowed.others, f"{allowed.others:g}")
    within = allowed.target_images / max(1, item.n)
    return (0.0, "equal"), (within, f"{within:.4g} ({allowed.target_images:g} of {item.n} images)")


def _of_audit(item: Measurement, allowed: Tolerances) -> float:
    if item.metric == _RELEARNING and item.group.startswith(_LOOK):
        return allowed.looks
    if item.metric == _VERIFICATION and item.group.endswith(_SYNTHETIC):
        return allowed.synthetic
    return allowed.audits


def _of_means(pairs: Sequence[tuple[Record, Record]], allowed: Tolerances) -> Iterator[Drift]:
    """Methods whose target accuracy drifted as a whole, though each cell may be within its tolerance."""
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for measured, published in pairs:
        if measured.run.key == published.run.key:
            now, then = (_target(record) for record in (measured, published))
            if now is not None and then is not None:
                rows.setdefault((measured.run.model, measured.run.label), []).append((now, then))
    for (model, method), values in rows.items():
        now, then = (sum(side) / len(values) for side in zip(*values, strict=True))
        if _apart(now, then, allowed.class_mean):
            yield Drift(
                model=model,
                method=method,
                cell=f"mean of {len(values)} cells",
                what="target after",
                published=_digits(then),
                measured=_digits(now),
                allowed=f"{allowed.class_mean:g}",
            )


def _identity(run: Run) -> Mapping[str, object]:
    names = [name for name in run.__dataclass_fields__ if name not in {"suite", "access", "kind"}]
    same = {name: getattr(run, name) for name in names}
    return {**same, "evaluation": {item.name: vars(item) for item in run.evaluation}}


def _compared(record: Record) -> dict[tuple[str, str, str], Measurement]:
    """What is compared, by metric (empty for accuracy), dataset and group."""
    return {
        ("" if item.metric == _ACCURACY else item.metric, item.dataset, item.group): item
        for item in record.measurements
        if item.metric not in _LEFT_OUT and item.group not in _COUNTS
    }


def _target(record: Record) -> float | None:
    found = record.find(_ACCURACY, dataset=record.run.dataset, group="target")
    return found.after if found else None


def _apart(now: float | None, then: float | None, within: float) -> bool:
    if now is None or then is None:
        return now is not then
    return not abs(now - then) <= within + _ROUNDING


def _digits(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6g}"
