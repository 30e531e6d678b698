"""All that is known of one method: what it does, its settings, each forget set, each run, its costs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_bench.leaderboards.brief.finality import found_by
from unlearn_bench.leaderboards.page import charts
from unlearn_bench.leaderboards.page.columns import ACCESS, NO_NUMBER, standing_in_words
from unlearn_bench.leaderboards.page.extras import Extras
from unlearn_bench.leaderboards.page.heat import HeatMap, class_by_class
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.curves import is_curve
from unlearn_bench.leaderboards.statistics.intervals import OTHER, TARGET
from unlearn_bench.leaderboards.statistics.rows import Board, Recovery, Row, Summary
from unlearn_bench.leaderboards.tables import costs
from unlearn_bench.leaderboards.tables.captions import UNTUNED_SOURCES, title
from unlearn_bench.leaderboards.tables.section import full_note, number, span
from unlearn_bench.registry import Entry, catalogue

_SOURCE = re.compile(r"\n\s*Sources?:\s*(.+?)(?:\n\s*\n|\n\s*Departures|\Z)", re.DOTALL)
_ADDRESS = re.compile(r"https?://[^\s,;)]+")


Costs = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Headings and lines of a board's table of costs."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A name and what it is."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class OnBoard:
    """A method on one board.

    Attributes:
        result: its numbers. settings: hyperparameters. how: how they were found. cost: what it took.
        heat: class by class. trials, history: charts. of: what the history is of. cells: headings and lines of every
            run, for whoever unfolds them.
    """

    title: str
    result: tuple[Fact, ...]
    settings: tuple[Fact, ...]
    how: str
    cost: tuple[Fact, ...]
    heat: HeatMap
    trials: charts.Chart | None
    history: charts.Chart | None
    of: str
    cells: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class MethodPage:
    """A method: `what` it does in two sentences, where it is from, what it may see, and its boards."""

    label: str
    what: str
    source: str
    address: str
    access: str
    access_words: str
    standing: str
    boards: tuple[OnBoard, ...]


def method_pages(boards: Sequence[Board], extras: Extras) -> tuple[MethodPage, ...]:
    """A page for each name in the boards' rows, in the order in which they stand there."""
    found: dict[str, list[tuple[Board, Row]]] = {}
    for board in boards:
        for row in () if is_curve(board) else board.rows:
            found.setdefault(row.label, []).append((board, row))
    known, spent = catalogue("methods"), {id(board): costs.table(board) for board in boards}
    return tuple(
        _page(
            label,
            known.get(places[0][1].run.method) if places[0][1].run.method_file is None else None,
            tuple(_on_board(board, row, spent[id(board)], extras) for board, row in places),
            places[0][1],
        )
        for label, places in found.items()
    )


def _page(label: str, entry: Entry | None, boards: tuple[OnBoard, ...], row: Row) -> MethodPage:
    source = _source(entry)
    address = _ADDRESS.search(source)
    return MethodPage(
        label=label,
        what=_what(entry) or "A method from outside this package.",
        source=re.sub(r"\s*,[\s,]*", ", ", _ADDRESS.sub("", source)).strip(" ,;."),
        address=address[0].rstrip(".") if address else "",
        access=row.run.access,
        access_words=ACCESS.get(row.run.access, ""),
        standing=standing_in_words(row.standing),
        boards=boards,
    )


def _what(entry: Entry | None) -> str:
    """The first sentences of its file and of its class."""
    return "" if entry is None else " ".join(filter(None, (entry.idea, entry.summary)))


def _source(entry: Entry | None) -> str:
    if entry is None:
        return ""
    found = _SOURCE.search(entry.about)
    return " ".join(found[1].split()) if found else str(entry.facts.get("reference", ""))


