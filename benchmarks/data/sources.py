"""From a dataset's name on the command line to the dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl, urlencode

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.dataset.prefixes import CAPTIONS_PREFIX, DOMAINS_PREFIX, FOLDER_PREFIX, HUB_PREFIX
from unlearn_bench.benchmarks.data.embedded.drawing.association_sets import MINI_ASSOCIATIONS
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS
from unlearn_bench.benchmarks.data.embedded.drawing.domain_sets import MINI_DOMAINS
from unlearn_bench.benchmarks.data.embedded.drawing.pair_sets import MINI_PAIRS
from unlearn_bench.benchmarks.data.layouts.photograph_facts import PHOTOGRAPHS
from unlearn_bench.downloads.assets import Asset
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.registry import Entry, catalogue, is_path_target, load

_DATA = "unlearn_bench.benchmarks.data"
_MAKERS = {
    FOLDER_PREFIX: f"{_DATA}.layouts.folder:open_classes",
    DOMAINS_PREFIX: f"{_DATA}.layouts.domain_folders:open_domains",
    CAPTIONS_PREFIX: f"{_DATA}.layouts.caption_files:open_captions",
    HUB_PREFIX: f"{_DATA}.layouts.hub:open_hub",
}
"""What makes a dataset from a spec with this beginning; imported when asked, which keeps `list` light."""

_EMBEDDED = {
    **dict.fromkeys(DATASETS, f"{_DATA}.embedded.mini:MiniDataset"),
    MINI_DOMAINS.name: f"{_DATA}.embedded.mini_domains:MiniDomains",
    MINI_PAIRS.name: f"{_DATA}.embedded.mini_pairs:MiniPairs",
    MINI_ASSOCIATIONS.name: f"{_DATA}.embedded.mini_associations:MiniAssociations",
}
"""The same for the datasets in this package, each by its name."""


def known_datasets() -> dict[str, Entry]:
    """The embedded datasets, the photographs, and those of installed plug-ins; imports neither torch nor NumPy."""
    embedded = {
        name: Entry(
            name=name,
            target=_EMBEDDED[name],
            summary=f"{len(facts.classes)} classes; {facts.source}",
            facts={"licence": facts.licence, "classes": facts.class_names},
        )
        for name, facts in DATASETS.items()
    }
    tasks = {
        MINI_DOMAINS.name: Entry(
            name=MINI_DOMAINS.name,
            target=_EMBEDDED[MINI_DOMAINS.name],
            summary=MINI_DOMAINS.summary,
            facts={"licence": MINI_DOMAINS.base.licence, "classes": MINI_DOMAINS.base.class_names},
        ),
        MINI_PAIRS.name: Entry(
            name=MINI_PAIRS.name,
            target=_EMBEDDED[MINI_PAIRS.name],
            summary=MINI_PAIRS.summary,
            facts={"licence": MINI_PAIRS.licence, "classes": MINI_PAIRS.topics},
        ),
        MINI_ASSOCIATIONS.name: Entry(
            name=MINI_ASSOCIATIONS.name,
            target=_EMBEDDED[MINI_ASSOCIATIONS.name],
            summary=MINI_ASSOCIATIONS.summary,
            facts={"licence": MINI_ASSOCIATIONS.base.licence, "classes": MINI_ASSOCIATIONS.class_names},
        ),
    }
    photographs = {
        name: Entry(
            name=name,
            target="unlearn_bench.benchmarks.data.layouts.photographs:open_photographs",
            summary=f"{facts.classes} classes; {facts.title}; {facts.source}",
            facts={"licence": facts.licence},
        )
        for name, facts in PHOTOGRAPHS.items()
    }
    return embedded | tasks | photographs | catalogue("datasets")


def is_embedded(spec: str) -> bool:
    """Whether it is a dataset of this package, drawn where it is needed."""
    return spec in _EMBEDDED


def open_dataset(spec: str) -> Dataset:
    """The dataset called `spec`, as it is on this machine: nothing is downloaded here.

    Args:
        spec: one of
            - an embedded one, such as `mini-digits`;
            - `caltech101` and the other photographs: from the data folder, or from a mirror in the hub's cache;
            - `caltech101:/path`: the same from a folder, in the layout of its authors;
            - `hf:owner/name?option=value&..`: from the hub's cache; `parse_hub_spec` has the options;
            - `folder:/path`: one folder per class;
            - `domains:/path?option=value&..`: `<domain>/<class>/`, and what can be forgotten is a class in a domain;
              `open_domains` has the options;
            - `captions:/path?captions=FILE&topic=WORD`: images with captions; `open_captions` has the options;
            - `file.py:make`, or an entry point's name: a function without arguments, or a class, that gives a
              `Dataset`.

    Raises:
        InputError: an unknown name, or data that are missing, incomplete or not what the name says.
    """
    name, colon, path = spec.partition(":")
    if name in PHOTOGRAPHS:
        from unlearn_bench.benchmarks.data.layouts.photographs import open_folder, open_photographs  # noqa: PLC0415

        return open_folder(name, Path(path).expanduser()) if colon else open_photographs(name)
    maker = next((target for prefix, target in _MAKERS.items() if spec.startswith(prefix)), _EMBEDDED.get(spec))
    if maker is not None:
        return cast(Callable[[str], Dataset], load(maker))(spec)
    if is_path_target(spec):
        return _from_plugin(spec, spec)
    outside = catalogue("datasets")
    if spec not in outside:
        forms = ["folder:/path", "domains:/path", "captions:/path", "hf:owner/name"]
        raise unknown("dataset", spec, [*_EMBEDDED, *PHOTOGRAPHS, *outside, *forms])
    return _from_plugin(spec, outside[spec].target)


def named_apart(datasets: Sequence[Dataset]) -> None:
    """Give datasets of different folders that have one name names with more of their paths: `folder:a/own`.

    Datasets of the same folder, or without one, keep their name: they are the same.
    """
    groups: dict[str, list[Dataset]] = {}
    for dataset in datasets:
        groups.setdefault(dataset.name, []).append(dataset)
    for name, group in groups.items():
        paths = [dataset.path for dataset in group]
        places = [path.parts for path in paths if isinstance(path, Path)]
        if len(group) < 2 or len(set(places)) < len(group):
            continue
        depth = next(n for n in range(2, 100) if len({parts[-n:] for parts in places}) == len(places))
        for dataset, parts in zip(group, places, strict=True):
            dataset.name = f"{name.partition(':')[0]}:{'/'.join(parts[-depth:])}"


def with_topics(spec: str, names: Sequence[str]) -> str:
    """`spec` with the topics that are to be forgotten, where it is of images with captions and names none itself.

    >>> with_topics("captions:/images", ["captions:images/dog+a guitar", "tree", "mini-digits/digit two"])
    'captions:/images?topic=dog&topic=a+guitar&topic=tree'
    """
    _, mark, options = spec.partition("?")
    if not spec.startswith(CAPTIONS_PREFIX) or "topic" in dict(parse_qsl(options)):
        return spec
    meant = [name for name in names if "/" not in name or name.startswith(CAPTIONS_PREFIX)]
    topics = [("topic", part.strip()) for name in meant for part in name.rpartition("/")[2].split("+")]
    return f"{spec}{'&' if mark else '?'}{urlencode(topics)}" if topics else spec


def asset_of(spec: str) -> Asset | None:
    """Where the images of `spec` come from and whether they are here; None for those that nobody has to fetch.

    Raises:
        InputError: `hf:` with an option that is not known.
    """
    if spec in PHOTOGRAPHS:
        from unlearn_bench.benchmarks.data.fetching.assets import photograph_asset  # noqa: PLC0415

        return photograph_asset(spec)
    if spec.startswith(HUB_PREFIX):
        from unlearn_bench.benchmarks.data.fetching.assets import hub_asset  # noqa: PLC0415

        return hub_asset(spec)
    return None


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
