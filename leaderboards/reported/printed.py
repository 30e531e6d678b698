"""The numbers of the main paper's tables as it prints them: data beside the measured ones, never mixed with them."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar, cast, get_args

from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.statistics.intervals import OTHER, TARGET
from unlearn_bench.leaderboards.statistics.rows import Pair

FOLDER = Path(__file__).parent

RowStanding = Literal["reported", "incomplete", "inconsistent"]
"""As printed; broken off in the source; printed, though its score does not follow from its averages."""

METHODS: Mapping[str, str] = {
    "Lip": "lip",
    "Emb": "emb",
    "Amns": "amns",
    "EMMN": "emmn",
    "ULip": "ulip",
    "AmnsRetain": "amns-retain",
    "SalUn": "salun",
}
"""The methods as the tables print them, and this project's names."""

CUTOFFS = (1, 5, 10)
SCORE = "Avg. Score"
SIDES = ("before", "after")

T = TypeVar("T")


def quantity(name: str, side: str) -> str:
    """How a number is called: what is measured, and BF or AF.

    >>> quantity("target", "before")
    'target BF'
    """
    return f"{name} {'BF' if side == 'before' else 'AF'}"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What one dataset's reported numbers are measured on.

    Attributes:
        dataset: as the tables print it. spec: this project's name. split: the file that parts the images.
        test_images: how many there are for testing. template: of the evaluation. classes: what is forgotten.
    """

    dataset: str
    spec: str
    split: str
    test_images: int
    template: str
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ReportedRow:
    """One row of accuracies, of Table 1 or Table 3; a side is None where the source has no number.

    Attributes:
        method: as printed. forget_dataset: as printed; empty in Table 3, whose rows are over all four.
        access: as printed; empty in Table 3. ablation: its type in Table 3; empty in Table 1.
        target, other: accuracy on the class to forget, and on the other classes of its dataset.
        datasets: of the datasets by their printed names; without the forget dataset's own in Table 1.
        score: Avg. Score as printed. remark: what a reader must know of this row.
    """

    method: str
    forget_dataset: str
    access: str
    ablation: str
    target: Pair
    other: Pair
    datasets: Mapping[str, Pair]
    score: float | None
    standing: RowStanding
    remark: str

    @property
    def name(self) -> str:
        """The first column: the ablation's type in Table 3, the method in Table 1."""
        return self.ablation or self.method

    @property
    def numbers(self) -> dict[str, float | None]:
        """All numbers by `quantity`, in the order of the columns."""
        pairs = {TARGET: self.target, OTHER: self.other, **self.datasets}
        found = {quantity(name, side): getattr(pair, side) for name, pair in pairs.items() for side in SIDES}
        return {**found, SCORE: self.score}


@dataclass(frozen=True, kw_only=True)
class ReportedRetrieval:
    """One kind of query of Table 2: precision@k on the original and on the unlearned model, by k."""

    kind: str
    precision: Mapping[int, Pair]
    standing: RowStanding
    remark: str

    @property
    def name(self) -> str:
        """The first column."""
        return self.kind

    @property
    def numbers(self) -> dict[str, float | None]:
        """All numbers by `quantity`, in the order of the columns."""
        return {
            quantity(f"precision@{k}", side): getattr(pair, side)
            for k, pair in self.precision.items()
            for side in SIDES
        }


@dataclass(frozen=True, kw_only=True)
class ReportedTables:
    """All reported tables.

    Attributes:
        protocol: the four datasets by their printed names, in the order of the columns.
        table1, table3: by method and forget dataset; by ablation. table2: by kind of query.
        notes: for `table1`, `table2`, `table3`, source and meaning in sentences.
    """

    protocol: Mapping[str, Protocol]
    table1: tuple[ReportedRow, ...]
    table2: tuple[ReportedRetrieval, ...]
    table3: tuple[ReportedRow, ...]
    notes: Mapping[str, tuple[str, ...]]


