"""What stands beside records on a page: contact sheets, test images, what retrieval found, histories, trials."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.images.image_cache import cached_pixels
from unlearn_bench.benchmarks.images.sheets import SHEETS, sheet_name
from unlearn_bench.benchmarks.presets.preset import FRONT, presets_for
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.page.extras import Example, Extras, MethodKey, Place, Trial, place_of
from unlearn_bench.leaderboards.records.histories import read_histories
from unlearn_bench.leaderboards.records.rankings import read_rankings
from unlearn_bench.leaderboards.records.record import EvaluationSet, Record
from unlearn_bench.leaderboards.statistics.intervals import ClassKey
from unlearn_bench.metrics.shared.rankings import Ranking

Pixels: TypeAlias = NDArray[np.uint8]
"""Of prepared images, (N, H, W, 3)."""

_EXAMPLES = 6
"""Test images of a forget set: few, since a page holds all of them."""

_SIDE = 96  # px


def extras_of(runs: Sequence[Path], records: Sequence[Record]) -> Extras:
    """All that can be had without a network; what is not there is left out."""
    folders = [run for run in runs if run.is_dir()]
    done = [record for record in records if record.status == "ok"]
    rankings = read_rankings(folders, _first_of_each_set(done))
    cached = cached_pixels({content for record in done for content in _contents(record).values()})
    return Extras(
        sheets=_sheets(folders, done),
        examples=_examples(done, cached),
        histories=read_histories(folders, _first_of_each(done)),
        trials=_trials(done),
        rankings=rankings,
        pictures=_found_pictures(rankings, done, cached),
    )


def _contents(record: Record) -> Mapping[str, str]:
    """By dataset, the hash of its images as the record notes it."""
    found = record.provenance.get("content")
    return {name: str(content) for name, content in found.items()} if isinstance(found, dict) else {}


def _first_of_each_set(records: Iterable[Record]) -> list[Record]:
    """Of each method on each model and forget set, its record of the first seed."""
    found: dict[tuple[object, ...], Record] = {}
    for record in sorted(records, key=lambda record: record.run.seed):
        run = record.run
        found.setdefault((run.suite, run.model, run.label, run.dataset, run.forget), record)
    return list(found.values())


def _found_pictures(
    rankings: Mapping[str, Sequence[Ranking]], records: Iterable[Record], cached: Mapping[str, Pixels]
) -> dict[Place, bytes]:
    """The pictures that rankings name, as far as the image cache holds them."""
    named = (
        place_of(record, image)
        for record in records
        for ranking in rankings.get(record.run.key, ())
        for image in (*ranking.before, *ranking.after)
    )
    return {
        place: _small(Image.fromarray(cached[place[0]][place[1]]))
        for place in dict.fromkeys(named)
        if place and place[0] in cached and place[1] < len(cached[place[0]])
    }


def _first_of_each(records: Iterable[Record]) -> list[Record]:
    """Of each method on each model, its records of the first forget set by name; one history each is enough."""
    found: dict[tuple[str, str, str], Record] = {}
    for record in sorted(records, key=lambda record: (record.run.dataset, record.run.forget, record.run.seed)):
        found.setdefault((record.run.suite, record.run.model, record.run.label), record)
    return list(found.values())


def _sheets(folders: Sequence[Path], records: Iterable[Record]) -> dict[tuple[str, ClassKey], bytes]:
    found: dict[tuple[str, ClassKey], bytes] = {}
    for record in sorted(records, key=lambda record: record.run.seed):
        run = record.run
        place = (run.model, (run.dataset, run.forget))
        if place not in found:
            paths = [folder / SHEETS / sheet_name(run) for folder in folders]
            path = next((path for path in paths if path.is_file()), None)
            if path:
                found[place] = path.read_bytes()
    return found


def _examples(records: Iterable[Record], cached: Mapping[str, Pixels]) -> dict[ClassKey, tuple[Example, ...]]:
    opened: dict[str, Dataset | None] = {}
    found: dict[ClassKey, tuple[Example, ...]] = {}
    for record in records:
        run = record.run
        key = (run.dataset, run.forget)
        if key not in found:
            tested = next((item for item in run.evaluation if item.name == run.dataset), None)
            if run.dataset not in opened:
                opened[run.dataset] = _opened(tested) if tested else None
            dataset = opened[run.dataset]
            pixels = cached.get(_contents(record).get(run.dataset, ""))
            found[key] = _pictures(dataset, tested, run.forget, pixels) if dataset and tested else ()
    return found


def _opened(item: EvaluationSet) -> Dataset | None:
    """The dataset, if it is here and is the one of the records."""
    try:
        dataset = open_dataset(item.name)
    except (InputError, OSError):
        return None
    return dataset if dataset.version == item.version else None


def _pictures(
    dataset: Dataset, item: EvaluationSet, forget: Sequence[str], cached: Pixels | None
) -> tuple[Example, ...]:
    """Some images of the forget set, spread over all of them in its order; those of the cache where it has them."""
    try:
        labels = set(dataset.labels(forget))
        index = dataset.index(item.split)  # type: ignore[arg-type]
        rows = [row for row, label in enumerate(index.labels) if label in labels]
        whole = cached if cached is not None and len(cached) == len(index) else None

        def picture(row: int) -> Image.Image:
            return dataset.picture(item.split, row) if whole is None else Image.fromarray(whole[row])  # type: ignore[arg-type]

        step = max(1, len(rows) // _EXAMPLES)
        places = range(0, len(rows), step)[:_EXAMPLES]
        return tuple(Example(place=place, of=len(rows), image=_small(picture(rows[place]))) for place in places)
    except (InputError, OSError):
        return ()


def _small(picture: Image.Image) -> bytes:
    plain = picture.convert("RGB")
    plain.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    plain.save(file, format="PNG")
    return file.getvalue()


def _trials(records: Iterable[Record]) -> dict[MethodKey, tuple[Trial, ...]]:
    """The fronts of the presets that the package or the model's folder holds, where the records used them."""
    found: dict[MethodKey, tuple[Trial, ...]] = {}
    for record in _first_of_each(records):
        if record.preset.get("source") != "tuned":
            continue
        try:
            table = presets_for(record.run.model).tables.get(record.run.method, {})
        except InputError:
            continue
        if table.get("score") != record.preset.get("score"):  # tuned anew since
            continue
        trials = [
            Trial(
                forgetting=float(point["forgetting"]),
                retention=float(point["retention"]),
                chosen=point.get("hyperparameters") == table.get("hyperparameters"),
            )
            for point in table.get(FRONT, ())
        ]
        found[record.run.model, record.run.label] = tuple(trials)
    return found
