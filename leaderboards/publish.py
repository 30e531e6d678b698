"""Tables inside other files: put them there, and tell when they no longer say what the records say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unlearn_bench.cache import write_text
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records import Record
from unlearn_bench.leaderboards.wide_csv import read_csv

BLOCK = "leaderboard"
"""The name of the README's block."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where a published leaderboard is.

    Attributes:
        suite: whose it is. records: the CSV that everything is made from. table: the whole leaderboard, Markdown.
        readme: the file that shows the short form between its markers, if one does.
    """

    suite: str
    records: Path
    table: Path
    readme: Path | None = None

    @property
    def pages(self) -> tuple[Path, ...]:
        """What is made from the records."""
        return (self.table,) if self.readme is None else (self.table, self.readme)


def markers(name: str) -> tuple[str, str]:
    """The two comments between which a block stands.

    >>> markers("leaderboard")
    ('<!-- leaderboard:begin -->', '<!-- leaderboard:end -->')
    """
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def block(text: str, name: str = BLOCK) -> str:
    """What stands between the markers of `name`, without blank lines around it; errors as `replace_between`."""
    begin, end = _places(text, name)
    return text[begin:end].strip("\n")


def replace_between(text: str, name: str, content: str) -> str:
    """`text` with `content` between the markers of `name`, a blank line around it; the rest stays as it is.

    Raises:
        InputError: a marker is not there, is there twice, or they are in the wrong order.
    """
    begin, end = _places(text, name)
    inner = content.strip("\n")
    return f"{text[:begin]}\n\n{inner}\n\n{text[end:]}"


def publish(item: Published) -> None:
    """Write the table, and the README's block if it has one, anew from the records' CSV.

    Raises:
        InputError: the CSV is broken, or the README has no markers; then nothing is written.
    """
    for path, text in _expected(item).items():
        write_text(path, text)


def stale(item: Published) -> tuple[Path, ...]:
    """The files that don't say what the records' CSV says: empty if all do.

    Raises:
        InputError: the CSV is broken, or the README has no markers.
    """
    return tuple(path for path, text in _expected(item).items() if not path.exists() or _read(path) != text)


def _expected(item: Published) -> dict[Path, str]:
    from unlearn_bench.leaderboards.render import render  # noqa: PLC0415  (pandas takes its time)

    records: Sequence[Record] = read_csv(item.records)
    expected = {item.table: render(records, fmt="md")}
    if item.readme is not None:
        expected[item.readme] = replace_between(_read(item.readme), BLOCK, render(records, fmt="md", short=True))
    return expected


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{str(path)!r} can't be read ({error.strerror}); give the file to publish in") from error


def _places(text: str, name: str) -> tuple[int, int]:
    begin, end = markers(name)
    for marker in (begin, end):
        if text.count(marker) != 1:
            raise InputError(
                f"the marker {marker!r} must be there once, found {text.count(marker)} times; mend the text"
            )
    first, last = text.index(begin) + len(begin), text.index(end)
    if last < first:
        raise InputError(f"the marker {end!r} stands before {begin!r}; swap them")
    return first, last
