"""`unlearn-bench prepare`: the weights and images of a suite, what is here, what is missing, and getting it."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from tabulate import tabulate

from unlearn_bench.benchmarks.data import sources
from unlearn_bench.benchmarks.fetching import following, size_text
from unlearn_bench.benchmarks.suite import load_suite
from unlearn_bench.downloads import brief, bytes_at
from unlearn_bench.errors import InputError
from unlearn_bench.registry import catalogue, is_path_target
from unlearn_bench.supplies import Standing, Supply
from unlearn_bench.weights import weights_supply

DEFAULT_SUITE = "paper"
_HEADERS = ("name", "kind", "state", "size", "disk free", "source", "licence", "where")


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What the supplies on one file system still need, and what it has.

    Attributes:
        path: one of the places on it. needed, free: bytes.
    """

    path: str
    needed: int
    free: int


def execute(
    *,
    suite: str | None,
    models: Sequence[str] | None,
    data: Sequence[str] | None,
    dry_run: bool,
    decode: bool = False,
) -> int:
    """Show, download, verify and perhaps decode; 0 if everything is here, 1 if something could not be fetched."""
    code = fetch(suite=suite, models=models, data=data, dry_run=dry_run)
    if decode and code == 0 and not dry_run:
        from unlearn_bench.benchmarks.decoding import decode as decode_images  # noqa: PLC0415  (imports torch)

        chosen = named(suite, models, data)
        decode_images(*chosen, Console(stderr=True), typer.echo)
    return code


def fetch(*, suite: str | None, models: Sequence[str] | None, data: Sequence[str] | None, dry_run: bool) -> int:
    """Show, download and verify; 0 if everything is here, 1 if something could not be fetched."""
    supplies, without = wanted(suite, models, data)
    standings = {name: supply.standing() for name, supply in supplies.items()}
    _show(supplies, standings, without)
    lacking = [name for name, standing in standings.items() if standing.state != "present"]
    if not lacking:
        typer.echo("everything is here")
        return 0
    disks = disks_for([standings[name] for name in lacking])
    _say_needed({name: standings[name] for name in lacking}, disks)
    if dry_run:
        _notes({name: standings[name].note for name in lacking})
        return 0
    short = next((disk for disk in disks if disk.needed > disk.free), None)
    if short is not None:
        typer.echo(
            f"error: not enough disk at {short.path!r}: {size_text(short.needed)} needed, {size_text(short.free)} "
            "free; free some, or choose another disk with HF_HOME (weights) or UNLEARN_BENCH_CACHE (images)",
            err=True,
        )
        return 1
    reasons = fetch_all({name: supplies[name] for name in lacking}, Console(stderr=True))
    return _finish(supplies, lacking, reasons)


def wanted(
    suite: str | None, models: Sequence[str] | None, data: Sequence[str] | None
) -> tuple[dict[str, Supply], list[str]]:
    """The supplies by name, and the models and datasets that need none.

    Models and datasets that are named replace the suite's. Without a suite, those named are all; nothing named is
    the paper's suite.

    Raises:
        InputError: no such suite, model or dataset, or nothing named.
    """
    models, data = named(suite, models, data)
    found: dict[str, Supply] = {}
    without = []
    made: list[tuple[str, Supply | None]] = [(spec, weights_supply(spec)) for spec in models]
    made += [(spec, _images(spec)) for spec in data]
    for spec, supply in made:
        if supply is None:
            without.append(spec)
        else:
            found[supply.name] = supply
    if not made:
        raise InputError("nothing to prepare: no model and no dataset is named; give --suite, --model or --data")
    return found, without


