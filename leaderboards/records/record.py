"""A record: one run, how it ended, and what was measured."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

from unlearn_bench.leaderboards.records.layout import Measured
from unlearn_bench.metrics.base import Measurement

Shared = TypeVar("Shared")

Status = Literal["ok", "skipped", "failed"]

Place = tuple[str, str, str, tuple[str, ...], int]
"""Model, method or variant, dataset, forget set, seed: what a run is about, whatever the settings."""

CURVE = "-curve"
"""Behind a suite's name: the suite of its methods' fronts, each point of which is measured as a cell of the suite is.

Such a record's preset says which point it is (`point`, from 1) of how many (`points`) of the front of its method's
`trials`; one without `point` is all that its method has.
"""

ADDED: Mapping[str, object] = {"variant": {}, "precision": "fp32", "split_name": ""}
"""Fields that came after the first published records, with the values at which nothing says them."""

_NAMES = frozenset({"suite", "model", "access", "kind"})
"""Fields that decide no number: what a run is called, and what follows from others."""

_MEASURING = frozenset({"evaluation", "metrics", "precision"})
"""Fields that say what is measured of an unlearned model, on what and how; a method sees none of them."""

_UNSEEN = frozenset({"name", "template", "source"})
"""Parts of a variant's definition of which the same holds."""


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

    @cached_property
    def key(self) -> str:
        """Sixteen hex digits: equal runs have equal keys on every machine, and any difference changes it."""
        parts = {name: value for name, value in stated(self).items() if name not in _NAMES}
        parts["evaluation"] = [stated(item) for item in self.evaluation]
        return _digest(parts)

    @property
    def unlearned_key(self) -> str:
        """Sixteen hex digits: of runs with equal ones the method makes the same model, whatever is measured of it.

        Everything counts but what a method never sees: metrics, precision, evaluation sets, and a variant's name and
        template (methods keep the dataset's own). Of its own dataset it sees which version and partition the
        training images come from, and how the class texts are worded.
        """
        parts = {name: value for name, value in stated(self).items() if name not in _NAMES | _MEASURING}
        parts["variant"] = {name: value for name, value in self.variant.items() if name not in _UNSEEN}
        parts["data"] = [
            [item.version, item.split_name, "" if self.variant.get("template") else item.template]
            for item in self.evaluation
            if item.name == self.dataset
        ]
        return _digest(parts)


def _digest(parts: Mapping[str, object]) -> str:
    text = json.dumps(parts, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stated(item: Run | EvaluationSet) -> dict[str, Any]:
    """The fields with their values, without later ones that are not in use: so older records keep their keys."""
    values = ((name, getattr(item, name)) for name in item.__dataclass_fields__)
    return {name: value for name, value in values if name not in ADDED or value != ADDED[name]}


def completed(data: Mapping[str, Any], kind: type[Run | EvaluationSet]) -> dict[str, Any]:
    """The inverse of `stated`: `data` with the later fields that it leaves out."""
    names = kind.__dataclass_fields__
    return {**{name: value for name, value in ADDED.items() if name in names}, **data}


def different(values: Iterable[Shared]) -> list[Shared]:
    """The objects, each once, in their order: thousands of records share a preset, and say the same of it."""
    return list({id(value): value for value in values}.values())


@dataclass(frozen=True, kw_only=True)
class Record:
    """How one run ended.

    Attributes:
        run: what was run. status: `ok`, `skipped` or `failed`. reason: why not `ok`; empty otherwise.
        measurements: empty unless `ok`.
        preset: where the hyperparameters come from (`source`, and for tuned ones budget, classes, scores).
        provenance: version, commit, packages, device, threads, jobs, time, memory, what the images were, and whether
            it had the machine for itself: contended, cpu_share, others_cpu_share (`referee.conditions`).
    """

    run: Run
    status: Status
    reason: str = ""
    measurements: Sequence[Measurement] = ()
    preset: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> Measured:
        """The measurements as numbers in a row, of a layout that many records share."""
        return self.measurements if isinstance(self.measurements, Measured) else self._measured

    @cached_property
    def _measured(self) -> Measured:
        return Measured.of(self.measurements)

    def find(self, metric: str, *, dataset: str | None = None, group: str | None = None) -> Measurement | None:
        """The first measurement of `metric` (on that dataset, of that group), or None."""
        places = self.measured.layout.find(metric, dataset=dataset, group=group)
        return self.measurements[places[0]] if places else None

    def matching(
        self, metric: str, *, dataset: str | None = None, group: str | None = None
    ) -> tuple[Measurement, ...]:
        """All of them: some metrics have one group on several datasets."""
        places = self.measured.layout.find(metric, dataset=dataset, group=group)
        return tuple(self.measurements[place] for place in places)
