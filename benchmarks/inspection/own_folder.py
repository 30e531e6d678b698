"""Where a run goes that was given no folder: one for each choice of data, so that no run replaces another's table."""

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from unlearn_bench.benchmarks.data.dataset.prefixes import CAPTIONS_PREFIX, DOMAINS_PREFIX, FOLDER_PREFIX
from unlearn_bench.cache import write_text

RUNS = Path("runs")
_MARK = ".data.json"


def own_folder(suite: str, data: Sequence[str] | None) -> Path:
    """`runs/SUITE`; for data of the user's, `runs/SUITE-2` and so on where an earlier one is of other data.

    A folder without a mark is taken: of an earlier version, or empty.
    """
    first = RUNS / suite
    if data is None:
        return first
    wanted = _whole(data)
    return next(
        folder
        for number in count(1)
        if _marked(folder := first if number == 1 else RUNS / f"{suite}-{number}") in (None, wanted)
    )


def mark(folder: Path, data: Sequence[str] | None) -> None:
    """Note in the folder which data its run is of."""
    if data is not None:
        write_text(folder / _MARK, json.dumps(_whole(data)) + "\n")


def _marked(folder: Path) -> list[str] | None:
    try:
        found = json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return [str(item) for item in found] if isinstance(found, list) else None


def _whole(data: Sequence[str]) -> list[str]:
    """The specs with whole paths, so that the same folder is the same from wherever it is named."""
    return [_absolute(spec) for spec in data]


def _absolute(spec: str) -> str:
    prefix = next((word for word in (FOLDER_PREFIX, DOMAINS_PREFIX, CAPTIONS_PREFIX) if spec.startswith(word)), None)
    if prefix is None:
        return spec
    path, mark_, options = spec.removeprefix(prefix).partition("?")
    return f"{prefix}{Path(path).expanduser().resolve()}{mark_}{options}"
