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
from unlearn_bench.benchmarks.data.fetching.progress import following, size_text
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.downloads.assets import Asset, Availability
from unlearn_bench.downloads.transfer import brief, bytes_at
from unlearn_bench.errors import InputError
from unlearn_bench.models.hub_models import hub_model
from unlearn_bench.models.names import is_hub_id
from unlearn_bench.models.open_clip_weights import weights_asset
from unlearn_bench.registry import catalogue, is_path_target
from unlearn_bench.shown import console_of, visible

DEFAULT_SUITE = "paper"
_HEADERS = ("name", "kind", "state", "size", "disk free", "source", "licence", "where")


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What the assets on one file system still need, and what it has.

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
    skip_bad: bool = False,
) -> int:
    """Show, download, verify and perhaps decode; 0 if everything is here, 1 if something could not be fetched."""
    code = fetch(suite=suite, models=models, data=data, dry_run=dry_run)
    if decode and code == 0 and not dry_run:
        from unlearn_bench.benchmarks.images.decoding import decode as decode_images  # noqa: PLC0415  (imports torch)

        chosen = named(suite, models, data)
        decode_images(*chosen, console_of(stderr=True), typer.echo, skip_bad=skip_bad)
    return code


def fetch(*, suite: str | None, models: Sequence[str] | None, data: Sequence[str] | None, dry_run: bool) -> int:
    """Show, download and verify; 0 if everything is here, 1 if something could not be fetched."""
    assets, without = wanted(suite, models, data)
    availabilities = {name: asset.availability() for name, asset in assets.items()}
    _show(assets, availabilities, without)
    lacking = [name for name, availability in availabilities.items() if availability.state != "present"]
    if not lacking:
        typer.echo("everything is here")
        return 0
    disks = disks_for([availabilities[name] for name in lacking])
    _say_needed({name: availabilities[name] for name in lacking}, disks)
    if dry_run:
        _notes({name: availabilities[name].note for name in lacking})
        return 0
    short = next((disk for disk in disks if disk.needed > disk.free), None)
    if short is not None:
        typer.echo(
            f"error: not enough disk at {short.path!r}: {size_text(short.needed)} needed, {size_text(short.free)} "
            "free; free some, or choose another disk with HF_HOME (weights) or UNLEARN_BENCH_CACHE (images)",
            err=True,
        )
        return 1
    reasons = fetch_all({name: assets[name] for name in lacking}, console_of(stderr=True))
    return _finish(assets, lacking, reasons)


def wanted(
    suite: str | None, models: Sequence[str] | None, data: Sequence[str] | None
) -> tuple[dict[str, Asset], list[str]]:
    """The assets by name, and the models and datasets that need none.

    Models and datasets that are named replace the suite's. Without a suite, those named are all; nothing named is
    the paper's suite.

    Raises:
        InputError: no such suite, model or dataset, or nothing named.
    """
    models, data = named(suite, models, data)
    found: dict[str, Asset] = {}
    without = []
    made: list[tuple[str, Asset | None]] = [(spec, _weights(spec)) for spec in models]
    made += [(spec, _images(spec)) for spec in data]
    for spec, asset in made:
        if asset is None:
            without.append(spec)
        else:
            found[asset.name] = asset
    if not made:
        raise InputError("nothing to prepare: no model and no dataset is named; give --suite, --model or --data")
    return found, without


def _weights(spec: str) -> Asset | None:
    """The model's asset; a folder of the user's is no matter of the hub."""
    found = hub_model(spec)
    if found is None:
        return weights_asset(spec)
    return found if is_hub_id(found.repository) else None


