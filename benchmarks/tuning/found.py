"""What a search found, as the table of a preset file, and kept in the cache so that it need not be made twice."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.tuning.race import OBJECTIVE, SAMPLER, pruner
from unlearn_bench.benchmarks.tuning.search import Budget, Tuned
from unlearn_bench.benchmarks.tuning.space import Space, number, plain
from unlearn_bench.benchmarks.tuning.trial import Trial
from unlearn_bench.cache import make_folder, write_text
from unlearn_bench.documents import parse_json
from unlearn_bench.leaderboards.records.record import Run
from unlearn_bench.leaderboards.records.storage import set_aside
from unlearn_bench.leaderboards.statistics.rows import FORGOTTEN

VALIDATION_SPLIT = "val"
PER_CLASS = 12
"""Validation images of each class on which trials are scored: all of them would cost more than most methods."""

CHOICE = (
    "least score of those that forgot with less harm than good, else of those that forgot, else of all; of a "
    "reference the least of all"
)

_DIGITS = 4


def to_preset(tuned: Tuned, budget: Budget, conditions: Conditions) -> dict[str, Any]:
    """The preset table of a tuned method, with everything that says how it was found."""
    best = tuned.best
    table: dict[str, Any] = {
        "source": "tuned",
        "trials": len(tuned.trials),
        "sampler": SAMPLER,
        "pruner": pruner(len(tuned.trials)),
        "objective": OBJECTIVE,
        "choice": CHOICE,
        "images": VALIDATION_SPLIT,
        "images_per_class": PER_CLASS,
        "suite": budget.suite.name,
        "classes": [f"{dataset}/{'+'.join(names)}" for dataset, names in budget.tasks],
        "tuned_parameters": len(tuned.space.ranges),
        **_numbers(best),
        "target_ratio": round(1 - best.forgetting, _DIGITS),
        "doing_nothing": _rounded(best.idle),
        "curve": _curve(tuned.trials),
        "commit": conditions.commit or "",
        "space": plain(tuned.space),
        "hyperparameters": dict(best.hyperparameters),
        "front": [{**_numbers(trial), "hyperparameters": dict(trial.hyperparameters)} for trial in tuned.front],
    }
    if not tuned.reference:
        table["found"] = best.did_good
    if tuned.forgot is not None:
        forgot = tuned.forgot
        table["best_that_forgot"] = {**_numbers(forgot), "hyperparameters": dict(forgot.hyperparameters)}
    return table


def in_words(table: Mapping[str, Any]) -> str:
    """What a search found, in one line."""
    said = (
        f"score {table['score']:.3f}, forgetting {table['forgetting']:.2f}, retention {table['retention']:.2f} "
        f"(doing nothing scores {table['doing_nothing']:.3f})"
    )
    if table.get("found", True):
        return said
    which = "the best that forgot" if table["forgetting"] >= 1 - FORGOTTEN else "none forgot; the least"
    return f"no setting of {table['trials']} forgot without more harm than good; {which}: {said}"


def question(run: Run, space: Space, budget: Budget) -> str:
    """Sixteen hex digits of everything that decides what a search finds: equal ones need no second search.

    Args:
        run: that of a first trial: of which model, method version, data and synthetic images it is.
    """
    how = [SAMPLER, pruner(budget.trials), OBJECTIVE, CHOICE]
    parts = [run.key, plain(space), space.first, budget.tasks, budget.trials, *how]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=list).encode()).hexdigest()[:16]


def kept_table(folder: Path, name: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The table that was found before, or None; a file that can't be read is set aside, and it is said."""
    path = _path(folder, name)
    if not path.is_file():
        return None
    try:
        found: object = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if isinstance(found, dict) and "source" in found:
        return found
    moved = set_aside(path)
    where = f"set aside as {moved.name!r}" if moved else "left where it is"
    say(f"{str(path)!r} holds no settings that can be read; {where}; they are searched anew")
    return None


def keep_table(folder: Path, name: str, table: dict[str, Any]) -> None:
    """Keep a table for the next search for the same."""
    path = _path(folder, name)
    make_folder(path.parent, what="cache folder")
    write_text(path, json.dumps(table, indent=1) + "\n")


def _path(folder: Path, name: str) -> Path:
    return folder / "found" / f"{name}.json"


def _numbers(trial: Trial) -> dict[str, float]:
    return {name: _rounded(getattr(trial, name)) for name in ("score", "forgetting", "retention")}


def _rounded(value: float) -> float:
    return round(number(value), _DIGITS)


def _curve(trials: tuple[Trial, ...]) -> list[float]:
    """The least `worth` after 1, 2, 4, .. trials, and after all."""
    counts = [2**power for power in range(len(trials).bit_length()) if 2**power < len(trials)]
    return [round(min(trial.worth for trial in trials[:count]), _DIGITS) for count in (*counts, len(trials))]
