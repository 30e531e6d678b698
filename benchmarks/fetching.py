"""What a user sees while something is downloaded: a bar on a terminal, plain lines in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from unlearn_bench.supplies import Fetched

_LINE_EVERY_S = 10.0


@contextmanager
def following(console: Console, name: str) -> Iterator[Fetched]:
    """A callback for one supply's bytes."""
    if not console.is_terminal:
        yield _on_lines(console, name)
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as bar:
        task = bar.add_task(name, total=None)
        yield lambda here, total: bar.update(task, completed=here, total=total)


def _on_lines(console: Console, name: str) -> Fetched:
    last = float("-inf")
    ended = False

    def tell(here: int, total: int | None) -> None:
        nonlocal last, ended
        now = time.monotonic()
        whole = total is not None and here >= total
        if now - last >= _LINE_EVERY_S or (whole and not ended):
            last, ended = now, whole
            of = "" if total is None else f" of {size_text(total)}"
            console.print(f"{name}: {size_text(here)}{of}", markup=False, highlight=False, soft_wrap=True)

    return tell


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
