"""A record: one run, how it ended, and what was measured."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from unlearn_bench.metrics.base import Measurement

Status = Literal["ok", "skipped", "failed"]

Place = tuple[str, str, str, tuple[str, ...], int]
"""Model, method or variant, dataset, forget set, seed: what a run is about, whatever the settings."""

ADDED: Mapping[str, object] = {"variant": {}, "precision": "fp32", "split_name": ""}
"""Fields that came after the first published records, with the values at which nothing says them."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """One dataset on which every run of a suite is measured.

    Attributes:
        version: the dataset's version or content hash. split: which images. template: of the class texts.
        control: outside the score. split_name: which partition the splits come from, where a dataset has several.
    """

    name: str
    version: str
    split: str
    template: str
    control: bool = False
    split_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One cell of a sweep: everything that decides its numbers, apart from rounding.

    Attributes:
        suite: whose cell it is; not part of the key.
        model: what reports call it, without folders; not part of the key. fingerprint: a hash of what it computes.
        method: its name. method_version: raised by hand. method_file: hash of an outside method's file, else None.
        access, kind: of the method, for the tables.
        hyperparameters: all of the method's fields, resolved.
        dataset: from which classes are forgotten. forget: their names.
        evaluation: the evaluated datasets. metrics: name to version.
        synthesis: settings of the synthetic images, resolved.
        train_split: the split whose images methods are given.
        seed: of the run.
        precision: in which the test images were encoded; methods always work in fp32.
        variant: what the suite set for a named configuration of the method, its name too; empty for the method as
            its preset says.
    """

    suite: str
    model: str
    fingerprint: str
    method: str
    method_version: int
    method_file: str | None
    access: str
    kind: str
    hyperparameters: Mapping[str, Any]
    dataset: str
    forget: tuple[str, ...]
    evaluation: tuple[EvaluationSet, ...]
    metrics: Mapping[str, int]
    synthesis: Mapping[str, Any]
    train_split: str
    seed: int
    variant: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "fp32"

    @property
    def label(self) -> str:
        """The variant's name, or the method's."""
        return str(self.variant.get("name", self.method))

    @property
    def place(self) -> Place:
        """Where a run of the same suite stands in its tables."""
        return self.model, self.label, self.dataset, self.forget, self.seed

    @property
    def key(self) -> str:
        """Sixteen hex digits: equal runs have equal keys on every machine, and any difference changes it."""
        parts = {
            name: value
            for name, value in stated(self).items()
            if name not in {"suite", "model", "access", "kind", "evaluation"}
        }
        parts["evaluation"] = [stated(item) for item in self.evaluation]
        text = json.dumps(parts, sort_keys=True, default=list)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def stated(item: Run | EvaluationSet) -> dict[str, Any]:
    """The fields with their values, without later ones that are not in use: so older records keep their keys."""
    return {name: value for name, value in vars(item).items() if name not in ADDED or value != ADDED[name]}


def completed(data: Mapping[str, Any], kind: type[Run | EvaluationSet]) -> dict[str, Any]:
    """The inverse of `stated`: `data` with the later fields that it leaves out."""
    names = kind.__dataclass_fields__
    return {**{name: value for name, value in ADDED.items() if name in names}, **data}


@dataclass(frozen=True, kw_only=True)
class Record:
    """How one run ended.

    Attributes:
        run: what was run. status: `ok`, `skipped` or `failed`. reason: why not `ok`; empty otherwise.
        measurements: empty unless `ok`.
        preset: where the hyperparameters come from (`source`, and for tuned ones budget, classes, scores).
        provenance: version, commit, dirty, packages, device, threads, jobs, time, contended, memory, notes.
    """

    run: Run
    status: Status
    reason: str = ""
    measurements: tuple[Measurement, ...] = ()
    preset: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def find(self, metric: str, *, dataset: str | None = None, group: str | None = None) -> Measurement | None:
        """The first measurement of `metric` (on that dataset, of that group), or None."""
        return next(iter(self.matching(metric, dataset=dataset, group=group)), None)

    def matching(
        self, metric: str, *, dataset: str | None = None, group: str | None = None
    ) -> tuple[Measurement, ...]:
        """All of them: some metrics have one group on several datasets."""
        return tuple(
            item
            for item in self.measurements
            if item.metric == metric and dataset in {None, item.dataset} and group in {None, item.group}
        )
