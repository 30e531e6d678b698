"""From records to the rows of a leaderboard: what may share a row, and what is averaged over what."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.statistics.identity import Names, board_identity, describe_differences, row_identity
from unlearn_bench.leaderboards.statistics.intervals import (
    OTHER,
    TARGET,
    ClassDraws,
    ClassKey,
    Floats,
    Images,
    Interval,
    Samples,
    interval,
    over_classes,
    resampled_class_accuracies,
    scores,
)
from unlearn_bench.leaderboards.statistics.ranking import rank, standing_of
from unlearn_bench.leaderboards.statistics.recovery import with_recovery
from unlearn_bench.leaderboards.statistics.rows import (
    Board,
    Cell,
    Difference,
    Pair,
    Quantity,
    Row,
    Seeds,
    Summary,
    images_of,
    mean_pair,
)
from unlearn_bench.leaderboards.statistics.settings import by_settings
from unlearn_bench.leaderboards.statistics.tradeoff import Point, forgetting, front, harmonic_mean, retention

_DIGITS = 12
"""Points of the front that differ by less are equal: the last bits depend on the order of adding."""


def boards(records: Iterable[Record], *, plan: Collection[Cell] = ()) -> tuple[Board, ...]:
    """The leaderboards in `records`, by suite and model; of one model, the most complete and newest first.

    Args:
        plan: cells that there should be for every method, besides those of which any method has a record.

    Records of one method that differ in version, file, hyperparameters or settings of the synthetic images
    become rows of their own. Those that differ in model, fingerprint, test data, metrics' versions or split
    become boards of their own. So no number ever mixes them.

    Raises:
        InputError: two records of one row are about the same cell.
    """
    grouped = by_settings(records)
    titles = [(group[0].run.suite, group[0].run.model) for group in grouped]
    found = []
    for title, group in zip(titles, grouped, strict=True):
        alike = [other[0] for other, name in zip(grouped, titles, strict=True) if name == title]
        variant = _differing(group[0], alike, board_identity)
        found.append(_board(group, variant, frozenset(plan)))
    return tuple(found)


def difference(row: Row, baseline: Row, dataset: str = "") -> Difference:
    """`row` against `baseline` on one forget dataset, or over all; gaps where one of them is incomplete."""
    mine = row.datasets[dataset] if dataset else row.overall
    theirs = baseline.datasets[dataset] if dataset else baseline.overall
    if mine.score is None or theirs.score is None:
        return Difference(mean=None, interval=None)
    drawn = dataset in row.draws and dataset in baseline.draws
    found = interval(row.draws[dataset] - baseline.draws[dataset]) if drawn else None
    return Difference(mean=mine.score - theirs.score, interval=found)


def _group(records: Iterable[Record], name: Callable[[Record], Hashable]) -> list[list[Record]]:
    groups: dict[Hashable, list[Record]] = {}
    for record in records:
        groups.setdefault(name(record), []).append(record)
    return list(groups.values())


def _differing(record: Record, alike: Sequence[Record], identity: Callable[[Run], Mapping[str, object]]) -> str:
    return describe_differences(identity(record.run), [identity(other.run) for other in alike])


def _board(records: Sequence[Record], variant: str, plan: frozenset[Cell]) -> Board:
    cells = plan | {(record.run.dataset, record.run.forget, record.run.seed) for record in records}
    variants = _group(records, Names().of_row)
    rows = []
    for group in variants:
        name = group[0].run.label
        alike = [other[0] for other in variants if other[0].run.label == name]
        extra = describe_differences(row_identity(group[0]), [row_identity(other) for other in alike])
        rows.append(_row(f"{name} ({extra})" if extra else name, group, cells))
    placed = rank(_with_intervals(rows), lambda row, first: difference(row, first).interval)
    ordered = with_recovery(_with_front([replace(row, place=place) for row, place in placed]))
    return Board(run=records[0].run, variant=variant, rows=tuple(ordered), cells=cells)


def _with_front(rows: Sequence[Row]) -> list[Row]:
    """The rows, marked where they are on the front.

    References show the scale, and what was tuned on the reported classes has seen the answers: these are on no front
    and keep nobody off it.
    """
    competing = [row for row in rows if row.standing in {"ranked", "not tuned"}]
    on = dict(zip(map(id, competing), front([_point(row.overall) for row in competing]), strict=True))
    return [replace(row, on_front=on.get(id(row), False)) for row in rows]


def _point(summary: Summary) -> Point:
    """Forgetting and retention; no forgetting where its interval reaches 0: chance must put nobody on the front."""
    if summary.forgetting is None or summary.retention is None:
        return None, None
    spread = summary.intervals.get("forgetting")
    told_apart = spread is None or spread.low > 0
    return round(summary.forgetting, _DIGITS) if told_apart else 0.0, round(summary.retention, _DIGITS)


def _row(label: str, records: Sequence[Record], cells: frozenset[Cell]) -> Row:
    done: dict[ClassKey, list[Record]] = {(dataset, forget): [] for dataset, forget, _ in sorted(cells)}
    _refuse_twice(label, records)
    for record in sorted(records, key=lambda record: record.run.seed):
        if record.status == "ok":
            done[record.run.dataset, record.run.forget].append(record)
    planned = Counter(cell[:2] for cell in cells)
    classes = {key: _of_class(key, found, planned[key]) for key, found in done.items()}
    by_dataset = {name: [summary for key, summary in classes.items() if key[0] == name] for name, _ in classes}
    datasets = {name: _of_dataset(summaries) for name, summaries in by_dataset.items()}
    return Row(
        label=label,
        records=tuple(records),
        by_class={key: tuple(found) for key, found in done.items()},
        standing=standing_of(records),
        overall=_over_datasets(list(datasets.values())),
        datasets=datasets,
        classes=classes,
    )


def _refuse_twice(label: str, records: Sequence[Record]) -> None:
    seen: set[Cell] = set()
    for record in records:
        cell = (record.run.dataset, record.run.forget, record.run.seed)
        if cell in seen:
            raise InputError(
                f"two records of {label!r} are about {cell[0]}, {', '.join(cell[1])}, seed {cell[2]}; "
                "give each run once"
            )
        seen.add(cell)


def _places(run: Run) -> dict[str, tuple[str, str]]:
    """The terms of the score after the target's by role: the dataset and the group where each is measured."""
    others = [item.name for item in run.evaluation if not item.control and item.name != run.dataset]
    return {OTHER: (run.dataset, OTHER), **{name: (name, "all") for name in others}}


