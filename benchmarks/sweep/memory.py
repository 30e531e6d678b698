"""How much memory workers take: what one held in all, or what it holds to begin with and the most of its cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from unlearn_bench.benchmarks.isolation.measuring import WORKER_MEMORY, counted_memory
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep.estimate import Known
from unlearn_bench.leaderboards.records.record import Record

_MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The most that one of the planned cells takes, above what its worker holds before.

    Attributes:
        mib: None where no row was ever measured. row: whose it is. rehearsed: whether it rests on a rehearsal.
        unknown: rows that were never measured.
    """

    mib: float | None = None
    row: str = ""
    rehearsed: bool = False
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.mib is None:
            return "unknown, no cell was ever measured"
        source = "by a rehearsal with random weights" if self.rehearsed else "by records"
        missing = f"; never measured: {', '.join(self.unknown)}" if self.unknown else ""
        return f"at most {self.mib:.0f} MiB ({self.row}, {source}{missing})"


def peak_of(cells: Sequence[Cell], records: Iterable[Record], known: Mapping[str, Known], *, device: str) -> Peak:
    """Of these cells on a kind of device: what records say of a model's row, else what its rehearsal says."""
    measured: dict[tuple[str, str], float] = {}
    for record in records:
        found = record.find("peak-memory")
        if (
            found is not None
            and found.after is not None
            and record.provenance.get("memory") == counted_memory(device)
        ):
            row = (record.run.model, record.run.label)
            measured[row] = max(measured.get(row, 0.0), found.after)
    best, unknown = Peak(), dict.fromkeys(cell.run.label for cell in cells)
    for cell in cells:
        row, rates = (cell.run.model, cell.run.label), known.get(cell.setting.model, Known()).rates
        rehearsed = row not in measured and rates is not None and cell.run.label in rates.methods
        if row not in measured and not rehearsed:
            continue
        unknown.pop(cell.run.label, None)
        mib = rates.methods[cell.run.label].peak_memory_mib if rehearsed and rates is not None else measured[row]
        if best.mib is None or mib > best.mib:
            best = Peak(mib=mib, row=cell.run.label, rehearsed=rehearsed)
    return Peak(mib=best.mib, row=best.row, rehearsed=best.rehearsed, unknown=tuple(unknown))


def worker_memory(
    cells: Sequence[Cell], records: Iterable[Record], peak: Peak, known: Mapping[str, Known], *, device: str
) -> tuple[float, str]:
    """MiB of main memory that a worker takes, and where the number is from.

    Workers of the same models and suite have said what they and their players held at most; where none has, it is
    twice what a process holds that has opened model and data, as this one unless it is known without: referee and
    player open the model each. The peak of a cell is added if cells run in main memory. Audits take more.
    """
    planned = {(cell.run.suite, cell.run.model) for cell in cells}
    kind = counted_memory(device)
    held = [
        float(record.provenance[WORKER_MEMORY])
        for record in records
        if WORKER_MEMORY in record.provenance
        and (record.run.suite, record.run.model) in planned
        and record.provenance.get("memory") == kind
    ]
    if held:
        return max(held), f"the most of {len(held)} records"
    told = [about.opened_mib for about in known.values()]
    opened = [mib for mib in told if mib is not None]
    whose = "a" if opened and len(opened) == len(told) else "this"
    one = float(max(opened)) if whose == "a" else own_mib()
    base = 2 * one
    held_by = f"what two hold as {whose} process does, referee and player, with model and data open"
    if device.startswith("cuda"):
        return base, f"at least: {held_by}; cells were never measured"
    if peak.mib is None:
        return base, f"at least: {held_by}; for a cell unknown"
    return base + peak.mib, f"at least: {held_by}, {base:.0f} MiB, and for a cell {peak}"


def own_mib() -> float:
    """Main memory of this process, pages of files that others share left out."""
    info = psutil.Process().memory_info()
    return float(info.rss - getattr(info, "shared", 0)) / _MIB
