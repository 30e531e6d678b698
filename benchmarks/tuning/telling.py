"""What a user sees while settings are searched: how far, and how long at most."""

import time

from rich.console import Console

from unlearn_bench.benchmarks.sweep.estimate import duration
from unlearn_bench.shown import visible

_LINE_EVERY_S = 10.0


class Lines:
    """A line every ten seconds, on a terminal and in a log alike; it can be given to `tune` as its `telling`."""

    def __init__(self, console: Console, model: str) -> None:
        self._console, self._model = console, model
        self._began: float | None = None
        self._before = 0
        self._last = time.monotonic()

    def say(self, text: str) -> None:
        """A line by itself."""
        self._console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def __call__(self, done: int, most: int) -> None:
        """So many cells of at most so many were run."""
        now = time.monotonic()
        if self._began is None:
            self._began, self._before = now, done
        if now - self._last < _LINE_EVERY_S or done == self._before:
            return
        self._last = now
        left = (now - self._began) / (done - self._before) * max(0, most - done)
        self.say(f"tuning {self._model}: {done} of at most {most} cells, at most about {duration(left)} left")
