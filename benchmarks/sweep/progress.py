"""What a user sees while a sweep runs: a bar on a terminal, plain lines in a log."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unlearn_bench.benchmarks.sweep.notes import watching
from unlearn_bench.benchmarks.sweep.runner import Listener
from unlearn_bench.benchmarks.sweep.work import Done
from unlearn_bench.shown import visible

_LINE_EVERY_S = 10.0
_NOTES_EVERY_S = 10.0

_SPARE_LINES = 4
"""Of a terminal that bars of methods leave free."""


@contextmanager
def showing(
    console: Console,
    total: int,
    out: Path,
    *,
    methods: Mapping[str, str] | None = None,
    leader: Callable[[], str] = str,
) -> Iterator[Listener]:
    """A listener for the sweep's cells; `total` are still to do.

    Args:
        methods: by the keys of these cells, the method of each, for a bar of each method where they find room.
        leader: says who leads so far; empty while nobody does.

    What takes long within a cell is told as well, from the notes in the run folder `out`: a line for a cell that is
    at something else than some seconds ago.
    """
    with watching(out, _as_lines(console), every_s=_NOTES_EVERY_S):
        if console.is_terminal:
            with _bar(console) as bar:
                yield _on_bar(bar, console, total, methods or {}, leader)
        else:
            yield _on_lines(console, total, leader)


def _as_lines(console: Console) -> Callable[[Mapping[str, str]], None]:
    said: dict[str, str] = {}

    def show(notes: Mapping[str, str]) -> None:
        for key, text in notes.items():
            if key in said and said[key] != text:  # not at first sight: most cells are over before the second
                _line(console, text)
            said[key] = text

    return show


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )


def _on_bar(
    bar: Progress, console: Console, total: int, methods: Mapping[str, str], leader: Callable[[], str]
) -> Listener:
    whole = bar.add_task("cells", total=total, note="")
    counted = Counter(methods.values())
    room = 1 < len(counted) <= console.height - _SPARE_LINES
    each = {name: bar.add_task(escape(f"  {name}"), total=count, note="") for name, count in counted.items() if room}
    failed: Counter[str] = Counter()

    def listen(done: Done) -> None:
        name = methods.get(done.key, "")
        if done.status == "failed":
            failed[name] += 1
            console.print(visible(f"failed: {done.label}: {done.reason}"), style="red", markup=False, highlight=False)
        many = failed.total()
        said = "; ".join(filter(None, (f"{many} failed" if many else "", leader())))
        bar.update(whole, advance=1, note=said)
        if name in each:
            bar.update(each[name], advance=1, note=f"{failed[name]} failed" if failed[name] else "")

    return listen


def _on_lines(console: Console, total: int, leader: Callable[[], str]) -> Listener:
    started = last = time.monotonic()
    count = failed = 0

    def listen(done: Done) -> None:
        nonlocal last, count, failed
        count += 1
        now = time.monotonic()
        if done.status == "failed":
            failed += 1
            _line(console, f"failed: {done.label}: {done.reason}")
        if now - last >= _LINE_EVERY_S or count == total:
            last = now
            left = (now - started) / count * (total - count)
            so_far = f"; {found}" if (found := leader()) else ""
            _line(console, f"{count}/{total} cells, {failed} failed, about {left:.0f} s left{so_far}")

    return listen


def _line(console: Console, text: str) -> None:
    console.print(visible(text), markup=False, highlight=False, soft_wrap=True)
