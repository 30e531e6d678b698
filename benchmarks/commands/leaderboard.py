"""`unlearn-bench leaderboard`: records into tables."""

import webbrowser
from collections.abc import Sequence
from pathlib import Path

import typer

from unlearn_bench.cache import atomic_path, remove_litter, write_text
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.leaderboards.brief.overview import document
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.selection import Selection, select
from unlearn_bench.leaderboards.records.storage import read_records, write_csv
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.statistics.settings import main_settings
from unlearn_bench.leaderboards.tables.asides import in_words
from unlearn_bench.leaderboards.tables.figure import PICTURES, draw
from unlearn_bench.leaderboards.tables.render import FORMATS, render
from unlearn_bench.shown import visible

PAGE = "html"
"""The format that is made elsewhere than the text formats."""

KNOWN = (*FORMATS, PAGE, *PICTURES)


def execute(
    *,
    runs: list[Path],
    out: Path | None,
    fmt: str,
    open_: bool = False,
    baseline: str | None,
    records: Path | None,
    methods: Sequence[str] | None,
    datasets: Sequence[str] | None,
    classes: Sequence[str] | None,
    models: Sequence[str] | None,
    all_settings: bool,
) -> int:
    """Render to a file or to the screen; pictures to a file."""
    if fmt not in KNOWN:
        raise unknown("format", fmt, KNOWN)
    if fmt in PICTURES and out is None:
        raise InputError(f"a picture ({fmt}) goes into a file, got no --out; add --out front.{fmt}")
    if open_ and (fmt != PAGE or out is None):
        raise InputError("--open shows a page that was written to a file; give both --format html and --out FILE")
    found = chosen_records(runs, methods=methods, datasets=datasets, classes=classes, models=models)
    if records is not None:
        _writable(records)
        remove_litter(records.parent, of=records.name)
        write_csv(records, found)
        typer.echo(f"wrote {len(found)} records to {records}", err=True)
    if fmt in (*PICTURES, "csv"):  # which have no room for a word
        found = found if all_settings else _main(found)
    if out is not None:
        _writable(out)
        remove_litter(out.parent, of=out.name)
    if fmt in PICTURES and out is not None:
        picture = draw(boards(found), fmt=fmt)
        with atomic_path(out) as part:
            part.write_bytes(picture)
        typer.echo(f"wrote {visible(str(out))}", err=True)
        return 0
    text = _text(runs, found, fmt=fmt, baseline=baseline, all_settings=all_settings)
    if out is None:
        typer.echo(text)
    else:
        write_text(out, text)
        typer.echo(f"wrote {visible(str(out))}", err=True)
    if open_ and out is not None:
        opened(out)
    return 0


def _text(
    runs: Sequence[Path], records: Sequence[Record], *, fmt: str, baseline: str | None, all_settings: bool
) -> str:
    if fmt == PAGE:
        return page_of(runs, records, baseline=baseline, all_settings=all_settings)
    if fmt == "md":
        return document(records, baseline=baseline, all_settings=all_settings)
    return render(records, fmt=fmt, baseline=baseline, all_settings=all_settings)


def page_of(
    runs: Sequence[Path], records: Sequence[Record], *, baseline: str | None = None, all_settings: bool = False
) -> str:
    """The records as one HTML file, with what the run folders hold beside them."""
    from unlearn_bench.benchmarks.commands.beside import extras_of  # noqa: PLC0415  (presets import methods)
    from unlearn_bench.leaderboards.page.page import gathered, one_file  # noqa: PLC0415

    return one_file(gathered(records, baseline=baseline, extras=extras_of(runs, records), all_settings=all_settings))


def opened(path: Path) -> None:
    """Ask the system's browser to show a file; where there is none, say where the file is."""
    if not webbrowser.open(path.resolve().as_uri()):
        typer.echo(f"no browser was found; open {visible(str(path))} yourself", err=True)


def chosen_records(
    runs: list[Path],
    *,
    methods: Sequence[str] | None,
    datasets: Sequence[str] | None,
    classes: Sequence[str] | None,
    models: Sequence[str] | None,
) -> tuple[Record, ...]:
    """The records of these places that fit the filters.

    Raises:
        InputError: no records, or none that fits.
    """
    found = select(load_records(runs), Selection(methods=methods, datasets=datasets, classes=classes, models=models))
    if not found:
        raise InputError("no record fits all of these filters at once; leave one of them out")
    return found


def _main(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """The records without those of other settings, which are named on the error stream."""
    found, asides = main_settings(records)
    for aside in asides:
        typer.echo(f"left out, unless --all-settings: {visible(in_words(aside))}", err=True)
    return found


def load_records(runs: list[Path]) -> tuple[Record, ...]:
    """The records of all these places; broken files are named on the error stream."""
    loaded = read_records(runs)
    for broken in loaded.set_aside:
        typer.echo(f"warning: {broken}", err=True)
    if not loaded.records:
        raise InputError(f"no records in {', '.join(repr(str(run)) for run in runs)}; run a sweep first")
    return loaded.records


def _writable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"no folder {str(path.parent)!r} to write {path.name!r} into; make it first")
