"""Records on disk: one JSON file per run in a run's folder, or all of them in one CSV."""

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unlearn_bench.cache import write_text
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records import index
from unlearn_bench.leaderboards.records.encoding import from_json, to_json
from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.records.wide_csv import read_csv, write_csv

__all__ = ["Loaded", "SetAside", "read_csv", "read_folder", "read_records", "set_aside", "write_csv", "write_record"]

CELLS = "cells"
"""The folder of the records inside a run's folder."""

WEIGHTS = "weights"
"""That of the kept weights, beside it."""


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A record file that could not be read.

    Attributes:
        path: its old name. moved_to: its new name, or None where the folder did not allow it to be renamed.
        reason: what is wrong with it.
    """

    path: Path
    moved_to: Path | None
    reason: str

    def __str__(self) -> str:
        where = f"set aside as {self.moved_to.name!r}" if self.moved_to else "left where it is"
        return f"{str(self.path)!r} is no readable record ({self.reason}); {where}; its cell will run again"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The records that were read, and the files that could not be: say the latter, do not pass over them."""

    records: tuple[Record, ...]
    set_aside: tuple[SetAside, ...] = ()


def write_record(folder: Path, record: Record) -> Path:
    """Write `<folder>/cells/<key>.json`, atomically: a reader sees the old file or the new one.

    Raises:
        OSError: the folder can't be written, or the disk is full; nothing half-written stays.
    """
    cells = folder / CELLS
    cells.mkdir(parents=True, exist_ok=True)
    path = cells / f"{record.run.key}.json"
    text = json.dumps(to_json(record), indent=1, default=list, ensure_ascii=False)
    write_text(path, text + "\n")
    return path


def weights_file(folder: Path, run: Run) -> Path:
    """Where the tensors of a run's unlearned model are kept in a run's folder: by what decides the model."""
    return folder / WEIGHTS / f"{run.unlearned_key}.safetensors"


def read_folder(folder: Path) -> Loaded:
    """All records of a run's folder, by key; none where nothing has run there yet.

    Of a record with copies, the file counts that is called by its key.

    A file that is cut, edited or of another format is renamed to a free name `<name>.broken` and reported,
    never deleted: its cell then counts as not done.
    """
    cells = folder / CELLS
    files = sorted(record_files(cells))
    there = index.known(cells, files)
    fresh = [file for file in files if file[0] not in there]
    broken: dict[Path, SetAside] = {}
    if len(fresh) >= index.FEWEST:
        there = {}
        for found in index.learning(cells, fresh, read_file, keep=[name for name, _, _ in files]):
            if isinstance(found, SetAside):
                broken[found.path] = found
        there = index.known(cells, files)
    records: dict[str, Record] = {}
    damaged = {path.name for path in broken}
    for name, _, _ in files:
        if name in damaged:
            continue
        found = there.get(name) or read_file(cells / name)
        if isinstance(found, SetAside):
            broken[found.path] = found
        elif found is not None and (name == f"{found.run.key}.json" or found.run.key not in records):
            records[found.run.key] = found
    return Loaded(records=tuple(records.values()), set_aside=tuple(broken.values()))


def copies(folder: Path) -> dict[str, list[Path]]:
    """Files of records, by key, that are called by another name than it."""
    cells = folder / CELLS
    files = sorted(record_files(cells))
    there = index.known(cells, files)
    found: dict[str, list[Path]] = {}
    for name, _, _ in files:
        known = there.get(name) or read_file(cells / name)
        if isinstance(known, Record) and name != f"{known.run.key}.json":
            found.setdefault(known.run.key, []).append(cells / name)
    return found


def record_files(cells: Path) -> Iterator[index.File]:
    """Name, size and time of change of each record file."""
    if not cells.is_dir():
        return
    with os.scandir(cells) as entries:
        for entry in entries:
            if entry.name.endswith(".json") and not entry.name.startswith("."):
                with suppress(FileNotFoundError):  # taken away meanwhile
                    state = entry.stat()
                    yield entry.name, state.st_size, state.st_mtime_ns


def read_records(paths: Sequence[Path]) -> Loaded:
    """The records of runs' folders, of CSVs that `write_csv` wrote, and of single record files.

    A run that occurs twice (equal suite, model and key) counts once: a finished one before a failed one, else
    the later one.

    Raises:
        InputError: a path does not exist, a folder is no run's folder, or a CSV is broken.
    """
    found: dict[tuple[str, str, str], Record] = {}
    broken: list[SetAside] = []
    for path in paths:
        loaded = _read_path(path)
        broken.extend(loaded.set_aside)
        for record in loaded.records:
            name = (record.run.suite, record.run.model, record.run.key)
            if name not in found or record.status == "ok" or found[name].status != "ok":
                found[name] = record
    return Loaded(records=tuple(found.values()), set_aside=tuple(broken))


def _read_path(path: Path) -> Loaded:
    if path.is_dir():
        if not (path / CELLS).is_dir():
            raise InputError(
                f"{str(path)!r} is no run's folder: it has no {CELLS!r} in it; give what `run --out` wrote"
            )
        return read_folder(path)
    if not path.exists():
        raise InputError(f"no records at {str(path)!r}; give a run's folder, a CSV or a record's JSON file")
    if path.suffix == ".csv":
        return Loaded(records=read_csv(path))
    if path.suffix != ".json":
        raise InputError(
            f"{str(path)!r} holds no records: expected a run's folder, .csv or .json, came {path.suffix!r}"
        )
    found = read_file(path)
    if isinstance(found, SetAside):
        return Loaded(records=(), set_aside=(found,))
    return Loaded(records=() if found is None else (found,))


def read_file(path: Path, *, again: bool = True) -> Record | SetAside | None:
    """The record in a file, or what became of the file; None if another process took it away meanwhile."""
    try:
        return from_json(parse_json(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ESTALE and again:  # another machine put a new file in its place while it was read
            return read_file(path, again=False)
        raise InputError(f"{str(path)!r} can't be read ({error.strerror}); check its permissions") from error
    except json.JSONDecodeError as error:
        reason = f"it breaks off or is no JSON at line {error.lineno}" if path.stat().st_size else "it is empty"
    except (ValueError, RecursionError, OverflowError) as error:  # malformed, no UTF-8, nested too deeply
        reason = str(error)
    return SetAside(path=path, moved_to=set_aside(path), reason=reason)


def set_aside(path: Path) -> Path | None:
    """Rename to `<name>.broken`, or the first free `<name>.broken.<number>`; None if that is not allowed."""
    target, number = path.with_name(f"{path.name}.broken"), 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.broken.{number}")
    try:
        path.rename(target)
    except OSError:
        return None
    return target