def named(
    suite: str | None, models: Sequence[str] | None, data: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The models and the datasets that are meant, each once."""
    if suite is not None or (models is None and data is None):
        chosen = load_suite(suite if suite is not None else DEFAULT_SUITE)
        models = chosen.models if models is None else models
        data = (*chosen.datasets, *chosen.control) if data is None else data
    return tuple(dict.fromkeys(models or ())), tuple(dict.fromkeys(data or ()))


def _images(spec: str) -> Supply | None:
    """The dataset's supply; of what needs none, a name or a folder that does not open is an error here already."""
    supply = sources.supply_of(spec)
    if supply is None and not is_path_target(spec) and spec not in catalogue("datasets"):
        sources.open_dataset(spec)  # plug-ins are left alone: making one may be anything
    return supply


def disks_for(standings: Sequence[Standing]) -> list[Disk]:
    """What each file system still needs; sizes that nobody says count as nothing."""
    found: dict[int, Disk] = {}
    for standing in standings:
        place = existing(Path(standing.path))
        device = place.stat().st_dev
        before = found.get(device, Disk(path=str(place), needed=0, free=shutil.disk_usage(place).free))
        more = max(0, (standing.bytes or 0) - bytes_at(Path(standing.path)))
        found[device] = Disk(path=before.path, needed=before.needed + more, free=before.free)
    return list(found.values())


def existing(path: Path) -> Path:
    """The nearest folder over `path` that is there."""
    return next(
        folder for folder in (Path(os.path.abspath(path)), *Path(os.path.abspath(path)).parents) if folder.exists()
    )


def fetch_all(supplies: Mapping[str, Supply], console: Console) -> dict[str, str]:
    """Fetch one after the other; the reasons of those that could not be."""
    reasons = {}
    for name, supply in supplies.items():
        try:
            with following(console, name) as progress:
                supply.fetch(progress)
        except InputError as error:
            reasons[name] = str(error)
        except OSError as error:  # a disk that filled up, a folder of somebody else's
            reasons[name] = brief(error)
    return reasons


def _finish(supplies: Mapping[str, Supply], fetched: Sequence[str], reasons: Mapping[str, str]) -> int:
    """Look again at what was fetched, and say what is still missing and how to get it by hand."""
    notes = {}
    for name in fetched:
        standing = supplies[name].standing()
        if name not in reasons and standing.state == "present":
            size = size_text(standing.bytes)
            typer.echo(f"{name}: here and checked, {size}, licence {supplies[name].licence}, at {standing.path}")
            continue
        typer.echo(f"{name}: {reasons.get(name) or 'fetched, yet not complete'}", err=True)
        notes[name] = standing.note
    if not notes:
        typer.echo("everything is here")
        return 0
    typer.echo(f"still missing: {', '.join(notes)}")
    _notes(notes)
    return 1


def _show(supplies: Mapping[str, Supply], standings: Mapping[str, Standing], without: Sequence[str]) -> None:
    rows = [_row(supply, standings[name]) for name, supply in supplies.items()]
    screen = Console(markup=False, highlight=False)
    if rows and screen.is_terminal:
        table = Table(*_HEADERS)
        for row in rows:
            table.add_row(*row)
        screen.print(table)
    elif rows:
        typer.echo(tabulate(rows, headers=_HEADERS, tablefmt="simple", disable_numparse=True))
    if without:
        typer.echo(f"nothing to fetch for: {', '.join(without)}")


def _row(supply: Supply, standing: Standing) -> list[str]:
    free = shutil.disk_usage(existing(Path(standing.path))).free
    return [
        supply.name,
        supply.kind,
        standing.state,
        size_text(standing.bytes),
        size_text(free),
        supply.source,
        supply.licence,
        standing.path,
    ]


def _say_needed(lacking: Mapping[str, Standing], disks: Sequence[Disk]) -> None:
    unknown = [name for name, standing in lacking.items() if standing.bytes is None]
    parts = [f"{size_text(disk.needed)} at {disk.path} ({size_text(disk.free)} free)" for disk in disks]
    also = f"; and {', '.join(unknown)}, whose size is not known beforehand" if unknown else ""
    typer.echo(f"{len(lacking)} to fetch; disk needed: {', '.join(parts)}{also}")


def _notes(notes: Mapping[str, str]) -> None:
    for name, note in notes.items():
        if note:
            typer.echo(f"  {name}: {note}")
