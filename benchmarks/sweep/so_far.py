"""The leaderboard of a sweep that is still under way: what can be compared already, while the rest runs."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep.work import Done
from unlearn_bench.cache import write_text
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.brief.overview import document
from unlearn_bench.leaderboards.brief.terminal import leader
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import CELLS, read_records
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.statistics.settings import main_settings

LEADERBOARD = "leaderboard.md"
"""In a run folder."""

PAGE_FILE = "leaderboard.html"
"""Beside it, once a sweep is over."""

_SHARE = 0.05
"""Of the time, at most, that goes into tables which are out of date soon."""

Task = tuple[str, str, str, tuple[str, ...], int]
"""A suite and a model's fingerprint, and what is forgotten, from which dataset, with which seed."""


class SoFar:
    """Writes the tables of those forget sets of which every method has its record, whenever there is one more.

    A row over two forget sets does not compare with one over four: until a forget set is done for all methods, it is
    in no row. Cells run forget set by forget set, those of different datasets in turn, so that the first tables come
    soon.

    Attributes:
        leader: who leads in the tables that were written last, in a few words; empty before the first.

    Args:
        cells: all of the sweep. ended: keys of those that had ended before it began.
        clock: in seconds.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        ended: Collection[str],
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._clock = folder, clock
        self._tasks = {cell.run.key: _task(cell) for cell in cells}
        self._open: dict[Task, set[str]] = defaultdict(set)
        for key, task in self._tasks.items():
            self._open[task] |= set() if key in ended else {key}
        self._records: dict[str, Record] = {}
        self._written = self._complete()
        self._due = 0.0
        self.leader = ""

    def note(self, done: Done) -> None:
        """A cell ended."""
        if done.key in self._tasks:
            self._open[self._tasks[done.key]].discard(done.key)
        now = self._clock()
        if self._complete() > self._written and now >= self._due:
            with suppress(OSError, InputError):  # tables that are out of date soon shall not end a sweep
                self._write()
            self._due = self._clock() + (self._clock() - now) / _SHARE

    def _complete(self) -> int:
        return sum(not waiting for waiting in self._open.values())

    def _write(self) -> None:
        keys = [key for key, task in self._tasks.items() if not self._open[task]]
        paths = [self._folder / CELLS / f"{key}.json" for key in keys if key not in self._records]
        found = read_records([path for path in paths if path.is_file()]).records
        self._records |= {record.run.key: record for record in found}
        shown = [self._records[key] for key in keys if key in self._records]
        self._written = self._complete()
        if shown:
            total, left = len(self._open), sum(len(waiting) for waiting in self._open.values())
            head = (
                f"**So far: {self._written} of {total} forget sets.** The sweep is under way, "
                f"{len(self._tasks) - left} of {len(self._tasks)} cells are done; these tables hold the forget sets "
                "of which all methods have their record."
            )
            write_text(self._folder / LEADERBOARD, f"{head}\n\n{document(shown)}")
            leads = "; ".join(filter(None, map(leader, boards(main_settings(shown)[0]))))
            self.leader = f"{self._written} of {total} forget sets: {leads}" if leads else ""


def _task(cell: Cell) -> Task:
    run = cell.run
    return run.suite, run.fingerprint, run.dataset, run.forget, run.seed
