"""Which test images the words of forgotten classes find, in files beside the records.

They are something to look at: no table reads them, no key depends on them, and runs that wrote none are as whole.
"""

import json
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

from unlearn_bench.cache import write_text
from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.records.storage import CELLS
from unlearn_bench.metrics.shared.rankings import MOST, Found, Ranking

_LONGEST = 1_000_000
"""Bytes of a file that is read: one class takes 500."""


def write_rankings(out: Path, run: Run, rankings: Iterable[Ranking]) -> None:
    """Write a run's rankings into its folder, a JSON object for each class; without any, no file is left."""
    path = _path(out / CELLS, run)
    text = "".join(f"{json.dumps(_plain(ranking), ensure_ascii=False)}\n" for ranking in rankings)
    if text:
        write_text(path, text)
    else:
        path.unlink(missing_ok=True)


def read_rankings(folders: Iterable[Path], records: Iterable[Record]) -> dict[str, tuple[Ranking, ...]]:
    """By run key, the rankings of these records, where one of the run folders holds them.

    What can't be read is passed over.
    """
    places = [folder / CELLS for folder in folders if folder.is_dir()]
    found = {}
    for record in records:
        path = next((each for place in places if (each := _path(place, record.run)).is_file()), None)
        rankings = _rankings(path) if path else ()
        if rankings:
            found[record.run.key] = rankings
    return found


def _path(place: Path, run: Run) -> Path:
    return place / f"{run.key}.found.jsonl"


def _plain(ranking: Ranking) -> dict[str, object]:
    sides = {side: [astuple(image) for image in getattr(ranking, side)] for side in ("before", "after")}
    return {"dataset": ranking.dataset, "query": ranking.query, **sides}


def _rankings(path: Path) -> tuple[Ranking, ...]:
    try:
        if path.stat().st_size > _LONGEST:
            return ()
        return tuple(_ranking(line) for line in path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ()


def _ranking(line: str) -> Ranking:
    data = json.loads(line)
    before, after = (tuple(_found(*image) for image in data[side][:MOST]) for side in ("before", "after"))
    return Ranking(dataset=str(data["dataset"]), query=str(data["query"]), before=before, after=after)


def _found(dataset: object, row: object, shows: object) -> Found:
    if not isinstance(row, int) or row < 0:
        raise ValueError(f"row {row!r} of no image")
    return Found(dataset=str(dataset), row=row, shows=str(shows))
