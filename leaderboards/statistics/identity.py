"""What may share a board and a row, and how those that may not are told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unlearn_bench.leaderboards.records.encoding import compact
from unlearn_bench.leaderboards.records.record import Record, Run

_BY_DATASET = "descriptions"
"""The synthesis setting that is not the same in all of a row: the hash of a dataset's sentences."""


@dataclass(frozen=True)
class Names:
    """The texts of identities, each made once for all records that share what it is made of.

    Records of one folder share their evaluation sets, metrics and settings as objects; a text takes 30 times as long
    as to see that. Used while the records live: what is gone might leave its number to something else.
    """

    known: dict[tuple[object, ...], str] = field(default_factory=dict)

    def of_board(self, run: Run) -> str:
        """The text of `board_identity`."""
        shared = (id(run.evaluation), id(run.metrics))
        parts = ("board", run.suite, run.model, run.fingerprint, *shared, run.train_split, run.precision)
        if parts not in self.known:
            self.known[parts] = compact(board_identity(run))
        return self.known[parts]

    def of_row(self, record: Record) -> str:
        """The text of `row_identity`."""
        run = record.run
        shared = (id(run.variant), id(run.hyperparameters), id(run.synthesis), id(record.preset))
        parts = ("row", run.method, run.method_version, run.method_file, *shared)
        if parts not in self.known:
            self.known[parts] = compact(row_identity(record))
        return self.known[parts]


def board_identity(run: Run) -> dict[str, object]:
    return {
        "suite": run.suite,
        "model": run.model,
        "fingerprint": run.fingerprint,
        "evaluation": {item.name: vars(item) for item in run.evaluation},
        "metrics": run.metrics,
        "train_split": run.train_split,
        "precision": run.precision,
    }


def row_identity(record: Record) -> dict[str, object]:
    run = record.run
    same: dict[str, object] = {
        "method": run.method,
        "version": run.method_version,
        "file": run.method_file,
        **({"variant": run.variant} if run.variant else {}),
        **run.hyperparameters,
    }
    by_class = "by_class" in run.variant or record.preset.get("source") == "paper-per-class"
    if not by_class:  # else settings of the synthetic images go by class, and one row has several
        same["synthesis"] = {name: value for name, value in run.synthesis.items() if name != _BY_DATASET}
    return same


def curve_identity(record: Record) -> dict[str, object]:
    """What all points of one curve share: all that a row does but the hyperparameters."""
    return {name: value for name, value in row_identity(record).items() if name not in record.run.hyperparameters}


def describe_differences(mine: Mapping[str, object], alike: Sequence[Mapping[str, object]]) -> str:
    """What in `mine` is not the same in all of `alike`, as `name=value, ..`; mappings are looked into.

    >>> describe_differences({"a": 1, "b": {"c": 2, "d": 3}}, [{"a": 1, "b": {"c": 2, "d": 4}}])
    'b.d=3'
    """
    return ", ".join(_differences(mine, alike))


def _differences(mine: Mapping[str, object], alike: Sequence[Mapping[str, object]]) -> list[str]:
    parts: list[str] = []
    for name in dict.fromkeys([*mine, *(key for other in alike for key in other)]):
        if name not in mine:
            parts.append(f"{name} absent")
            continue
        value = mine[name]
        others = [other[name] for other in alike if name in other]
        inner = [other for other in others if isinstance(other, Mapping)]
        if isinstance(value, Mapping) and len(inner) == len(alike):
            parts.extend(f"{name}.{part}" for part in _differences(value, inner))
        elif isinstance(value, Mapping) and len(others) < len(alike):
            parts.append(f"{name} present")
        elif len(others) < len(alike) or any(compact(other) != compact(value) for other in others):
            parts.append(f"{name}={value if isinstance(value, str) else compact(value)}")
    return parts
