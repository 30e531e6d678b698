"""`unlearn-bench leaderboard`: records into tables."""

from pathlib import Path

import typer

from unlearn_bench.benchmarks.images.sheets import SHEETS
from unlearn_bench.cache import atomic_path, write_text
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_records, write_csv
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.tables.front_plot import PICTURES, draw
from unlearn_bench.leaderboards.tables.render import FORMATS, render


def execute(*, runs: list[Path], out: Path | None, fmt: str, baseline: str | None, records: Path | None) -> int:
    """Render to a file or to the screen; pictures to a file."""
    if fmt not in (*FORMATS, *PICTURES):
        raise unknown("format", fmt, (*FORMATS, *PICTURES))
    if fmt in PICTURES and out is None:
        raise InputError(f"a picture ({fmt}) goes into a file, got no --out; add --out front.{fmt}")
    found = load_records(runs)
    if records is not None:
        _writable(records)
        write_csv(records, found)
        typer.echo(f"wrote {len(found)} records to {records}", err=True)
    if fmt in PICTURES and out is not None:
        _writable(out)
        picture = draw(boards(found), fmt=fmt)
        with atomic_path(out) as part:
            part.write_bytes(picture)
        typer.echo(f"wrote {out}", err=True)
        return 0
    text = render(found, fmt=fmt, baseline=baseline, sheets=load_sheets(runs) if fmt == "html" else None)
    if out is None:
        typer.echo(text)
    else:
        _writable(out)
        write_text(out, text)
        typer.echo(f"wrote {out}", err=True)
    return 0


def load_sheets(runs: list[Path]) -> dict[str, bytes]:
    """The contact sheets in these run folders, by name."""
    paths = [path for run in runs for path in sorted((run / SHEETS).glob("*.png"))]
    return {path.stem: path.read_bytes() for path in paths}


def load_records(runs: list[Path]) -> tuple[Record, ...]:
    """The records of all these places; broken files are named on the error stream."""
    loaded = read_records(runs)
    for broken in loaded.set_aside:
        typer.echo(f"warning: {broken}", err=True)
    if not loaded.records:
        raise InputError(f"no records in {', '.join(repr(str(run)) for run in runs)}; run a sweep first")
    return loaded.records


def _writable(path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError(f"no folder {str(path.parent)!r} to write {path.name!r} into; make it first")
