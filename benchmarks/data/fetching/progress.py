"""What a user sees while something is downloaded or decoded: a bar on a terminal, plain lines in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from unlearn_bench.downloads.assets import Fetched

_LINE_EVERY_S = 10.0


def size_text(count: int | None) -> str:
    """Bytes for people, in powers of 1000 as disks are sold.

    >>> size_text(408_241_760), size_text(1_710_466_052), size_text(12), size_text(None)
    ('408 MB', '1.71 GB', '12 B', 'not known')
    """
    if count is None:
        return "not known"
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if round(size) < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


@contextmanager
def following(console: Console, name: str, *, show: Callable[[int | None], str] = size_text) -> Iterator[Fetched]:
    """A callback for how far one thing is: bytes, or what `show` makes of the numbers."""
    if not console.is_terminal:
        yield _on_lines(console, name, show)
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        TimeRemainingColumn(),
        console=console,
    ) as bar:
        task = bar.add_task(name, total=None, said="")
        yield lambda here, total: bar.update(task, completed=here, total=total, said=f"{show(here)} of {show(total)}")


def _on_lines(console: Console, name: str, show: Callable[[int | None], str]) -> Fetched:
    last = float("-inf")
    ended = False

    def tell(here: int, total: int | None) -> None:
        nonlocal last, ended
        now = time.monotonic()
        whole = total is not None and here >= total
        if now - last >= _LINE_EVERY_S or (whole and not ended):
            last, ended = now, whole
            of = "" if total is None else f" of {show(total)}"
            console.print(f"{name}: {show(here)}{of}", markup=False, highlight=False, soft_wrap=True)

    return tell