def named(
    suite: str | None, models: Sequence[str] | None, data: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The models and the datasets that are meant, each once."""
    if suite is not None or (models is None and data is None):
        chosen = load_suite(suite if suite is not None else DEFAULT_SUITE)
        models = chosen.models if models is None else models
        data = (*chosen.datasets, *chosen.control) if data is None else data
    return tuple(dict.fromkeys(models or ())), tuple(dict.fromkeys(data or ()))


def _images(spec: str) -> Asset | None:
    """The dataset's asset; of what needs none, a name or a folder that does not open is an error here already."""
    asset = sources.asset_of(spec)
    if asset is None and not is_path_target(spec) and spec not in catalogue("datasets"):
        sources.open_dataset(spec)  # plug-ins are left alone: making one may be anything
    return asset


def disks_for(availabilities: Sequence[Availability]) -> list[Disk]:
    """What each file system still needs; sizes that nobody says count as nothing."""
    found: dict[int, Disk] = {}
    for availability in availabilities:
        place = existing(Path(availability.path))
        device = place.stat().st_dev
        before = found.get(device, Disk(path=str(place), needed=0, free=shutil.disk_usage(place).free))
        more = max(0, (availability.bytes or 0) - bytes_at(Path(availability.path)))
        found[device] = Disk(path=before.path, needed=before.needed + more, free=before.free)
    return list(found.values())


def existing(path: Path) -> Path:
    """The nearest folder over `path` that is there."""
    return next(
        folder for folder in (Path(os.path.abspath(path)), *Path(os.path.abspath(path)).parents) if folder.exists()
    )


def fetch_all(assets: Mapping[str, Asset], console: Console) -> dict[str, str]:
    """Fetch one after the other; the reasons of those that could not be."""
    reasons = {}
    for name, asset in assets.items():
        try:
            with following(console, name) as progress:
                asset.fetch(progress)
        except InputError as error:
            reasons[name] = str(error)
        except OSError as error:  # a disk that filled up, a folder of somebody else's
            reasons[name] = brief(error)
    return reasons


def _finish(assets: Mapping[str, Asset], fetched: Sequence[str], reasons: Mapping[str, str]) -> int:
    """Look again at what was fetched, and say what is still missing and how to get it by hand."""
    notes = {}
    for name in fetched:
        availability = assets[name].availability()
        if name not in reasons and availability.state == "present":
            size = size_text(availability.bytes)
            place = visible(str(availability.path))
            typer.echo(f"{name}: here and checked, {size}, licence {assets[name].licence}, at {place}")
            continue
        typer.echo(f"{name}: {reasons.get(name) or 'fetched, yet not complete'}", err=True)
        notes[name] = availability.note
    if not notes:
        typer.echo("everything is here")
        return 0
    typer.echo(f"still missing: {', '.join(notes)}")
    _notes(notes)
    return 1


def _show(assets: Mapping[str, Asset], availabilities: Mapping[str, Availability], without: Sequence[str]) -> None:
    rows = [_row(asset, availabilities[name]) for name, asset in assets.items()]
    screen = console_of()
    if rows and screen.is_terminal:
        table = Table(*_HEADERS)
        for row in rows:
            table.add_row(*row)
        screen.print(table)
    elif rows:
        typer.echo(tabulate(rows, headers=_HEADERS, tablefmt="simple", disable_numparse=True))
    if without:
        typer.echo(f"nothing to fetch for: {', '.join(without)}")


def _row(asset: Asset, availability: Availability) -> list[str]:
    free = shutil.disk_usage(existing(Path(availability.path))).free
    return [
        asset.name,
        asset.kind,
        availability.state,
        size_text(availability.bytes),
        size_text(free),
        asset.source,
        asset.licence,
        availability.path,
    ]


def _say_needed(lacking: Mapping[str, Availability], disks: Sequence[Disk]) -> None:
    unknown = [name for name, availability in lacking.items() if availability.bytes is None]
    parts = [f"{size_text(disk.needed)} at {disk.path} ({size_text(disk.free)} free)" for disk in disks]
    also = f"; and {', '.join(unknown)}, whose size is not known beforehand" if unknown else ""
    typer.echo(f"{len(lacking)} to fetch; disk needed: {', '.join(parts)}{also}")


def _notes(notes: Mapping[str, str]) -> None:
    for name, note in notes.items():
        if note:
            typer.echo(f"  {name}: {note}")