def _on_board(board: Board, row: Row, spent: Costs, extras: Extras) -> OnBoard:
    headers, lines = spent
    cost = next((line for line in lines if line[0] == row.label), ())
    done = [record for record in row.records if record.status == "ok"]
    shown = next((record for record in done if extras.histories.get(record.run.key)), None)
    steps = extras.histories.get(shown.run.key, ()) if shown else ()
    return OnBoard(
        title=title(board),
        result=tuple(_result(row)),
        settings=tuple(Fact(name=name, text=_value(value)) for name, value in row.run.hyperparameters.items()),
        how=how_found(row.records[0]),
        cost=tuple(
            Fact(name=name, text=text) for name, text in zip(headers[2:], cost[2:], strict=False) if text
        ),
        heat=class_by_class(board, row),
        trials=charts.trials(extras.trials.get((row.run.model, row.run.label), ())),
        history=charts.history(steps),
        of=f"{' + '.join(shown.run.forget)}, seed {shown.run.seed}" if shown else "",
        cells=(_CELL_HEADINGS, *(_cell(record) for record in row.records)),
    )  # fmt: skip


def _result(row: Row) -> list[Fact]:
    summary = row.overall
    names = (("Score", "score"), ("Forgetting", "forgetting"), ("Retention", "retention"), ("H", "harmonic"))
    found = [Fact(name="Rank", text=NO_NUMBER if row.place is None else str(row.place))]
    found += [Fact(name=name, text=_with_interval(summary, quantity)) for name, quantity in names]
    audited = number(row.irreversibility) if row.audits else ""
    note = full_note(row, summary)
    if row.recovery is not None:
        found += [Fact(name="Worst known recovery", text=_recovered(row.recovery))]
    found += [Fact(name="Irreversibility", text=audited or NO_NUMBER)]
    return [*found, *([Fact(name="Note", text=note)] if note else [])]


def _recovered(found: Recovery) -> str:
    if found.share is None:
        return NO_NUMBER
    said = f"{number(found.share)} ({span(found.interval)})" if found.interval else number(found.share)
    return f"{said}, {found_by(found)}"


def _with_interval(summary: Summary, quantity: str) -> str:
    value = getattr(summary, quantity)
    interval = summary.intervals.get(quantity)  # type: ignore[call-overload]
    if value is None:
        return NO_NUMBER
    return f"{number(value)} ({span(interval)})" if interval else number(value)


def _value(value: object) -> str:
    """A hyperparameter as text: lists by their items."""
    if value is None or value in ((), []):
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def how_found(record: Record) -> str:
    """Where a record's settings come from, in a sentence or two."""
    preset = record.preset
    source = str(preset.get("source", "default"))
    if not record.run.hyperparameters:
        return "It has no settings."
    if source != "tuned":
        return f"{UNTUNED_SOURCES.get(source, source).capitalize()}."
    trials, classes = preset.get("trials", preset.get("budget")), preset.get("classes", ())
    many = f" with {trials} trials" if isinstance(trials, int) else ""
    on = (
        f" on {len(classes)} classes that are not reported here"
        if isinstance(classes, list | tuple) and classes
        else ""
    )
    best = [(name, preset.get(name)) for name in ("forgetting", "retention", "score")]
    known = [f"{name} {value:.3f}" for name, value in best if isinstance(value, int | float)]
    return f"Tuned{many}{on}" + (f"; there it reached {', '.join(known)}." if known else ".")


_CELL_HEADINGS = (
    "dataset", "forget set", "seed", "status", "target before", "target after", "kept before", "kept after", "score",
    "seconds",
)  # fmt: skip


def _cell(record: Record) -> tuple[str, ...]:
    run = record.run
    target = record.find("accuracy", dataset=run.dataset, group=TARGET)
    other = record.find("accuracy", dataset=run.dataset, group=OTHER)
    score, seconds = record.find("average-score"), record.find("seconds", group="method")
    return (
        run.dataset,
        " + ".join(run.forget),
        str(run.seed),
        record.status if record.status == "ok" else f"{record.status}: {record.reason}",
        number(target.before if target else None),
        number(target.after if target else None),
        number(other.before if other else None),
        number(other.after if other else None),
        number(score.after if score else None),
        f"{seconds.after:.2f}" if seconds and seconds.after is not None else "",
    )
