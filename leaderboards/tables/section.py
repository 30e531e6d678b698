"""A part of a leaderboard page, and how numbers and rows are written in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from unlearn_bench.leaderboards.records.record import Record, different
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.statistics.rows import Pair, Row, Summary


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, paragraphs under it, and perhaps a table.

    Attributes:
        level: of the heading, 1 the highest. headers, rows: of the table; no headers, no table.
        words: how many of the first columns hold words; the others hold numbers and go to the right.
    """

    title: str
    level: int
    paragraphs: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    words: int = 1


def number(value: float | None) -> str:
    """Three decimals; nothing where there is no value.

    >>> number(0.0625), number(-1e-9), number(None)
    ('0.062', '0.000', '')
    """
    text = "" if value is None else f"{value:.3f}"
    return "0.000" if text == "-0.000" else text


def span(found: Interval | None) -> str:
    """An interval as `low to high`."""
    return f"{number(found.low)} to {number(found.high)}" if found else ""


def label(row: Row) -> tuple[str, str]:
    """A row's method, marked if it is a reference, and its access."""
    return (f"{row.label} (reference)" if row.standing == "reference" else row.label), row.run.access


def both(name: str) -> tuple[str, str]:
    return f"{name} BF", f"{name} AF"


def sides(pair: Pair | None) -> tuple[str, str]:
    return ("", "") if pair is None else (number(pair.before), number(pair.after))


def short_note(row: Row, summary: Summary) -> str:
    """Why the row has no rank, and whether it did not forget."""
    return joined(UNRANKED.get(row.standing, ""), "did not forget" if summary.did_not_forget else "")


def full_note(row: Row, summary: Summary) -> str:
    """The same, and whether tuning found anything."""
    return joined(short_note(row, summary), not_found(row.records))


def not_found(records: Iterable[Record]) -> str:
    """What is said of a method of which no trial forgot without more harm than good; else nothing.

    All records say it or none does: where their presets differ, or don't tell, nothing is said.
    """
    presets = different(record.preset for record in records)
    if not presets or any(preset.get("found", True) for preset in presets):
        return ""
    said = {_not_found(preset) for preset in presets}
    return said.pop() if len(said) == 1 else ""


def two_decimals(value: float) -> str:
    """A share in a sentence.

    >>> two_decimals(0.812), two_decimals(-0.05), two_decimals(1.0), two_decimals(-0.001)
    ('.81', '-.05', '1.00', '.00')
    """
    text = f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"
    return text.removeprefix("-") if text == "-.00" else text


def joined(*said: str) -> str:
    return "; ".join(filter(None, said))


def _not_found(preset: Mapping[str, object]) -> str:
    trials, best = preset.get("trials", preset.get("budget")), preset.get("best_that_forgot")
    what = f"no setting{f' of {trials}' if isinstance(trials, int) else ''} forgot without more harm than good"
    if not isinstance(best, Mapping):
        return what
    numbers = [(name, best.get(name)) for name in ("forgetting", "retention")]
    shown = [f"{name} {two_decimals(value)}" for name, value in numbers if isinstance(value, int | float)]
    return f"{what}; the best that forgot: {', '.join(shown)} on the tuning classes" if len(shown) == 2 else what
