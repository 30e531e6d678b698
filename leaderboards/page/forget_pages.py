"""One forget set, and one dataset: before and after of every method, answers, neighbours, pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_bench.leaderboards.page.columns import NO_NUMBER, Cell
from unlearn_bench.leaderboards.page.extras import Extras
from unlearn_bench.leaderboards.page.heat import share_kept
from unlearn_bench.leaderboards.page.pictures import first_row, small
from unlearn_bench.leaderboards.page.retrieved import Retrieved, retrieved
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.curves import is_curve
from unlearn_bench.leaderboards.statistics.intervals import OTHER, TARGET, ClassKey, Interval
from unlearn_bench.leaderboards.statistics.rows import Board, Pair, Row, Summary, seed_mean
from unlearn_bench.leaderboards.tables.captions import title
from unlearn_bench.leaderboards.tables.predictions import METRIC, named
from unlearn_bench.leaderboards.tables.section import number, short_note, span
from unlearn_bench.metrics.shared.outcomes import unpack

_NEAR = "near/"


@dataclass(frozen=True, kw_only=True)
class MethodLine:
    """One method on a forget set or a dataset.

    Attributes:
        label, access, reference: whose line it is. cells: by column. answers: what images are called after it.
    """

    label: str
    access: str
    reference: bool
    cells: tuple[Cell, ...]
    answers: str = ""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A real test image: its source, whether the original recognises it, and after which methods it still is.

    Attributes:
        still, asked: methods after which it is recognised, and all that were asked.
    """

    source: str
    before: bool
    still: tuple[str, ...]
    asked: int