@cache
def reported_tables(folder: Path = FOLDER) -> ReportedTables:
    """Read `protocol.csv`, `table1.csv`, `table2.csv` and `table3.csv`.

    Raises:
        InputError: a file can't be read, lacks a column, or holds no number where one should be (with its line).
    """
    datasets = tuple(_read(folder / "protocol.csv", _protocol))
    protocol = {item.dataset: item for item in datasets}
    return ReportedTables(
        protocol=protocol,
        table1=tuple(_read(folder / "table1.csv", lambda row: _accuracies(row, protocol))),
        table2=_retrieval(folder / "table2.csv"),
        table3=tuple(_read(folder / "table3.csv", lambda row: _accuracies(row, protocol))),
        notes={name: _notes(folder / f"{name}.csv") for name in ("table1", "table2", "table3")},
    )


def _protocol(row: Mapping[str, str]) -> Protocol:
    return Protocol(
        dataset=row["dataset"],
        spec=row["spec"],
        split=row["split"],
        test_images=int(row["test_images"]),
        template=row["template"],
        classes=tuple(name.strip() for name in row["classes"].split(";")),
    )


def _accuracies(row: Mapping[str, str], protocol: Mapping[str, Protocol]) -> ReportedRow:
    own = row.get("forget_dataset", "")
    if row["method"] not in METHODS or (own and own not in protocol):
        raise ValueError(f"unknown method {row['method']!r} or dataset {own!r}")
    return ReportedRow(
        method=row["method"],
        forget_dataset=own,
        access=row.get("access", ""),
        ablation=row.get("ablation", ""),
        target=_pair(row, "target"),
        other=_pair(row, "other"),
        datasets={name: _pair(row, name) for name in protocol if name != own},
        score=_number(row["avg_score"]),
        standing=_standing(row),
        remark=row["remark"],
    )


def _retrieval(path: Path) -> tuple[ReportedRetrieval, ...]:
    rows = _read(path, dict)
    found = []
    for kind in dict.fromkeys(row["retrieval"] for row in rows):
        sides = {row["state"]: row for row in rows if row["retrieval"] == kind}
        if sides.keys() != {"original", "forget"}:
            raise InputError(f"{str(path)!r}: {kind} needs the states original and forget, came {', '.join(sides)}")
        before, after = sides["original"], sides["forget"]
        found.append(
            ReportedRetrieval(
                kind=kind,
                precision={
                    k: Pair(before=_number(before[f"precision_{k}"]), after=_number(after[f"precision_{k}"]))
                    for k in CUTOFFS
                },
                standing=_standing(after),
                remark=" ".join(text for text in (before["remark"], after["remark"]) if text),
            )
        )
    return tuple(found)


def _pair(row: Mapping[str, str], name: str) -> Pair:
    return Pair(before=_number(row[f"{name}_bf"]), after=_number(row[f"{name}_af"]))


def _number(text: str) -> float | None:
    return float(text) if text else None


def _standing(row: Mapping[str, str]) -> RowStanding:
    if row["standing"] not in get_args(RowStanding):
        raise ValueError(f"standing {row['standing']!r} is none of {', '.join(get_args(RowStanding))}")
    return cast("RowStanding", row["standing"])


def _read(path: Path, make: Callable[[dict[str, str]], T]) -> list[T]:
    """What `make` makes of each row; lines that begin with # are notes."""
    lines = _lines(path)
    notes = sum(line.startswith("#") for line in lines)
    reader = csv.DictReader(lines[notes:], strict=True)
    found = []
    try:
        for row in reader:
            found.append(make(_whole(row)))
    except (ValueError, KeyError, csv.Error) as error:
        what = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{str(path)!r}, line {notes + reader.line_num}: {what}; mend the file") from error
    return found


def _whole(row: dict[str, str]) -> dict[str, str]:
    if None in row or None in row.values():
        raise ValueError("more or fewer fields than the header has")
    return row


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{str(path)!r} can't be read ({error.strerror}); it comes with the package") from error


def _notes(path: Path) -> tuple[str, ...]:
    return tuple(line.lstrip("# ") for line in _lines(path) if line.startswith("#"))
