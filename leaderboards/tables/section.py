"""A part of a leaderboard page, and how numbers and rows are written in it."""

from dataclasses import dataclass

from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.rows import Pair, Row


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, paragraphs under it, and perhaps a table.

    Attributes:
        level: of the heading, 1 the highest. headers, rows: of the table; no headers, no table.
        words: how many of the first columns hold words; the others hold numbers and go to the right.
        pictures: names and PNGs, shown on an HTML page only. drawing: an SVG element, likewise.
    """

    title: str
    level: int
    paragraphs: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    words: int = 1
    pictures: tuple[tuple[str, bytes], ...] = ()
    drawing: str = ""


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
