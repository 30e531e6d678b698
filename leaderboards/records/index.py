"""Records of a folder, read once: an index beside them that says what each file says, as long as it is that file.

It is a database of SQLite. Numbers lie in it as they do in memory, and what many records have in common is there
once, so that a hundred thousand records are read in seconds. It is never needed: one that is missing, damaged, of
another version, or that can't be written costs time and nothing else; and a record whose file changed is read from
the file.
"""

import dataclasses
import hashlib
import json
import sqlite3
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from unlearn_bench.documents import parse_json
from unlearn_bench.leaderboards.records.encoding import compact, declared, read_run
from unlearn_bench.leaderboards.records.layout import Measured, layout_of
from unlearn_bench.leaderboards.records.record import EvaluationSet, Record, Run, stated

INDEX = ".records.sqlite"
"""In the folder of the records."""

FEWEST = 500
"""Records that are not in the index, from which it pays to write them there."""

_AT_ONCE = 2000
"""Records that are noted in one go."""

_FORMAT = 1
_SHARED_FIELDS = ("evaluation", "metrics", "synthesis", "variant", "hyperparameters")
_TABLES = """
CREATE TABLE shared (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, sum INTEGER);
CREATE TABLE records (
    name TEXT PRIMARY KEY, size INTEGER, changed INTEGER, key TEXT, seed INTEGER, status TEXT, reason TEXT,
    run INTEGER, preset INTEGER, provenance INTEGER, layout INTEGER, numbers BLOB, outcomes BLOB, sum INTEGER
) WITHOUT ROWID;
"""
_COLUMNS = "name, size, changed, key, seed, status, reason, run, preset, provenance, layout, numbers, outcomes, sum"

File = tuple[str, int, int]
"""Name, size, and time of the last change in nanoseconds."""


class _DamagedError(ValueError):
    """The index says what it did not say when it was written."""


def known(cells: Path, files: Sequence[File]) -> dict[str, Record]:
    """By name, the records of those files that are as the index knows them."""
    try:
        with closing(_opened(cells)) as database:
            if _version(database) != _current():
                return {}
            return dict(_read(database, {name: (size, changed) for name, size, changed in files}))
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError):
        return {}


Other = TypeVar("Other")


def learning(
    cells: Path, files: Sequence[File], read: Callable[[Path], Record | Other], *, keep: Sequence[str]
) -> Iterator[Record | Other]:
    """What `read` finds in each of these files; the records are noted, so that no more than some are held at once.

    Args:
        keep: names of all record files; of others the index forgets what it says.
    """
    fresh: list[tuple[File, Record]] = []
    for file in files:
        found = read(cells / file[0])
        if isinstance(found, Record):
            fresh.append((file, found))
        if len(fresh) >= _AT_ONCE:
            learn(cells, fresh)
            fresh = []
        yield found
    learn(cells, fresh, keep)


def learn(cells: Path, fresh: Iterable[tuple[File, Record]], names: Sequence[str] | None = None) -> None:
    """Note what was read from files, and forget those that are none of `names`, if these are given."""
    with suppress(OSError, ValueError):
        try:
            _learn(cells, fresh, names)
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):  # it is no database, or no sound one
                (cells / INDEX).unlink(missing_ok=True)


def _learn(cells: Path, fresh: Iterable[tuple[File, Record]], names: Sequence[str] | None) -> None:
    with closing(sqlite3.connect(cells / INDEX, timeout=5)) as database, database:
        if _version(database) != _current():
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                database.execute(f'DROP TABLE "{table}"')
            database.executescript(_TABLES)
            database.execute(f"PRAGMA user_version = {_current()}")
        shared = _Shared(database=database)
        rows = (_row(file, record, shared.number) for file, record in fresh)
        database.executemany(f"INSERT OR REPLACE INTO records ({_COLUMNS}) VALUES ({', '.join('?' * 14)})", rows)
        if names is None:
            return
        gone = {name for (name,) in database.execute("SELECT name FROM records")} - set(names)
        database.executemany("DELETE FROM records WHERE name = ?", ((name,) for name in gone))


def _opened(cells: Path) -> sqlite3.Connection:
    if not (cells / INDEX).is_file():
        raise FileNotFoundError(cells / INDEX)
    return sqlite3.connect(f"file:{_quoted(cells / INDEX)}?mode=ro", uri=True, timeout=5)


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _current() -> int:
    """A number of 31 bits for the format, and for the bounds within which numbers were when they were read."""
    text = json.dumps([_FORMAT, sorted(declared().items())])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(kw_only=True)