def _of_class(key: ClassKey, records: Sequence[Record], planned: int) -> Summary:
    if len(records) < planned or not records:
        return Summary(target=None, others={}, score=None, retention=None, done=len(records), planned=planned)
    seeds = Seeds.of(records)
    target = seeds.mean("accuracy", TARGET, key[0])
    others = {
        role: seeds.mean("accuracy", group, dataset) for role, (dataset, group) in _places(records[0].run).items()
    }
    return _scored(target, others, done=len(records), planned=planned)


def _of_dataset(classes: Sequence[Summary]) -> Summary:
    done, planned = sum(item.done for item in classes), sum(item.planned for item in classes)
    if done < planned:
        return Summary(target=None, others={}, score=None, retention=None, done=done, planned=planned)
    target = mean_pair([item.target for item in classes if item.target])
    others = {role: mean_pair([item.others[role] for item in classes]) for role in classes[0].others}
    return _scored(target, others, done=done, planned=planned)


def _over_datasets(datasets: Sequence[Summary]) -> Summary:
    complete = all(item.done == item.planned for item in datasets)
    return Summary(
        target=mean_pair([item.target for item in datasets if item.target]) if complete else None,
        others={},
        score=_mean([item.score for item in datasets]) if complete else None,
        retention=_mean([item.retention for item in datasets]) if complete else None,
        done=sum(item.done for item in datasets),
        planned=sum(item.planned for item in datasets),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def _scored(target: Pair, others: Mapping[str, Pair], *, done: int, planned: int) -> Summary:
    pairs = [target, *others.values()]
    before, after = (
        np.array([math.nan if value is None else value for value in side], dtype=np.float64)
        for side in ([pair.before for pair in pairs], [pair.after for pair in pairs])
    )
    score, kept = float(scores(before, after)), float(retention(before[1:], after[1:]))
    return Summary(
        target=target,
        others=others,
        score=None if math.isnan(score) else score,
        retention=None if math.isnan(kept) else kept,
        done=done,
        planned=planned,
    )


def _with_intervals(rows: Sequence[Row]) -> list[Row]:
    """The rows with resampled numbers, for each dataset where they have a score and all outcomes."""
    drawn = resampled_class_accuracies({str(number): samples_of(row) for number, row in enumerate(rows)})
    return [_with_draws(row, drawn[str(number)]) for number, row in enumerate(rows)]


def _with_draws(row: Row, classes: ClassDraws) -> Row:
    by_dataset = over_classes(classes)
    quantities = {name: _quantities(roles) for name, roles in by_dataset.items()}
    draws = {name: found["score"] for name, found in quantities.items()}
    overall, shares = row.overall, row.shares
    if overall.score is not None and by_dataset.keys() == row.datasets.keys():
        before, after = np.mean([by_dataset[name][TARGET] for name in row.datasets], axis=0)
        gone = forgetting(before, after)
        kept = np.mean([quantities[name]["retention"] for name in row.datasets], axis=0)
        draws[""] = np.mean([draws[name] for name in row.datasets], axis=0)
        both = harmonic_mean(gone, kept)
        intervals = _intervals({"score": draws[""], "forgetting": gone, "retention": kept, "harmonic": both})
        overall, shares = replace(overall, intervals=intervals), {"forgetting": gone, "retention": kept}
    return replace(
        row,
        overall=overall,
        datasets={
            name: replace(item, intervals=_intervals(quantities.get(name, {}))) for name, item in row.datasets.items()
        },
        classes={
            key: replace(item, intervals=_intervals(_quantities(classes[key]) if key in classes else {}))
            for key, item in row.classes.items()
        },
        draws=draws,
        shares=shares,
    )


def _quantities(roles: Mapping[str, Floats]) -> dict[Quantity, Floats]:
    """What a summary says, of (2, resamples) accuracies by role, the target's first."""
    before, after = np.stack(list(roles.values()), axis=1)  # (R, B) each
    gone, kept = forgetting(before[0], after[0]), retention(before[1:], after[1:])
    return {
        "score": scores(before, after),
        "forgetting": gone,
        "retention": kept,
        "harmonic": harmonic_mean(gone, kept),
    }


def _intervals(draws: Mapping[Quantity, Floats]) -> dict[Quantity, Interval]:
    found = {name: interval(values) for name, values in draws.items()}
    return {name: item for name, item in found.items() if item is not None}


def samples_of(row: Row) -> Samples:
    """The row's test images by forget class and role, of the datasets where it has a score and all outcomes."""
    found: dict[ClassKey, Mapping[str, Images]] = {}
    for dataset, summary in row.datasets.items():
        keys = [key for key in row.by_class if key[0] == dataset]
        images = {key: _images(row.by_class[key]) for key in keys} if summary.score is not None else {}
        if all(images.values()):
            found.update({key: groups for key, groups in images.items() if groups})
    return found


def _images(records: Sequence[Record]) -> dict[str, Images] | None:
    """The outcomes of one class by role, summed over seeds; None if any is not there."""
    run = records[0].run
    groups = {}
    for role, (dataset, group) in {TARGET: (run.dataset, TARGET), **_places(run)}.items():
        images = images_of(records, "accuracy", dataset, group)
        if images is None:
            return None
        groups[role] = images
    return groups
