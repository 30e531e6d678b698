"""What a sweep leaves to say at its end: why cells have no numbers, and what to run where methods did not forget."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep.rates import Sizes
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.methods.base import Method, search_space
from unlearn_bench.registry import is_path_target, load

_MOST = 0.5
"""Over this share of the competitors, that they did not forget is no matter of one method."""

_REASONS = 3
"""So many reasons are told of one method; the leaderboard has them all."""

_LARGEST = {"classes": 100, "train": 50, "test": 50}
"""What a rehearsal takes by itself; of less data it needs no more than there are."""

_SETTINGS: Mapping[str, str] = {
    "default": "at defaults, which were made without this model",
    "given": "with settings given by hand",
    "paper": "with their papers' settings, which are for other data",
    "paper-per-class": "with their papers' settings, which are for other classes",
}


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was typed after `run` that other commands have to be told too; None or empty where nothing was."""

    suite: str
    models: Sequence[str] | None = None
    methods: Sequence[str] | None = None
    data: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    template: str = ""
    precision: str | None = None


def rehearsal_command(given: Given, device: str, sizes: Iterable[Sizes]) -> str:
    """The command that measures what the planned methods take, on as many images of noise as the data have."""
    largest = max(sizes, key=lambda item: item.test, default=None)
    counts = {}
    if largest is not None and largest.train_by_class:
        classes = max(2, len(largest.train_by_class))
        counts = {"classes": classes, "train": largest.train // classes, "test": largest.test // classes}
    return _command(
        "python -m unlearn_bench.benchmarks.speed.rehearsal",
        suite=given.suite,
        model=_joined(given.models),
        methods=_joined(given.methods),
        precision=given.precision,
        device=device,
        **{name: str(min(max(1, count), _LARGEST[name])) for name, count in counts.items()},
    )


def why_no_numbers(records: Iterable[Record]) -> tuple[str, ...]:
    """A line for each method, status and reason, with the number of cells that ended so."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for record in records:
        if record.status != "ok":
            found.setdefault((record.status, record.run.label), Counter())[record.reason] += 1
    lines = []
    for (status, label), reasons in found.items():
        for reason, count in reasons.most_common(_REASONS):
            lines.append(f"{status}: {label}: {reason} ({_counted(count, 'cell')})")
        if len(reasons) > _REASONS:
            lines.append(f"{status}: {label}: {len(reasons) - _REASONS} more reasons, in the leaderboard")
    return tuple(lines)


def what_next(records: Sequence[Record], cells: Sequence[Cell], given: Given) -> tuple[str, ...]:
    """What to run for each model on which most competitors did not forget; nothing for the others.

    Rows that lack a cell say nothing about forgetting and don't count.
    """
    found = boards(records) if records else ()
    return tuple(line for board in found for line in _of_board(board, cells, given))


def _of_board(board: Board, cells: Sequence[Cell], given: Given) -> tuple[str, ...]:
    known = [row for row in board.rows if row.standing != "reference" and row.overall.ratio is not None]
    held = [row for row in known if row.overall.did_not_forget]
    if len(held) <= _MOST * len(known):
        return ()
    targets = {cell.run.key: cell.method_target for cell in cells}
    specs = {cell.run.key: cell.setting.model for cell in cells}
    tunable = {row.run.method: targets[row.run.key] for row in held if _is_tunable(targets[row.run.key])}
    said = (
        f"{board.run.model}: {len(held)} of {_counted(len(known), 'method')} did not forget, target AF/BF is over .5"
    )
    said += f"; they ran {_settings(held)}."
    if not tunable:
        return (f"{said} None of them declares anything to tune: give other hyperparameters.",)
    trials = [trials for row in held if (trials := _trials(row))]
    command = _command(
        "unlearn-bench tune",
        suite=given.suite,
        model=specs[held[0].run.key],
        data=_joined(given.data),
        template=given.template,
        classes=given.classes,
        methods=",".join(target if is_path_target(target) else name for name, target in tunable.items()),
        trials=str(2 * max(trials)) if trials else None,
    )
    return (
        f"{said} To find settings for this model and these data, tune, and run again with what it found:",
        command,
    )


def _settings(rows: Sequence[Row]) -> str:
    """How the rows came by their settings, row by row of one kind."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(_setting(row), []).append(row.label)
    return "; ".join(f"{said} ({', '.join(names)})" for said, names in found.items())


def _setting(row: Row) -> str:
    preset = row.records[0].preset
    source = str(preset.get("source", "default"))
    if not row.run.hyperparameters:
        return "without any settings"
    if source != "tuned":
        return _SETTINGS.get(source, f"with settings of the source {source!r}")
    on = f" on suite {preset['suite']}" if preset.get("suite") else ""
    return f"with what {_counted(_trials(row), 'trial')} of tuning found{on}"


def _trials(row: Row) -> int:
    preset = row.records[0].preset
    trials: Any = preset.get("trials", 0) if preset.get("source") == "tuned" else 0
    return trials if isinstance(trials, int) else 0


def _is_tunable(target: str) -> bool:
    return bool(search_space(cast(type[Method], load(target))))


def _joined(words: Sequence[str] | None) -> str:
    return ",".join(words or ())


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _command(start: str, **options: str | Sequence[str] | None) -> str:
    """A command line that a shell takes as it is, without the options that have no value; several are repeated."""
    several = {name: [value] if isinstance(value, str) else value or () for name, value in options.items()}
    words = [word for name, values in several.items() for value in values if value for word in (f"--{name}", value)]
    return f"{start} {shlex.join(words)}"
