"""A measured row as the paper's tables see it: their numbers, and what keeps each from standing beside them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unlearn_bench.leaderboards.records.record import EvaluationSet, Run
from unlearn_bench.leaderboards.reported.configurations import EVALUATION, configuration_of
from unlearn_bench.leaderboards.reported.printed import CUTOFFS, SCORE, SIDES, Protocol, ReportedTables, quantity
from unlearn_bench.leaderboards.statistics.aggregate import samples_of
from unlearn_bench.leaderboards.statistics.intervals import (
    OTHER,
    TARGET,
    Floats,
    resampled_accuracies,
    resampled_class_means,
    scores,
)
from unlearn_bench.leaderboards.statistics.rows import Row, seed_mean

KINDS = {"IFT": "ift", "IFI": "ifi-one"}
"""The kinds of query of Table 2, and this project's groups with one query for each forget class."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """A measured number and what resampling makes of it, (B,) or None."""

    value: float | None
    draws: Floats | None


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A measured row as the paper's tables see it.

    Attributes:
        label: of the row, with its suite and standing. run: one of its runs. configuration: see `configurations`.
        by_dataset: for each forget dataset by its printed name, Table 1's numbers; empty where a cell is missing.
        retrieval: Table 2's, by kind.
        gaps: for a forget dataset, why its row is not whole. apart: for an evaluated dataset, why its numbers are
            not the paper's. extra: why a number over all datasets is not.
    """

    label: str
    run: Run
    configuration: str
    by_dataset: Mapping[str, Mapping[str, Number]]
    retrieval: Mapping[str, Mapping[str, Number]]
    gaps: Mapping[str, str]
    apart: Mapping[str, str]
    extra: str


def views_of(rows: Sequence[Row], reported: ReportedTables) -> list[View]:
    """The rows of one board, with intervals' draws: the same draws for all of them."""
    drawn = resampled_accuracies({str(place): samples_of(row) for place, row in enumerate(rows)})
    return [_view(row, drawn[str(place)], reported) for place, row in enumerate(rows)]


def _view(row: Row, drawn: Mapping[str, Mapping[str, Floats]], reported: ReportedTables) -> View:
    protocol, run = reported.protocol, row.run
    configuration = configuration_of(run)
    gaps = {name: _gap(row, item) for name, item in protocol.items()}
    evaluated = {item.name: item for item in run.evaluation if not item.control}
    free = configuration == EVALUATION
    apart = {
        name: _why_apart(evaluated.get(item.spec), item, _test_images(row, item.spec), any_template=free)
        for name, item in protocol.items()
    }
    specs = {item.spec for item in protocol.values()}
    more = [name for name in evaluated if name not in specs]
    whole = [name for name in protocol if not gaps[name]]
    return View(
        label=f"{row.label} (suite {run.suite}; {row.standing})",
        run=run,
        configuration=configuration,
        by_dataset={name: _numbers(row, drawn, name, protocol) for name in whole},
        retrieval={kind: _precisions(row, kind) for kind in KINDS} if len(whole) == len(protocol) else {},
        gaps=gaps,
        apart=apart,
        extra=f"other datasets are part of it: {', '.join(more)}" if more else "",
    )


def _gap(row: Row, protocol: Protocol) -> str:
    """Why the row has no whole summary for a forget dataset; empty if it has."""
    there = {_same(key[1][0]) for key in row.by_class if key[0] == protocol.spec}
    absent = [name for name in protocol.classes if _same(name) not in there]
    if len(absent) == len(protocol.classes):
        return f"incomplete: nothing forgotten from {protocol.dataset}"
    if absent:
        return f"incomplete: no cell for {', '.join(absent)} ({protocol.dataset})"
    summary = row.datasets[protocol.spec]
    if summary.done < summary.planned:
        return f"incomplete: {summary.done} of {summary.planned} cells of {protocol.dataset}"
    return ""


