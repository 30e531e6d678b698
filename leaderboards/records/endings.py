"""How the cells of a run folder ended, told without reading each record: an index beside them, made again at need."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from unlearn_bench.cache import write_text
from unlearn_bench.leaderboards.records import index
from unlearn_bench.leaderboards.records.record import Record, Status
from unlearn_bench.leaderboards.records.storage import CELLS, SetAside, read_file, record_files, write_record

INDEX = ".endings.jsonl"
"""In the folder of the records: a line for each record that was read, the last one of a name counts."""

_STATUSES = frozenset(get_args(Status))
_SPARE = 3
"""Lines for each record beyond which the index is written anew."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Of one record: its run's key, how the cell ended, and which model its method made (`Run.unlearned_key`)."""

    key: str
    status: Status
    unlearned_key: str


@dataclass(frozen=True, kw_only=True)
class Endings:
    """By the key of the run; and the files that could not be read: say these, do not pass over them."""

    by_key: Mapping[str, Ending]
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Line:
    """What the index says of a file of this name, size and time of change."""

    name: str
    size: int
    changed_ns: int
    ending: Ending

    def __str__(self) -> str:
        ending = self.ending
        return json.dumps([self.name, self.size, self.changed_ns, ending.key, ending.status, ending.unlearned_key])


def endings(folder: Path) -> Endings:
    """How each cell with a record in a run's folder ended.

    A record whose file is as the index knows it (size, time of change) is not opened; any other is read as
    `read_folder` reads it, and the index learns of it. The index is never needed: one that is missing, cut, or can't
    be written costs time and nothing else.
    """
    cells = folder / CELLS
    lines = list(_read(cells / INDEX))
    known = {line.name: line for line in lines}
    fresh: list[_Line] = []
    broken: list[SetAside] = []
    files = sorted(record_files(cells))
    unknown = [file for file in files if not _is_known(file, known.get(file[0]))]
    many = len(unknown) >= index.FEWEST  # then who reads the records next shall not read the files again
    names = [name for name, _, _ in files]
    reading = (
        index.learning(cells, unknown, read_file, keep=names)
        if many
        else (read_file(cells / name) for name, _, _ in unknown)
    )
    for (name, size, changed_ns), read in zip(unknown, reading, strict=True):
        known.pop(name, None)
        if isinstance(read, SetAside):
            broken.append(read)
        if isinstance(read, Record):
            ending = Ending(key=read.run.key, status=read.status, unlearned_key=read.run.unlearned_key)
            known[name] = _Line(name=name, size=size, changed_ns=changed_ns, ending=ending)
            fresh.append(known[name])
    found = {name: known[name] for name in names if name in known}
    _learn(cells / INDEX, fresh, found.values(), lines=len(lines) + len(fresh))
    return Endings(by_key={line.ending.key: line.ending for line in found.values()}, set_aside=tuple(broken))


def write_and_note(folder: Path, record: Record) -> Path:
    """`write_record`, of which the index learns at once, so that the next scan need not open the file."""
    path = write_record(folder, record)
    with suppress(OSError):  # on a network folder it may not be seen yet
        state = path.stat()
        ending = Ending(key=record.run.key, status=record.status, unlearned_key=record.run.unlearned_key)
        line = _Line(name=path.name, size=state.st_size, changed_ns=state.st_mtime_ns, ending=ending)
        _learn(path.with_name(INDEX), [line], [line], lines=0)
    return path


def _is_known(file: index.File, line: _Line | None) -> bool:
    return line is not None and (line.name, line.size, line.changed_ns) == file


def _read(path: Path) -> Iterator[_Line]:
    """The lines that are whole; nothing where there is no index, or it can't be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        with suppress(ValueError, TypeError):  # torn by a writer that died, or by two on a network folder
            name, size, changed_ns, key, status, unlearned_key = json.loads(line)
            if isinstance(name, str) and status in _STATUSES:
                ending = Ending(key=str(key), status=cast("Status", status), unlearned_key=str(unlearned_key))
                yield _Line(name=name, size=int(size), changed_ns=int(changed_ns), ending=ending)


def _learn(path: Path, fresh: Iterable[_Line], everything: Iterable[_Line], *, lines: int) -> None:
    """Append what is new; write all anew where most lines are of records that are gone or changed."""
    new, whole = list(fresh), list(everything)
    if not new:
        return
    with suppress(OSError):  # a folder that can only be read
        if lines > _SPARE * len(whole):
            write_text(path, "".join(f"{line}\n" for line in whole))
        else:
            with path.open("a", encoding="utf-8") as handle:
                handle.write("\n" + "".join(f"{line}\n" for line in new))  # the last line there may be torn