@dataclass(frozen=True, kw_only=True)
class SetOnBoard:
    """A forget set, or a dataset, on one board.

    Attributes:
        headings: of the lines' cells. before: what images are called before forgetting. synthetic: the source of a
            strip of synthetic images. images: real ones. retrieved: what the words of its classes find.
    """

    title: str
    headings: tuple[str, ...]
    lines: tuple[MethodLine, ...]
    before: str = ""
    synthetic: str = ""
    images: tuple[Shown, ...] = ()
    retrieved: tuple[Retrieved, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ForgetPage:
    """A forget set."""

    key: ClassKey
    name: str
    boards: tuple[SetOnBoard, ...]


@dataclass(frozen=True, kw_only=True)
class DatasetPage:
    """A dataset with its forget sets."""

    name: str
    keys: tuple[ClassKey, ...]
    boards: tuple[SetOnBoard, ...]


def forget_pages(boards: Sequence[Board], extras: Extras) -> tuple[ForgetPage, ...]:
    """A page for each forget set, in the order of the boards."""
    found: dict[ClassKey, list[Board]] = {}
    for board in boards:
        for key in () if is_curve(board) else board.classes:
            found.setdefault(key, []).append(board)
    return tuple(
        ForgetPage(key=key, name=" + ".join(key[1]), boards=tuple(_of_class(board, key, extras) for board in places))
        for key, places in found.items()
    )


def dataset_pages(boards: Sequence[Board]) -> tuple[DatasetPage, ...]:
    """A page for each dataset from which something is forgotten."""
    found: dict[str, list[Board]] = {}
    for board in boards:
        for name in () if is_curve(board) else board.datasets:
            found.setdefault(name, []).append(board)
    return tuple(
        DatasetPage(
            name=name,
            keys=tuple(dict.fromkeys(key for board in places for key in board.classes if key[0] == name)),
            boards=tuple(_of_dataset(board, name) for board in places),
        )
        for name, places in found.items()
    )


def _of_dataset(board: Board, name: str) -> SetOnBoard:
    others = _others(board, name)
    return SetOnBoard(
        title=title(board),
        headings=_headings(others),
        lines=tuple(_line(row, row.datasets[name], others, ()) for row in board.rows),
    )


def _of_class(board: Board, key: ClassKey, extras: Extras) -> SetOnBoard:
    others, near = _others(board, key[0]), _neighbours(board, key)
    lines = tuple(_line(row, row.classes[key], others, _near_cells(row, key, near)) for row in board.rows)
    with_answers = [row for row in board.rows if _told(row, key)]
    answers = {row.label: named(row.by_class[key][0], "after") for row in with_answers}
    sheet = extras.sheets.get((board.run.model, key))
    return SetOnBoard(
        title=title(board),
        headings=(*_headings(others), *(f"near: {name}" for name in near)),
        lines=tuple(
            MethodLine(
                label=line.label,
                access=line.access,
                reference=line.reference,
                cells=line.cells,
                answers=answers.get(line.label, ""),
            )
            for line in lines
        ),
        before=named(with_answers[0].by_class[key][0], "before") if with_answers else "",
        synthetic=first_row(sheet) if sheet else "",
        images=_images(board, key, extras),
        retrieved=retrieved(board, key, extras),
    )


def _told(row: Row, key: ClassKey) -> bool:
    records = row.by_class.get(key, ())
    return bool(records) and records[0].find(METRIC) is not None


def _others(board: Board, own: str) -> tuple[str, ...]:
    return (OTHER, *(item.name for item in board.run.evaluation if not item.control and item.name != own))


def _headings(others: Sequence[str]) -> tuple[str, ...]:
    kept = ("own dataset" if name == OTHER else name for name in others)
    return ("score", "target before", "target after", "forgetting", "retention", *(f"kept: {name}" for name in kept))


def _line(row: Row, summary: Summary, others: Sequence[str], more: Sequence[Cell]) -> MethodLine:
    target = summary.target or Pair(before=None, after=None)
    note = short_note(row, summary)
    return MethodLine(
        label=row.label,
        access=row.run.access,
        reference=row.standing == "reference",
        cells=(
            _cell(summary.score, summary.interval, note=note),
            _cell(target.before),
            _cell(target.after, share=True),
            _cell(summary.forgetting, summary.intervals.get("forgetting"), share=True),
            _cell(summary.retention, summary.intervals.get("retention"), share=True),
            *(_cell(share_kept(summary.others.get(name)), share=True) for name in others),
            *more,
        ),
    )


def _cell(value: float | None, interval: Interval | None = None, *, share: bool = False, note: str = "") -> Cell:
    """A number, with a bar where it is a share."""
    if value is None:
        return Cell(text=NO_NUMBER, said=note)
    said = "; ".join(filter(None, (f"95 % interval {span(interval)}" if interval else "", note)))
    ends = (max(0.0, interval.low), min(1.0, interval.high)) if interval and share else None
    return Cell(text=number(value), value=value if share else None, span=ends, said=said)


def _neighbours(board: Board, key: ClassKey) -> tuple[str, ...]:
    """The kept classes nearest to the forget set, as the metric names them."""
    records = [record for row in board.rows for record in row.by_class.get(key, ())]
    groups = dict.fromkeys(item.group for record in records for item in record.matching("neighbours"))
    return tuple(group.removeprefix(_NEAR) for group in groups if group.startswith(_NEAR))


def _near_cells(row: Row, key: ClassKey, near: Sequence[str]) -> list[Cell]:
    records = row.by_class.get(key, ())
    if not records:
        return [_cell(None) for _ in near]
    pairs = [seed_mean(records, "neighbours", _NEAR + name, None) for name in near]
    return [_cell(share_kept(pair), share=True) for pair in pairs]


def _images(board: Board, key: ClassKey, extras: Extras) -> tuple[Shown, ...]:
    """The examples of a forget set, with what each row's first run did to them."""
    runs = {row: row.by_class[key][0] for row in board.rows if row.by_class.get(key) and row.standing != "reference"}
    found = {row: sides for row, record in runs.items() if (sides := _target_outcomes(record)) is not None}
    shown = []
    for example in extras.examples.get(key, ()):
        known = {row: sides for row, sides in found.items() if example.of == len(sides[0])}
        if known:
            before = next(iter(known.values()))[0][example.place]
            still = tuple(row.label for row, sides in known.items() if sides[1][example.place])
            shown.append(Shown(source=small(example.image), before=bool(before), still=still, asked=len(known)))
    return tuple(shown)


def _target_outcomes(record: Record) -> tuple[list[bool], list[bool]] | None:
    found = record.find("accuracy", dataset=record.run.dataset, group=TARGET)
    if found is None or not found.outcomes:
        return None
    before, after = unpack(found.outcomes, found.n)
    return before.tolist(), after.tolist()