def _why_apart(item: EvaluationSet | None, protocol: Protocol, images: set[int], *, any_template: bool) -> str:
    """Why numbers on this evaluated dataset are not the paper's kind; empty if they are."""
    if item is None:
        return f"{protocol.dataset} was not evaluated"
    said = item.split_name or item.version
    family = "_".join(protocol.split.split("_")[:2])  # who made the split: the rest of the name is the dataset's
    if item.split != "test" or family not in f"{item.split_name} {item.version}".lower():
        return (
            f"another split of {protocol.dataset}: {item.split} of {said!r}; the paper's is test of {protocol.split}"
        )
    if images - {protocol.test_images}:
        counted = ", ".join(str(n) for n in sorted(images))
        return f"another split of {protocol.dataset}: {counted} test images; the paper's has {protocol.test_images}"
    if not any_template and item.template != protocol.template:
        return f"another template for {protocol.dataset}: {item.template!r}; the paper's is {protocol.template!r}"
    return ""


def _test_images(row: Row, spec: str) -> set[int]:
    """How many test images of a dataset the row's records were measured on: one number, if all is well."""
    counts = set()
    for record in row.records:
        found = [item.n for item in record.measurements if item.metric == "accuracy" and item.dataset == spec]
        if found:
            counts.add(sum(found))  # of the own dataset: target and other
    return counts


def _numbers(
    row: Row, drawn: Mapping[str, Mapping[str, Floats]], name: str, protocol: Mapping[str, Protocol]
) -> dict[str, Number]:
    """Table 1's numbers of one forget dataset, under their printed names."""
    own = protocol[name].spec
    summary, draws = row.datasets[own], drawn.get(own, {})
    roles = {TARGET: TARGET, OTHER: OTHER, **{key: item.spec for key, item in protocol.items() if key != name}}
    pairs = {TARGET: summary.target, **summary.others}
    found = {}
    for printed, role in roles.items():
        for place, side in enumerate(SIDES):
            value = getattr(pairs.get(role), side, None)
            sampled = draws[role][place] if role in draws else None
            found[quantity(printed, side)] = Number(value=value, draws=sampled)
    sampled = scores(*np.stack(list(draws.values()), axis=1)) if draws else None
    return {**found, SCORE: Number(value=summary.score, draws=sampled)}


def _precisions(row: Row, kind: str) -> dict[str, Number]:
    """Table 2's numbers: the mean over forget classes, all of which the row has."""
    found = {}
    for k in CUTOFFS:
        for side in SIDES:
            values: dict[str, list[float]] = {}
            for (dataset, _), records in sorted(row.by_class.items()):
                pair = seed_mean(records, "retrieval", f"{KINDS[kind]}@{k}/{TARGET}", dataset)
                value: float | None = getattr(pair, side)
                values.setdefault(dataset, []).append(math.nan if value is None else value)
            mean = float(np.mean([np.mean(numbers) for numbers in values.values()]))
            known = not math.isnan(mean)
            found[quantity(f"precision@{k}", side)] = Number(
                value=mean if known else None, draws=resampled_class_means(values) if known else None
            )
    return found


def reasons_of(view: View, forgotten: Sequence[str]) -> Callable[[str], str]:
    """For a quantity, why it can't be compared, in a row over these forget datasets; empty if it can."""

    def why(name: str) -> str:
        gaps = [view.gaps[dataset] for dataset in forgotten]
        printed = name.rpartition(" ")[0]
        if printed in view.apart:
            apart = [view.apart[printed]]
        elif printed in {TARGET, OTHER}:
            apart = [view.apart[dataset] for dataset in forgotten]
        else:  # a score, or retrieval: over all datasets
            apart = [*view.apart.values(), view.extra]
        return next((said for said in (*gaps, *apart) if said), "")

    return why


def mean_numbers(several: Sequence[Mapping[str, Number]]) -> dict[str, Number]:
    """The mean of each quantity over those that have it; of draws likewise, resample by resample."""
    found = {}
    for name in dict.fromkeys(key for numbers in several for key in numbers):
        numbers = [item[name] for item in several if name in item]
        values = [item.value for item in numbers if item.value is not None]
        draws = [item.draws for item in numbers if item.draws is not None]
        found[name] = Number(
            value=math.fsum(values) / len(values) if len(values) == len(numbers) else None,
            draws=np.mean(draws, axis=0) if len(draws) == len(numbers) else None,
        )
    return found


def _same(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def is_class(name: str, protocol: Protocol) -> bool:
    """Whether it is one of the paper's forget classes; case and underscores aside."""
    return _same(name) in {_same(item) for item in protocol.classes}
