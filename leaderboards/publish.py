"""Tables inside other files: put them there, and tell when they no longer say what the records say."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unlearn_bench.cache import atomic_path, make_folder, write_text
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.wide_csv import read_csv, write_csv
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.tables.figure import draw, draw_dark

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_TEXT = re.compile(r"(<text\b[^>]*>)(.*?)(</text>)", re.DOTALL)
_HALF_A_PIXEL = 0.5

BLOCK = "leaderboard"
"""The name of the README's block."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where a published leaderboard is.

    Attributes:
        suite: whose it is. records: the CSV that everything is made from. table: the whole leaderboard, Markdown.
        picture: forgetting against retention, SVG, a point for each method or its curve.
        readme: the file that shows the short form between its markers, if one does.
    """

    suite: str
    records: Path
    table: Path
    picture: Path
    readme: Path | None = None

    @property
    def dark(self) -> Path:
        """The picture for a dark page."""
        return self.picture.with_name(f"{self.picture.stem}-dark{self.picture.suffix}")

    @property
    def pages(self) -> tuple[Path, ...]:
        """What is made from the records."""
        return (self.table, self.picture, self.dark, *(() if self.readme is None else (self.readme,)))


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


def publish(item: Published, records: Sequence[Record] | None = None) -> None:
    """Write the table, the picture, and the README's block if it has one, anew from the records' CSV.

    Args:
        records: what the CSV shall hold from now on; without them it stays as it is.

    Raises:
        InputError: the CSV is broken, a page can't be made of the records, or the README has no markers; then nothing
            is written, and the CSV stays as it is.
    """
    if records is None:
        pages = _expected(item)
    else:
        make_folder(item.records.parent, what="the folder of the table")
        with atomic_path(item.records) as part:  # takes the CSV's place once all pages are made of it
            write_csv(part, records)
            pages = _expected(replace(item, records=part))
    for path, text in pages.items():
        write_text(path, text)


def stale(item: Published) -> tuple[Path, ...]:
    """The files that don't say what the records' CSV says: empty if all do, and while there is no CSV.

    Of a picture, places may differ by half a pixel: another processor may put a label elsewhere by as much. What is
    written in it may not.

    Raises:
        InputError: the CSV is broken, or the README has no markers.
    """
    if not item.records.is_file():  # not published yet: only a page that was left behind is wrong
        return tuple(path for path in (item.table, item.picture, item.dark) if path.exists())
    return tuple(
        path
        for path, text in _expected(item).items()
        if not path.exists() or not _same(_read(path), text, path.suffix)
    )


def _same(found: str, expected: str, suffix: str) -> bool:
    if suffix != ".svg":
        return found == expected
    words = [[match[1] for match in _TEXT.findall(text)] for text in (found, expected)]
    drawn = [_TEXT.sub(r"\1\3", text) for text in (found, expected)]
    parts, numbers = zip(*((_NUMBER.split(text), _NUMBER.findall(text)) for text in drawn), strict=True)
    pairs = zip(*numbers, strict=False)
    near = all(abs(float(mine) - float(theirs)) <= _HALF_A_PIXEL for mine, theirs in pairs)
    return words[0] == words[1] and parts[0] == parts[1] and near


def _expected(item: Published) -> dict[Path, str]:
    from unlearn_bench.leaderboards.brief.overview import document  # noqa: PLC0415  (pandas takes its time)
    from unlearn_bench.leaderboards.brief.readme import Links, short_form  # noqa: PLC0415

    records: Sequence[Record] = read_csv(item.records)
    found = boards(records)
    expected = {
        item.table: document(records),
        item.picture: draw(found, fmt="svg").decode("utf-8"),
        item.dark: draw_dark(found),
    }
    if item.readme is not None:
        light, dark, table = (_seen_from(item.readme, path) for path in (item.picture, item.dark, item.table))
        text = short_form(records, Links(light=light, dark=dark, table=table))
        expected[item.readme] = replace_between(_read(item.readme), BLOCK, text)
    return expected


def _seen_from(file: Path, path: Path) -> str:
    """The link from a file to a path."""
    return Path(os.path.relpath(path, file.parent)).as_posix()


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
