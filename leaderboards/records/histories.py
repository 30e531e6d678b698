"""What methods reported step by step, from the files beside the records."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import CELLS

Step = dict[str, object]


def read_histories(folders: Iterable[Path], records: Iterable[Record]) -> dict[str, tuple[Step, ...]]:
    """By run key, the history of these records, where one of the run folders holds it.

    A file that can't be read, or a line of it that is no step, is passed over: a history is something to look at.
    """
    places = [folder / CELLS for folder in folders if folder.is_dir()]
    found = {}
    for record in records:
        path = next((each for place in places if (each := _path(place, record)).is_file()), None)
        steps = _steps(path) if path else ()
        if steps:
            found[record.run.key] = tuple(steps)
    return found


def _path(place: Path, record: Record) -> Path:
    return place / f"{record.run.key}.history.jsonl"


def _steps(path: Path) -> Sequence[Step]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    steps = []
    for line in lines:
        try:
            step = json.loads(line)
        except json.JSONDecodeError:  # cut while it was written
            continue
        if isinstance(step, dict):
            steps.append(step)
    return steps