class _Shared:
    """Texts that many records have in common, by number."""

    database: sqlite3.Connection
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, value: object) -> int:
        text = compact(value)
        if text not in self.numbers:
            row = (text, zlib.crc32(text.encode()))
            self.database.execute("INSERT OR IGNORE INTO shared (text, sum) VALUES (?, ?)", row)
            found = self.database.execute("SELECT id FROM shared WHERE text = ?", (text,)).fetchone()
            self.numbers[text] = int(found[0])
        return self.numbers[text]


def _row(file: File, record: Record, number: Callable[[object], int]) -> tuple[object, ...]:
    run, measured = record.run, record.measured
    said = {**stated(run), "evaluation": [stated(item) for item in run.evaluation]}
    same = {name: value for name, value in said.items() if name != "seed"}
    numbers = measured.before.tobytes() + measured.after.tobytes()
    places = (number(same), number(record.preset), number(record.provenance), number(measured.layout.quantities))
    row = (*file, run.key, run.seed, record.status, record.reason, *places, numbers, measured.packed)
    return (*row, _sum(row))


def _sum(row: Sequence[object]) -> int:
    *words, numbers, outcomes = row
    found = zlib.crc32(repr(words).encode(errors="surrogatepass"))
    return zlib.crc32(outcomes, zlib.crc32(numbers, found))  # type: ignore[arg-type]


def _read(database: sqlite3.Connection, files: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, Record]]:
    shared = database.execute("SELECT id, text, sum FROM shared").fetchall()
    if any(zlib.crc32(text.encode()) != found for _, text, found in shared):
        raise _DamagedError("a text that records share")
    made = _Made(texts={number: text for number, text, _ in shared})
    for row in database.execute(f"SELECT {_COLUMNS} FROM records"):
        name, size, changed, key, seed, status, reason, *places, numbers, outcomes, found = row
        if files.get(name) != (size, changed):
            continue
        if _sum(row[:-1]) != found:
            raise _DamagedError(f"what it says of {name!r}")
        run, preset, provenance, layout = places
        both = array("d", numbers)
        half = len(both) // 2
        yield (
            name,
            Record(
                run=made.run(run, seed, key),
                status=status,
                reason=reason,
                measurements=Measured(made.layout(layout), both[:half], both[half:], outcomes),
                preset=made.mapping(preset),
                provenance=made.mapping(provenance),
            ),
        )


@dataclass(kw_only=True)
class _Made:
    """What shared texts say, each read once: records that share a text share an object."""

    texts: Mapping[int, str]
    objects: dict[tuple[str, int], Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)

    def run(self, number: int, seed: int, key: str) -> Run:
        """The run of that text with a seed, whose key is known."""
        base: Run | None = self.objects.get(("run", number))
        if base is None:
            base = read_run({**parse_json(self.texts[number]), "seed": 0})
            same = {name: self._part(getattr(base, name)) for name in _SHARED_FIELDS}
            base = self.objects["run", number] = dataclasses.replace(base, **same)
        run = object.__new__(Run)  # as `replace` and reading its key would have it, in a tenth of the time
        run.__dict__.update(base.__dict__, seed=seed, key=key)
        return run

    def mapping(self, number: int) -> Mapping[str, Any]:
        """The object that is in that text."""
        found: Mapping[str, Any] | None = self.objects.get(("mapping", number))
        if found is None:
            found = self.objects["mapping", number] = {
                name: self._part(value) for name, value in parse_json(self.texts[number]).items()
            }
        return found

    def layout(self, number: int) -> Any:  # noqa: ANN401
        found = self.objects.get(("layout", number))
        if found is None:
            found = self.objects["layout", number] = layout_of(
                tuple(tuple(quantity) for quantity in parse_json(self.texts[number]))
            )
        return found

    def _part(self, value: Any) -> Any:  # noqa: ANN401
        """The first object that says the same, so that versions of packages are not in memory 100,000 times."""
        if not isinstance(value, dict | list | tuple | str):
            return value
        plain = [stated(item) if isinstance(item, EvaluationSet) else item for item in value] if value else value
        text = value if isinstance(value, str) else compact(value if isinstance(value, dict) else plain)
        return self.parts.setdefault(f"{type(value).__name__} {text}", value)
