"""What stands beside records on a page: contact sheets, test images, what retrieval found, histories, trials."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.images.sheets import SHEETS, sheet_name
from unlearn_bench.benchmarks.presets.preset import FRONT, presets_for
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.page.extras import Example, Extras, MethodKey, Place, Trial
from unlearn_bench.leaderboards.records.histories import read_histories
from unlearn_bench.leaderboards.records.rankings import read_rankings
from unlearn_bench.leaderboards.records.record import EvaluationSet, Record
from unlearn_bench.leaderboards.statistics.intervals import ClassKey
from unlearn_bench.metrics.shared.rankings import Ranking

_EXAMPLES = 6
"""Test images of a forget set: few, since a page holds all of them."""

_SIDE = 96  # px


def extras_of(runs: Sequence[Path], records: Sequence[Record]) -> Extras:
    """All that can be had without a network; what is not there is left out."""
    folders = [run for run in runs if run.is_dir()]
    done = [record for record in records if record.status == "ok"]
    rankings = read_rankings(folders, _first_of_each_set(done))
    return Extras(
        sheets=_sheets(folders, done),
        examples=_examples(done),
        histories=read_histories(folders, _first_of_each(done)),
        trials=_trials(done),
        rankings=rankings,
        pictures=_found_pictures(rankings, done),
    )


def _first_of_each_set(records: Iterable[Record]) -> list[Record]:
    """Of each method on each model and forget set, its record of the first seed."""
    found: dict[tuple[object, ...], Record] = {}
    for record in sorted(records, key=lambda record: record.run.seed):
        run = record.run
        found.setdefault((run.suite, run.model, run.label, run.dataset, run.forget), record)
    return list(found.values())


def _found_pictures(rankings: Mapping[str, Sequence[Ranking]], records: Iterable[Record]) -> dict[Place, bytes]:
    """The pictures that rankings name, of datasets that are here as they were then."""
    sets = {item.name: item for record in records if record.run.key in rankings for item in record.run.evaluation}
    images = {
        (image.dataset, image.row): image.shows
        for each in rankings.values()
        for ranking in each
        for image in (*ranking.before, *ranking.after)
    }
    opened = {name: _opened(sets[name]) for name in dict.fromkeys(name for name, _ in images) if name in sets}
    found = {}
    for (name, row), shows in images.items():
        dataset = opened.get(name)
        picture = _picture(dataset, sets[name], row, shows) if dataset else None
        if picture is not None:
            found[name, row] = picture
    return found


def _picture(dataset: Dataset, item: EvaluationSet, row: int, shows: str) -> bytes | None:
    """A test image, if there is such a row and it shows what it should."""
    try:
        labels = dataset.index(item.split).labels  # type: ignore[arg-type]
        if row >= len(labels) or dataset.class_names[labels[row]] != shows:
            return None
        return _small(dataset.picture(item.split, row))  # type: ignore[arg-type]
    except (InputError, OSError):
        return None


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


def _examples(records: Iterable[Record]) -> dict[ClassKey, tuple[Example, ...]]:
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
            found[key] = _pictures(dataset, tested, run.forget) if dataset and tested else ()
    return found


def _opened(item: EvaluationSet) -> Dataset | None:
    """The dataset, if it is here and is the one of the records."""
    try:
        dataset = open_dataset(item.name)
    except (InputError, OSError):
        return None
    return dataset if dataset.version == item.version else None


def _pictures(dataset: Dataset, item: EvaluationSet, forget: Sequence[str]) -> tuple[Example, ...]:
    """Some images of the forget set, spread over all of them in the dataset's order."""
    try:
        labels = set(dataset.labels(forget))
        rows = [row for row, label in enumerate(dataset.index(item.split).labels) if label in labels]  # type: ignore[arg-type]
        step = max(1, len(rows) // _EXAMPLES)
        places = range(0, len(rows), step)[:_EXAMPLES]
        return tuple(
            Example(place=place, of=len(rows), image=_small(dataset.picture(item.split, rows[place])))  # type: ignore[arg-type]
            for place in places
        )
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
