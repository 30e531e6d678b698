"""What forgetting took, and how much of the model it moved."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from unlearn_bench.metrics.base import Evidence, Measurement, Metric

_MIB = 2**20


class Seconds(Metric):
    """Wall time of a run, by part: `method`, `synthesis` and `evaluation`, each without the others.

    A run whose metrics need further evidence has a fourth part, `audit`: making that evidence and measuring on it.
    What is computed once for the original model is in the time of the run that came first.

    Only runs on one device with the same jobs and threads compare, and a loaded machine counts its load.

    Unit: s. Direction: lower is better. Bounds: at least 0. No value before forgetting; one of the
    first three parts that was not timed is None with n = 0.

    Source: none; the clock of the referee.
    Departures: none.
    """

    name = "seconds"
    version = 1
    unit = "s"
    direction = "lower"
    bounds = (0.0, None)
    needs_classes = False

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """One number for each of the three parts, and for the audits where there were any."""
        timed = evidence.cost.seconds
        parts = ("method", "synthesis", "evaluation", *(("audit",) if "audit" in timed else ()))
        return tuple(self.say(before=None, after=timed.get(part), n=int(part in timed), group=part) for part in parts)


class PeakMemory(Metric):
    """The most memory that the run held above what was held before it: of the device, or of the process on a CPU.

    The original model and its copy are there before. Synthetic images that the run makes count. Only numbers that
    were counted in the same way compare; the record says which (`memory` in its provenance).

    Unit: MiB (2^20 bytes). Direction: lower is better. Bounds: at least 0. No value before forgetting.

    Source: none; what the allocator or, every 5 ms, the system says.
    Departures: none.
    """

    name = "peak-memory"
    version = 1
    unit = "MiB"
    direction = "lower"
    bounds = (0.0, None)
    needs_classes = False

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """One number."""
        return (self.say(before=None, after=evidence.cost.peak_memory_bytes / _MIB, n=1, group="all"),)


class ShareChanged(Metric):
    """Share of the trainable parameters whose value differs after forgetting.

        all     = #{i : after_i != before_i} / #{i}        over the scalars of all trainable tensors
        tensors = #{t : after_t != before_t} / #{t}        over the trainable tensors; one scalar suffices

    Buffers count in neither. `n` is the number of scalars or tensors.

    Unit: fraction, in [0, 1]. Direction: neither (a small change may do harm). No value before forgetting;
    None for a model without trainable tensors.

    Source: none; the plain count.
    Departures: none.
    """

    name = "share-changed"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    needs_classes = False

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`all`, then `tensors`."""
        counts = [
            (0 if torch.equal(before, after) else int((before != after).sum()), before.numel())
            for before, after in _moved(evidence)
        ]
        scalars = sum(size for _, size in counts)
        changed = sum(moved for moved, _ in counts)
        touched = sum(moved > 0 for moved, _ in counts)
        return (
            self.say(before=None, after=_share(changed, scalars), n=scalars, group="all"),
            self.say(before=None, after=_share(touched, len(counts)), n=len(counts), group="tensors"),
        )


class RelativeChange(Metric):
    """Length of the change of the trainable parameters against their own length.

        || after - before ||_2 / || before ||_2            all trainable tensors as one vector, in float64

    Unit: ratio. Direction: neither. Bounds: at least 0. `n` is the number of scalars. No value before
    forgetting; None where the parameters were all 0, or there are none.

    Source: none; the plain ratio.
    Departures: none.
    """

    name = "relative-change"
    version = 1
    unit = "ratio"
    direction = "neither"
    bounds = (0.0, None)
    needs_classes = False

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """One number."""

        def squares() -> Tensor:
            total = sum(_squares(evidence.original[name]) for name in evidence.trainable)
            return torch.tensor(total, dtype=torch.float64)

        change, scalars = 0.0, 0
        for before, after in _moved(evidence):
            scalars += before.numel()
            if not torch.equal(before, after):  # most of a large table may be as it was
                change += float((after.double() - before.double()).square().sum())
        length = float(evidence.once(f"{self.name} {self.version}", squares))
        ratio = math.sqrt(change) / math.sqrt(length) if length > 0 else None
        return (self.say(before=None, after=ratio, n=scalars, group="all"),)


def _squares(values: Tensor) -> float:
    """Sum of squares, added in float64 without a copy in it."""
    return float(torch.linalg.vector_norm(values, dtype=torch.float64)) ** 2


def _moved(evidence: Evidence) -> Iterator[tuple[Tensor, Tensor]]:
    """Each trainable tensor before and after, on one device."""
    for name in evidence.trainable:
        before = evidence.original[name]
        yield before, torch.as_tensor(evidence.unlearned[name], device=before.device)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
