"""How long a sweep will take, from what its cells took before, or from a rehearsal."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep.rates import Rates, Sizes
from unlearn_bench.leaderboards.records.record import Record

PLANNED_STEPS = 500
"""Ascent steps of a synthetic image where none was ever made with the model: a guess, and the only one here. The
settings of the paper allow 3000 a try; what real weights need is in the records of the first cells."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one model's cells.

    Attributes:
        rates: of its architecture on this device, if it was rehearsed.
        sizes: of the evaluated datasets by name.
        audits: seconds of audits in a cell by the dataset of its forget set, where no record has them.
        opened_mib: main memory of a process that has opened it and its data; None: as this process, which has.
    """

    rates: Rates | None = None
    sizes: Mapping[str, Sizes] = field(default_factory=dict)
    audits: Mapping[str, float] = field(default_factory=dict)
    opened_mib: int | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds of all cells, before they are shared among workers.

    Attributes:
        cells: unlearning, evaluation and audits. synthesis: making synthetic images, once for each class and seed.
        rehearsed: whether any of it rests on a rehearsal with random weights.
        unknown: rows of which nothing is known; where there are any, the seconds are of the others.
    """

    cells: float = 0.0
    synthesis: float = 0.0
    rehearsed: bool = False
    unknown: tuple[str, ...] = ()

    def say(self, jobs: int) -> str:
        """The estimate in words, with `jobs` cells at a time."""
        if self.unknown:
            return f"no estimate: {', '.join(self.unknown)} never measured here"
        total = (self.cells + self.synthesis) / jobs
        text = f"about {duration(total)} ({duration(self.synthesis / jobs)} of it for synthetic images)"
        return f"{text}, by a rehearsal with random weights" if self.rehearsed else text


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(4.2), duration(130), duration(5400)
    ('4 s', '130 s', '90 min')
    """
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"


def seconds_per_method(
    records: Iterable[Record], parts: Sequence[str] = ("method", "evaluation")
) -> dict[tuple[str, str], float]:
    """Median seconds of a cell by (model, method), in these parts; synthesis is shared."""
    seen: dict[tuple[str, str], list[float]] = {}
    for record in records:
        found = [record.find("seconds", group=group) for group in parts]
        if record.status == "ok" and all(part is not None and part.after is not None for part in found):
            total = sum(part.after for part in found if part is not None and part.after is not None)
            seen.setdefault((record.run.model, record.run.label), []).append(total)
    return {pair: median(values) for pair, values in seen.items()}


def seconds_per_synthesis(records: Iterable[Record]) -> dict[str, float]:
    """Median seconds of making one class's synthetic images, by model."""
    seen: dict[str, list[float]] = {}
    for record in records:
        part = record.find("seconds", group="synthesis")
        if part is not None and part.after:
            seen.setdefault(record.run.model, []).append(part.after / len(record.run.forget))
    return {model: median(values) for model, values in seen.items()}


def seconds_per_audit(records: Iterable[Record]) -> dict[tuple[str, frozenset[str]], float]:
    """Median seconds of a cell's audits by model and metrics."""
    seen: dict[tuple[str, frozenset[str]], list[float]] = {}
    for record in records:
        part = record.find("seconds", group="audit")
        if part is not None and part.after is not None:
            seen.setdefault((record.run.model, frozenset(record.run.metrics)), []).append(part.after)
    return {pair: median(values) for pair, values in seen.items()}


def estimate(
    cells: Sequence[Cell],
    records: Sequence[Record],
    known: Mapping[str, Known],
    *,
    measured: Collection[str] = (),
) -> Estimate:
    """What `cells` will take, from `records` where they have a model's method, else from what is `known` by spec.

    A lower bound in spirit: start-up and the first decoding of images are not in it. Cells whose keys are in
    `measured` are evaluated only, since their unlearned models are kept.
    """
    per_method, per_class = seconds_per_method(records), seconds_per_synthesis(records)
    per_evaluation = seconds_per_method(records, ("evaluation",))
    per_audit = seconds_per_audit(records)
    total, rehearsed = 0.0, False
    unknown: dict[str, None] = {}
    for cell in cells:
        run, about = cell.run, known.get(cell.setting.model, Known())
        total += per_audit.get((run.model, frozenset(run.metrics)), about.audits.get(run.dataset, 0.0))
        if run.key in measured:
            total += per_evaluation.get((run.model, run.label), 0.0)
        elif (run.model, run.label) in per_method:
            total += per_method[run.model, run.label]
        elif about.rates is not None and run.label in about.rates.methods:
            total += about.rates.method_seconds(run, about.sizes[run.dataset])
            total += about.rates.evaluation_seconds(run, about.sizes)
            rehearsed = True
        else:
            unknown[run.label] = None
    made = [cell for cell in cells if cell.run.key not in measured]
    images = {(c.run.fingerprint, c.run.dataset, name, c.run.seed): c for c in made for name in c.run.forget}
    synthesis = 0.0
    for cell in images.values():
        rates = known.get(cell.setting.model, Known()).rates
        if cell.run.model in per_class:
            synthesis += per_class[cell.run.model]
        elif rates is not None:
            steps = min(PLANNED_STEPS, int(cell.run.synthesis["max_steps"]))
            synthesis += rates.ascent_seconds * steps * int(cell.run.synthesis["images_per_class"])
            rehearsed = True
    return Estimate(cells=total, synthesis=synthesis, rehearsed=rehearsed, unknown=tuple(unknown))
