"""`unlearn-bench site`: records into a static site."""

from collections.abc import Sequence
from pathlib import Path

import typer

from unlearn_bench.benchmarks.commands.beside import extras_of
from unlearn_bench.benchmarks.commands.leaderboard import chosen_records, opened
from unlearn_bench.cache import make_folder, write_text
from unlearn_bench.leaderboards.page.page import gathered, site
from unlearn_bench.shown import visible


def execute(
    *,
    runs: list[Path],
    out: Path,
    methods: Sequence[str] | None,
    datasets: Sequence[str] | None,
    classes: Sequence[str] | None,
    models: Sequence[str] | None,
    all_settings: bool,
    open_: bool,
) -> int:
    """Write all files of the site into a folder; those of an earlier one are written over."""
    records = chosen_records(runs, methods=methods, datasets=datasets, classes=classes, models=models)
    files = site(gathered(records, extras=extras_of(runs, records), all_settings=all_settings))
    for name, text in files.items():
        make_folder((out / name).parent, what="folder of the site")
        write_text(out / name, text)
    typer.echo(f"wrote {len(files)} files; the first is {visible(str(out / 'index.html'))}", err=True)
    if open_:
        opened(out / "index.html")
    return 0
