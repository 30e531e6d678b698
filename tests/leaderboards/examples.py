"""Records made by hand, without a model: what a run would have measured if these images had been right."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from unlearn_bench.leaderboards.records.record import EvaluationSet, Record, Run, Status
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.statistics.rows import Board
from unlearn_bench.leaderboards.tables.figure import draw
from unlearn_bench.leaderboards.tables.section import Section
from unlearn_bench.metrics.base import Measurement
from unlearn_bench.metrics.shared.outcomes import pack

SHAPES, DIGITS, PLANETS = "mini-shapes", "mini-digits", "planets"
FORGET: Mapping[str, Sequence[str]] = {SHAPES: ("red cube", "blue cone"), DIGITS: ("three",)}
TARGET_N, OTHER_N, ALL_N = 20, 40, 60


def run(**changes: Any) -> Run:
    """A run of `lip`, with what the test changes."""
    base = Run(
        suite="mini",
        model="mini-rn",
        fingerprint="f00d",
        method="lip",
        method_version=1,
        method_file=None,
        access="ZS",
        kind="method",
        hyperparameters={"sigma": 0.1, "steps": 25, "layers": ("a", "b")},
        dataset=SHAPES,
        forget=("red cube",),
        evaluation=tuple(
            EvaluationSet(name=name, version="1", split="test", template="a photo of a {}.", control=name == PLANETS)
            for name in (SHAPES, DIGITS, PLANETS)
        ),
        metrics={"accuracy": 1, "seconds": 1},
        synthesis={"images": 64},
        train_split="train",
        seed=0,
    )
    return replace(base, **changes)


def accuracy(dataset: str, group: str, n: int, before: int, after: int) -> Measurement:
    """An accuracy of which the first `before` images were right, then the first `after`."""
    order = np.arange(n)
    return Measurement(
        metric="accuracy",
        version=1,
        dataset=dataset,
        group=group,
        before=before / n,
        after=after / n,
        n=n,
        outcomes=pack(order < before, order < after),
    )


def plain(
    metric: str, group: str, after: float | None, *, before: float | None = None, dataset: str = "", n: int = 1
) -> Measurement:
    """Any other quantity."""
    return Measurement(metric=metric, version=1, dataset=dataset, group=group, before=before, after=after, n=n)


def measurements(
    own: str, *, target: int = 2, other: int = 30, rest: int = 45, target_before: int = 16
) -> tuple[Measurement, ...]:
    """All accuracies of one run, in images that were right after: before, 16 of 20, 30 of 40 and 45 of 60."""
    others = [name for name in FORGET if name != own]
    return (
        accuracy(own, "target", TARGET_N, target_before, target),
        accuracy(own, "other", OTHER_N, 30, other),
        *(accuracy(name, "all", ALL_N, 45, rest) for name in others),
        accuracy(PLANETS, "control", 10, 9, 8),
    )


def extras(own: str, seconds: float) -> tuple[Measurement, ...]:
    """Measurements of the other metrics."""
    found = [
        plain("seconds", "method", seconds),
        plain("seconds", "synthesis", 0.5),
        plain("peak-memory", "all", 123.4),
        plain("share-changed", "all", 0.25),
        plain("share-changed", "tensors", 0.125),
        plain("relative-change", "all", 0.01),
        plain("verification-gap", "accuracy/gap", -0.125, before=0.2, dataset=own),
        plain("target-cosine", "target", 0.1, before=0.3, dataset=own),
    ]
    for k in (1, 10):
        for part, dataset in (("target", own), ("other", "")):
            found += [
                plain("retrieval", f"ift@{k}/{part}", 0.1, before=0.9, dataset=dataset),
                plain("retrieval", f"ift@{k}/ceiling/{part}", 1.0, before=1.0, dataset=dataset),
                plain("retrieval", f"ift@{k}/chance/{part}", 0.05, before=0.05, dataset=dataset),
            ]
    return tuple(found)


def record(of: Run | None = None, **changes: Any) -> Record:
    """A finished run."""
    of = of or run()
    base = Record(
        run=of,
        status="ok",
        measurements=measurements(of.dataset),
        preset={"source": "tuned", "trials": 40},
        provenance={
            "version": "0.1.0",
            "commit": "abc123",
            "device": "cpu x86_64",
            "jobs": 1,
            "threads": 2,
            "contended": False,
            "memory": "pages of its own",
            "time": "2025-01-01T00:00:00+00:00",
        },
    )
    return replace(base, **changes)


def sweep(
    method: str = "lip",
    *,
    targets: Sequence[int] = (2,),
    seeds: Sequence[int] = (0,),
    preset: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    measured: Mapping[str, int] | None = None,
    **changes: Any,
) -> list[Record]:
    """One method on all three forget sets; `targets` are the target images right after, cell by cell, in turn."""
    found: list[Record] = []
    for dataset, names in FORGET.items():
        for name in names:
            for seed in seeds:
                target = targets[len(found) % len(targets)]
                of = run(method=method, dataset=dataset, forget=(name,), seed=seed, **changes)
                said = measurements(dataset, target=target, **(measured or {}))
                said += extras(dataset, seconds) if seconds else ()
                base = record(of, measurements=said)
                found.append(base if preset is None else replace(base, preset=preset))
    return found


def identity(**changes: Any) -> list[Record]:
    """The reference that does nothing."""
    return sweep("identity", targets=(16,), kind="reference", hyperparameters={}, **changes)


def ended(found: Record, status: Status, reason: str) -> Record:
    """The same run with another end."""
    return replace(found, status=status, reason=reason, measurements=())


def only(records: Sequence[Record]) -> Board:
    """The one board that they make."""
    (board,) = boards(records)
    return board


def cell(section: Section, method: str, column: str) -> str:
    """What stands in that column of the method's row."""
    place = section.headers.index(column)
    (found,) = (row[place] for row in section.rows if method in row)
    return found


def svg_of(*boards: Board) -> str:
    """The boards' picture as an SVG element."""
    text = draw(boards, fmt="svg").decode("utf-8")
    return text[text.index("<svg") :].rstrip()


def with_extra(found: Record, *said: tuple[str, str, float | None, float | None]) -> Record:
    """The record with further measurements: metric, group, before, after."""
    new = tuple(plain(metric, group, after, before=before) for metric, group, before, after in said)
    return replace(found, measurements=(*found.measurements, *new))
