"""How long a sweep will take, from what its cells took before."""

from collections.abc import Iterable, Sequence
from statistics import median

from unlearn_bench.benchmarks.plan import Cell
from unlearn_bench.leaderboards.records import Record


def seconds_per_method(records: Iterable[Record]) -> dict[tuple[str, str], float]:
    """Median seconds of a cell by (model, method): the method's own and evaluation; synthesis is shared."""
    seen: dict[tuple[str, str], list[float]] = {}
    for record in records:
        parts = [record.find("seconds", group=group) for group in ("method", "evaluation")]
        if record.status == "ok" and all(part is not None and part.after is not None for part in parts):
            total = sum(part.after for part in parts if part is not None and part.after is not None)
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


def estimate(cells: Sequence[Cell], records: Sequence[Record], *, jobs: int) -> float | None:
    """Wall seconds for `cells` with `jobs` at a time; None where a method was never measured on its model.

    A lower bound in spirit: start-up and the first decoding of images are not in it.
    """
    per_method, per_class = seconds_per_method(records), seconds_per_synthesis(records)
    total = 0.0
    for cell in cells:
        pair = (cell.run.model, cell.run.label)
        if pair not in per_method:
            return None
        total += per_method[pair]
    classes = {(c.run.model, c.run.dataset, name, c.run.seed) for c in cells for name in c.run.forget}
    total += sum(per_class.get(model, 0.0) for model, *_ in classes)
    return total / jobs
