"""All records of a published table in one CSV: a row for each run, small, and readable as a diff.

What many rows share (the evaluated datasets, a preset, what was measured) is written once: the
first row says `#1a2b3c4d {..}`, the others only `#1a2b3c4d`.
"""

import csv
import hashlib
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unlearn_bench.cache import make_folder, write_text
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.encoding import FORMAT, compact, from_json
from unlearn_bench.leaderboards.records.record import ADDED, Record, stated
from unlearn_bench.metrics.base import Measurement

_PLAIN = ("suite", "model", "fingerprint", "method", "access", "kind", "dataset")
_SHARED = ("protocol", "synthesis", "preset", "provenance", "measured")
_HEADER = (
    "format", "key", "suite", "model", "fingerprint", "dataset", "forget", "method", "seed", "status",
    "reason", "method_version", "method_file", "access", "kind", "hyperparameters", *_SHARED,
)  # fmt: skip
_SIDES = ("before", "after", "outcomes")
_VOLATILE = {"time"}
"""Left out of the CSV: it differs in every row, and a second run of the same code would change every line."""

_FORMULA = tuple("=+-@\t\r")
"""With which a spreadsheet's formula begins."""

_LONGEST_FIELD = 2**27
"""The longest field. Python's own limit of 128 kB is short for the outcomes of large test sets."""


def write_csv(path: Path, records: Sequence[Record]) -> None:
    """Write one row per run, ordered by suite, model, dataset, forget set, method, seed.

    Numbers have 6 significant digits. A measurement's columns are called `metric|role|group|before` (and
    `after`, `outcomes`); its role is `own` for the forget set's own dataset, else the dataset's name, so that
    columns of different forget sets align. The provenance's time is left out.

    Raises:
        InputError: the folder can't be written, or a record has two measurements of one name.
        OSError: the disk is full.
    """
    make_folder(path.parent, what="the folder of the table")
    write_text(path, csv_text(records))


def csv_text(records: Sequence[Record]) -> str:
    """The text that `write_csv` writes."""
    ordered = sorted(records, key=_order)
    numbers = [_numbers(record) for record in ordered]
    columns = sorted({column for row in numbers for column in row}, key=_column_order)
    lines = [_line([*_HEADER, *(_column(column) for column in columns)])]
    seen: set[str] = set()
    for record, row in zip(ordered, numbers, strict=True):
        fixed = _fixed(record, seen)
        lines.append(_line([*(fixed[name] for name in _HEADER), *(row.get(column, "") for column in columns)]))
    return "".join(lines)


def _line(cells: Sequence[str]) -> str:
    """A line of the table, ending in a line feed; carriage returns in cells are quoted, as line feeds are."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().removesuffix("\r\n") + "\n"


def read_csv(path: Path, *, metrics: Collection[str] | None = None) -> tuple[Record, ...]:
    """The records of a CSV that `write_csv` wrote.

    Args:
        metrics: whose measurements are read, None for all; most of the time goes there.

    Raises:
        InputError: the file can't be read, is another table, or a row is broken (with its line's number).
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:  # a carriage return in a name stays one
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} can't be read ({error}); give a CSV of records") from error
    old_limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        return _read_rows(path, csv.DictReader(io.StringIO(text, newline=""), strict=True), metrics)
    except csv.Error as error:
        raise InputError(f"{str(path)!r} is no CSV ({error}); make it again from its records") from error
    finally:
        csv.field_size_limit(old_limit)


