"""What models that never saw the forget set take the test images for: a small file for each model and forget set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unlearn_bench.cache import make_folder, write_text
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import EvaluationSet
from unlearn_bench.models.retrained import file_stem

FOLDER = Path(__file__).parent.parent / "published" / "retrained"


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Predictions on the test images of one dataset.

    Attributes:
        name, version, split, template: of the dataset and its class texts; content: a hash of pixels and labels.
        accuracy: share of the images that are taken for their own class.
        predictions: for each image, in the dataset's order, the index of the nearest class text.
    """

    name: str
    version: str
    split: str
    template: str
    content: str
    accuracy: float
    predictions: tuple[int, ...]

    def fits(self, item: EvaluationSet, content: str) -> bool:
        """Whether a run that is measured on `item`, whose images have this hash, saw the same images and texts."""
        own = (self.version, self.split, self.template, self.content)
        return own == (item.version, item.split, item.template, content)


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """A model that was trained again without a forget set.

    Attributes:
        model, fingerprint: of the original. dataset, forget: what the retrained one has not seen.
        weights: its own fingerprint.
        accuracy_of_forgotten: for each forgotten class, how often its test images are still recognised.
        recipe: how it was trained.
        evaluated: its predictions.
    """

    model: str
    fingerprint: str
    dataset: str
    forget: tuple[str, ...]
    weights: str
    accuracy_of_forgotten: Mapping[str, float]
    recipe: Mapping[str, Any]
    evaluated: tuple[Predicted, ...]


def retrained_file(model: str, dataset: str, forget: Sequence[str], *, folder: Path = FOLDER) -> Path:
    """Where the predictions without these classes lie: `<model>/<dataset>-<class names>.json`."""
    return folder / file_stem([model]) / f"{file_stem([dataset])}-{file_stem(forget)}.json"


def write_retrained(found: Retrained, *, folder: Path = FOLDER) -> Path:
    """Write the file, atomically; returns where.

    Raises:
        InputError: the folder can't be written.
    """
    path = retrained_file(found.model, found.dataset, found.forget, folder=folder)
    make_folder(path.parent, what="folder of retrained predictions")
    table = asdict(found)
    parts = ",\n".join(f"  {json.dumps(part)}" for part in table.pop("evaluated"))  # a dataset a line
    head = json.dumps(table, indent=1, ensure_ascii=False).removesuffix("\n}")
    write_text(path, f'{head},\n "evaluated": [\n{parts}\n ]\n}}\n')
    return path


def find_retrained(
    model: str, *, fingerprint: str, dataset: str, forget: Sequence[str], folder: Path = FOLDER
) -> Retrained | None:
    """The predictions of a model like the one of this fingerprint, but without these classes; None if unknown.

    Raises:
        InputError: the file is broken.
    """
    path = retrained_file(model, dataset, forget, folder=folder)
    if not path.is_file():
        return None
    found = read_retrained(path)
    same = (found.fingerprint, found.dataset, set(found.forget)) == (fingerprint, dataset, set(forget))
    return found if same else None


def read_retrained(path: Path) -> Retrained:
    """The inverse of `write_retrained`.

    Raises:
        InputError: the file is broken.
    """
    try:
        table = parse_json(path.read_text(encoding="utf-8"))
        parts = [
            Predicted(**{**part, "predictions": tuple(int(label) for label in part["predictions"])})
            for part in table["evaluated"]
        ]
        return Retrained(**{**table, "forget": tuple(table["forget"]), "evaluated": tuple(parts)})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{str(path)!r} holds no predictions of a retrained model ({type(error).__name__}: {error}); write it "
            "again with `python -m unlearn_bench.benchmarks.mini.reference`"
        ) from error
