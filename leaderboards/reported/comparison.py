"""Measured beside reported: which measured number stands for which printed one, and which can't and why."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.reported.configurations import EVALUATION, ORIGINAL, TEMPLATES
from unlearn_bench.leaderboards.reported.paper_rows import Number, View, is_class, mean_numbers, reasons_of, views_of
from unlearn_bench.leaderboards.reported.printed import (
    METHODS,
    Protocol,
    ReportedRetrieval,
    ReportedRow,
    ReportedTables,
)
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.statistics.intervals import Interval, interval

MODELS = ("RN50", "RN50:openai", "RN50-quickgelu", "RN50-quickgelu:openai")
"""The names under which OpenAI's RN50 is opened."""

_LIP = "lip"


@dataclass(frozen=True, kw_only=True)
class ComparedCell:
    """One printed number and the measured one.

    Attributes:
        table: `table1`, `table2` or `table3`. row: its first column. forget_dataset: as printed, empty where the row
            is over all. quantity: the column.
        measured_row: whose number it is. measured, interval: None where `why_not` says why the two can't be compared.
    """

    table: str
    row: str
    forget_dataset: str
    quantity: str
    measured_row: str
    reported: float | None
    measured: float | None
    interval: Interval | None
    why_not: str = ""

    @property
    def difference(self) -> float | None:
        """Measured minus reported."""
        if self.measured is None or self.reported is None:
            return None
        return self.measured - self.reported

    @property
    def holds_reported(self) -> bool | None:
        """Whether the reported number lies in the measured one's interval; None without one."""
        if self.interval is None or self.reported is None:
            return None
        return self.reported in self.interval


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Runs of which no number can stand beside a printed one."""

    what: str
    runs: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of a comparison: every cell of the printed rows that were run, and the runs that fit none."""

    cells: tuple[ComparedCell, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def comparable(self) -> tuple[ComparedCell, ...]:
        """The cells that have both numbers."""
        return tuple(cell for cell in self.cells if not cell.why_not)


def compare_with_reported(records: Iterable[Record], reported: ReportedTables) -> Comparison:
    """Every printed cell whose row was run, with the measured number or the reason why there is none.

    A number is comparable if model, dataset, split, number of test images, evaluation template and forget classes
    are the paper's and all cells of its row are there; scores and retrieval ask that of all four datasets. Hyper-
    parameters may differ: that is what is compared. Ablations are found by what a suite's variant sets. Table 3's
    rows are means over the four forget datasets, its scores means of their scores; its row EvalTemplChange is the
    mean over the three templates. Intervals of accuracies and scores are those of the leaderboards (forget classes
    and test images resampled), those of retrieval are over forget classes alone.

    Raises:
        InputError: two records of one row are about the same cell.
    """
    kept, left_out = _sort_out(list(records), reported)
    views = [view for board in boards(kept) for view in views_of(board.rows, reported)]
    cells: list[ComparedCell] = []
    for view in views:
        if view.configuration == ORIGINAL:
            cells += _table1(view, reported)
            if view.run.method == _LIP:
                cells += _table2(view, reported) + _table3(view, reported)
        elif view.configuration and view.configuration != EVALUATION:
            cells += _table3(view, reported)
    cells += _changed_templates([view for view in views if view.configuration == EVALUATION], reported)
    for view in views:
        if not view.configuration:
            left_out.append(LeftOut(what=view.label, runs=1, why="a configuration that no printed row has"))
    return Comparison(cells=tuple(cells), left_out=tuple(left_out))


def _sort_out(records: Sequence[Record], reported: ReportedTables) -> tuple[list[Record], list[LeftOut]]:
    """The records that may fill a printed cell, and the others counted by what they are and why not."""
    trusted = {record.run.fingerprint for record in records if record.run.model in MODELS}
    protocols = {item.spec: item for item in reported.protocol.values()}
    kept: list[Record] = []
    out: dict[tuple[str, str], int] = {}
    for record in records:
        why = _why_not_run(record.run, protocols, trusted)
        if why:
            what = f"{record.run.model}, suite {record.run.suite}"
            out[what, why] = out.get((what, why), 0) + 1
        else:
            kept.append(record)
    return kept, [LeftOut(what=what, runs=runs, why=why) for (what, why), runs in out.items()]


def _why_not_run(run: Run, protocols: Mapping[str, Protocol], trusted: set[str]) -> str:
    if run.fingerprint not in trusted:
        return "another model: the paper's is CLIP RN50 with OpenAI's weights (RN50:openai)"
    if run.dataset not in protocols:
        return f"another dataset: {run.dataset}; the paper's are {', '.join(protocols)}"
    protocol = protocols[run.dataset]
    if len(run.forget) != 1 or not is_class(run.forget[0], protocol):
        named = " + ".join(run.forget)
        return f"other classes: {named}; the paper's of {protocol.dataset} are {', '.join(protocol.classes)}"
    if run.method not in METHODS.values():
        return f"the paper's tables have no row of {run.method}"
    return ""


def _table1(view: View, reported: ReportedTables) -> list[ComparedCell]:
    cells = []
    for row in reported.table1:
        gap = view.gaps.get(row.forget_dataset, "")
        if METHODS[row.method] == view.run.method and not gap.startswith("incomplete: nothing"):
            why = reasons_of(view, [row.forget_dataset])
            cells += _cells("table1", row, view.label, view.by_dataset.get(row.forget_dataset, {}), why)
    return cells


def _table2(view: View, reported: ReportedTables) -> list[ComparedCell]:
    why = reasons_of(view, list(reported.protocol))
    return [
        cell
        for row in reported.table2
        for cell in _cells("table2", row, view.label, view.retrieval.get(row.kind, {}), why)
    ]


def _table3(view: View, reported: ReportedTables) -> list[ComparedCell]:
    numbers = mean_numbers(list(view.by_dataset.values()))
    why = reasons_of(view, list(reported.protocol))
    rows = [row for row in reported.table3 if row.ablation == view.configuration]
    return [cell for row in rows for cell in _cells("table3", row, view.label, numbers, why)]


def _changed_templates(views: Sequence[View], reported: ReportedTables) -> list[ComparedCell]:
    """Table 3's row over three templates, from one view for each; by suite and model."""
    sweeps: dict[tuple[str, str], list[View]] = {}
    for view in views:
        sweeps.setdefault((view.run.suite, view.run.fingerprint), []).append(view)
    cells = []
    for group in sweeps.values():
        found = sorted({view.run.evaluation[0].template.rstrip(".") for view in group})
        reasons = [reasons_of(view, list(reported.protocol)) for view in group]
        odd = (
            ""
            if len(group) == len(found) == len(TEMPLATES)
            else (f"needs one row for each of {len(TEMPLATES)} templates, found {len(group)} of {len(found)}")
        )

        def why(name: str, odd: str = odd, reasons: Sequence[Callable[[str], str]] = reasons) -> str:
            return odd or next((said for said in (reason(name) for reason in reasons) if said), "")

        numbers = mean_numbers([mean_numbers(list(view.by_dataset.values())) for view in group])
        label = " and ".join(view.label for view in group)
        for row in reported.table3:
            if row.ablation == EVALUATION:
                cells += _cells("table3", row, label, numbers, why)
    return cells


def _cells(
    table: str,
    row: ReportedRow | ReportedRetrieval,
    label: str,
    numbers: Mapping[str, Number],
    why: Callable[[str], str],
) -> list[ComparedCell]:
    cells = []
    for name, printed in row.numbers.items():
        number = numbers.get(name, Number(value=None, draws=None))
        reason = "the source has no number here" if printed is None else why(name)
        if not reason and number.value is None:
            reason = "undefined, or not measured: nothing was right before forgetting, or the metric was left out"
        cells.append(
            ComparedCell(
                table=table,
                row=row.name,
                forget_dataset=row.forget_dataset if isinstance(row, ReportedRow) else "",
                quantity=name,
                measured_row=label,
                reported=printed,
                measured=None if reason else number.value,
                interval=None if reason else interval(number.draws),
                why_not=reason,
            )
        )
    return cells
