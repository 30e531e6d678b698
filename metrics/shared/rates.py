"""How often the target and the other classes are recognised, as attacks say it."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, target_and_other
from unlearn_bench.metrics.shared.outcomes import pack


def rates(
    metric: Metric, evidence: Evidence, labels: Tensor, right: Sequence[Tensor | None], *, part: str = ""
) -> Iterator[Measurement]:
    """`target`, the mean over forget classes of their recalls, and `other`, the rate of all other images.

    The target's measurement says what each of its images came to, so that tables can resample them.

    Args:
        labels: (N,) int64, of the images of the own dataset that were shown.
        right: before and after, for each image whether it was recognised, (N,) bool; None where that is undefined.
        part: what stands before the groups' names.
    """
    target = belongs(labels, evidence.forget)
    sides = [target_and_other(side, labels, evidence.forget) for side in right]
    for group, rows in (("target", target), ("other", ~target)):
        before, after = (side[group] for side in sides)
        yield metric.say(
            before=before,
            after=after,
            n=int(rows.sum()),
            dataset=evidence.dataset,
            group=f"{part}{group}",
            outcomes=told(right, rows) if group == "target" and None not in (before, after) else "",
        )


def told(right: Sequence[Tensor | None], rows: Tensor) -> str:
    """What each of these images (N,) bool came to, before and after, packed; empty where a side is undefined."""
    before, after = right
    if before is None or after is None:
        return ""
    return pack(before[rows].cpu().numpy(), after[rows].cpu().numpy())
