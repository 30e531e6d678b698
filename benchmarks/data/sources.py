"""From a dataset's name on the command line to the dataset."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

from unlearn_bench.benchmarks.data.base import Dataset
from unlearn_bench.benchmarks.mini.concepts import DATASETS
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.registry import Entry, catalogue, is_path_target, load

FOLDER_PREFIX = "folder:"


def known_datasets() -> dict[str, Entry]:
    """The embedded datasets and those of installed plug-ins, by name; imports neither torch nor NumPy."""
    embedded = {
        name: Entry(
            name=name,
            target="unlearn_bench.benchmarks.data.mini:MiniDataset",
            summary=f"{len(facts.classes)} classes; {facts.source}",
            facts={"licence": facts.licence, "classes": facts.class_names},
        )
        for name, facts in DATASETS.items()
    }
    return embedded | catalogue("datasets")


def open_dataset(spec: str) -> Dataset:
    """The dataset called `spec`: an embedded one, `folder:/path`, `file.py:make`, or an entry point's.

    A plug-in is a function without arguments, or a class, that gives a `Dataset`.
    """
    if spec.startswith(FOLDER_PREFIX):
        from unlearn_bench.benchmarks.data.folder import FolderDataset  # noqa: PLC0415  (keeps `list` light)

        return FolderDataset(Path(spec.removeprefix(FOLDER_PREFIX)).expanduser())
    if spec in DATASETS:
        from unlearn_bench.benchmarks.data.mini import MiniDataset  # noqa: PLC0415  (keeps `list` light)

        return MiniDataset(spec)
    if is_path_target(spec):
        return _from_plugin(spec, spec)
    outside = catalogue("datasets")
    if spec not in outside:
        raise unknown("dataset", spec, [*DATASETS, *outside, "folder:/path"])
    return _from_plugin(spec, outside[spec].target)


def _from_plugin(spec: str, target: str) -> Dataset:
    maker = load(target)
    if not callable(maker):
        raise InputError(f"dataset {spec!r} is a {type(maker).__name__}, not a function that makes a Dataset")
    try:
        made = cast(Callable[[], object], maker)()
    except InputError:
        raise
    except Exception as error:  # a plug-in may raise anything
        reason = f"{type(error).__name__}: {error}".split("\n", 1)[0]
        raise InputError(f"dataset {spec!r} can't be made ({reason}); it is called without arguments") from error
    if not isinstance(made, Dataset):
        raise InputError(f"dataset {spec!r} made a {type(made).__name__}; it must make a Dataset")
    return made