def _read_rows(path: Path, reader: "csv.DictReader[str]", metrics: Collection[str] | None) -> tuple[Record, ...]:
    missing = [name for name in _HEADER if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(
            f"{str(path)!r} is no table of records: no column {', '.join(missing)}; give a CSV that `write_csv` wrote"
        )
    numbers = [name for name in reader.fieldnames or () if name.count("|") >= len(_SIDES)]
    shared: dict[str, Any] = {}
    records = []
    for row in reader:
        try:
            records.append(_read_row(row, shared, metrics))
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(
                f"{str(path)!r}, line {reader.line_num}: no readable record ({what}); make it again from its records"
            ) from error
    if not numbers and any(record.measurements for record in records):
        raise InputError(f"{str(path)!r} has no column of numbers; make it again from its records")
    return tuple(records)


def _order(record: Record) -> tuple[object, ...]:
    run = record.run
    return (run.suite, run.model, run.fingerprint, run.dataset, run.forget, run.label, run.seed, run.key)


def _column_order(column: tuple[str, str, str, str]) -> tuple[object, ...]:
    metric, role, group, side = column
    digits = [int(part) if part.isdecimal() and len(part) < 10 else part for part in re.split(r"(\d+)", group)]
    natural = [(isinstance(part, str), str(part) if isinstance(part, str) else f"{part:09d}") for part in digits]
    return (side == "outcomes", metric, role != "own", role, natural, _SIDES.index(side))


def _role(record: Record, measurement: Measurement) -> str:
    if measurement.dataset == record.run.dataset:
        return "own"
    return "named own" if measurement.dataset == "own" else measurement.dataset


def _dataset(own: str, role: str) -> str:
    return {"own": own, "named own": "own"}.get(role, role)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _numbers(record: Record) -> dict[tuple[str, str, str, str], str]:
    found: dict[tuple[str, str, str, str], str] = {}
    names: set[tuple[str, str, str]] = set()
    for item in record.measurements:
        name = (item.metric, _role(record, item), item.group)
        if name in names:
            raise InputError(
                f"run {record.run.key} has two measurements of {'|'.join(name)}; "
                "a metric says each dataset and group once"
            )
        names.add(name)
        texts = (_digits(item.before), _digits(item.after), item.outcomes)
        found.update({(*name, side): text for side, text in zip(_SIDES, texts, strict=True) if text})
    return found


def _fixed(record: Record, seen: set[str]) -> dict[str, str]:
    run = record.run
    measured = [[m.metric, m.version, _role(record, m), m.group, m.n] for m in record.measurements]
    protocol = {
        "evaluation": [stated(item) for item in run.evaluation],
        "metrics": run.metrics,
        "train_split": run.train_split,
        **{name: value for name, value in stated(run).items() if name in ADDED},
    }
    provenance = {name: value for name, value in record.provenance.items() if name not in _VOLATILE}
    shared = (protocol, run.synthesis, record.preset, provenance, measured)
    return {
        **{name: literal(str(getattr(run, name))) for name in _PLAIN},
        "format": str(FORMAT),
        "key": run.key,
        "forget": literal(_join(run.forget)),
        "seed": str(run.seed),
        "status": record.status,
        "reason": literal(record.reason),
        "method_version": str(run.method_version),
        "method_file": run.method_file or "",
        "hyperparameters": compact(run.hyperparameters),
        **{name: _share(value, seen) for name, value in zip(_SHARED, shared, strict=True)},
    }


def _share(value: object, seen: set[str]) -> str:
    text = compact(value)
    name = "#" + hashlib.sha256(text.encode()).hexdigest()[:8]
    if name in seen:
        return name
    seen.add(name)
    return f"{name} {text}"


def _said(cell: str, shared: dict[str, Any]) -> Any:  # noqa: ANN401  (whatever is in the cell)
    """What a cell says, itself or by the name of one above; all rows that say the same share the object."""
    name, _, text = cell.partition(" ")
    if text:
        shared[name] = parse_json(text)
    if name not in shared:
        raise ValueError(f"{name!r} is used before the row that says it")
    return shared[name]


def literal(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula: behind an apostrophe where it begins like one.

    >>> literal("=1+1"), literal("'=1+1"), literal("lip")
    ("'=1+1", "''=1+1", 'lip')
    """
    return f"'{text}" if text.lstrip("'")[:1] in _FORMULA else text


def _unliteral(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'")[:1] in _FORMULA else cell


def _column(name: Sequence[str]) -> str:
    return literal("|".join(name))


def _join(names: Iterable[str]) -> str:
    """Class names in one cell: `a|b`, with a backslash before a bar or a backslash of their own."""
    return "|".join(re.sub(r"([\\|])", r"\\\1", name) for name in names)


def _split(text: str) -> list[str]:
    names = [""]
    for part in re.findall(r"\\.|[^\\]", text, flags=re.DOTALL):
        if part == "|":
            names.append("")
        else:
            names[-1] += part[-1]
    return names


def _read_row(row: Mapping[str, str], shared: dict[str, Any], metrics: Collection[str] | None) -> Record:
    if None in row.values() or None in row:
        raise ValueError("more or fewer fields than the header has")
    protocol, synthesis, preset, provenance, measured = (_said(row[name], shared) for name in _SHARED)
    places = _places(row["measured"].partition(" ")[0], measured, shared)
    settings = row["hyperparameters"]
    if settings not in shared:
        shared[settings] = parse_json(settings)
    run = {
        **{name: _unliteral(row[name]) for name in _PLAIN},
        **protocol,
        "forget": _split(_unliteral(row["forget"])),
        "seed": int(row["seed"]),
        "method_version": int(row["method_version"]),
        "method_file": row["method_file"] or None,
        "hyperparameters": shared[settings],
        "synthesis": synthesis,
    }
    return from_json(
        {
            "format": int(row["format"]),
            "key": row["key"],
            "status": row["status"],
            "reason": _unliteral(row["reason"]),
            "run": run,
            "measurements": [
                _read_measurement(item, columns, row)
                for item, columns in zip(measured, places, strict=True)
                if metrics is None or item[0] in metrics
            ],
            "preset": preset,
            "provenance": provenance,
        }
    )


def _places(name: str, measured: Iterable[Sequence[object]], shared: dict[str, Any]) -> list[tuple[str, ...]]:
    """The three columns of each measurement: made once for all rows that measured the same."""
    place = f"columns of {name}"
    found: list[tuple[str, ...]]
    of, found = shared.get(place, (None, []))
    if of is not measured:  # another list of that name: no row would have these columns
        found = [
            tuple(_column((str(metric), str(role), str(group), side)) for side in _SIDES)
            for metric, _, role, group, _ in measured
        ]
        shared[place] = measured, found
    return found


def _read_measurement(item: Sequence[object], columns: Sequence[str], row: Mapping[str, str]) -> dict[str, object]:
    metric, version, role, group, n = item
    before, after, outcomes = (row.get(column, "") for column in columns)
    return {
        "metric": metric,
        "version": version,
        "dataset": _dataset(_unliteral(row["dataset"]), str(role)),
        "group": group,
        "before": float(before) if before else None,
        "after": float(after) if after else None,
        "n": n,
        "outcomes": outcomes,
    }
