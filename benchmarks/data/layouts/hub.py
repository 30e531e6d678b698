"""`hf:owner/name`: image datasets of the Hugging Face hub, read from its cache without the network."""

import hashlib
import importlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, overload

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Dataset, Index, LeftOut, Split
from unlearn_bench.benchmarks.data.dataset.domains import make_domain_labels
from unlearn_bench.benchmarks.data.dataset.partition import (
    FIFTH,
    WHOLE,
    Part,
    assign_splits,
    classes_lacking,
    cut_by_hash,
    default_classes,
)
from unlearn_bench.benchmarks.data.dataset.pictures import read_rgb
from unlearn_bench.benchmarks.data.dataset.prefixes import HUB_PREFIX
from unlearn_bench.benchmarks.data.dataset.templates import DEFAULT_TEMPLATE
from unlearn_bench.benchmarks.data.layouts.hub_files import HubRepository, cache_folder, find_snapshot, shortfall
from unlearn_bench.benchmarks.data.layouts.hub_spec import HubOptions, hub_repository, parse_hub_spec
from unlearn_bench.benchmarks.data.layouts.official import BY_HASH, OFFICIAL
from unlearn_bench.benchmarks.data.layouts.photograph_facts import Facts, spaced
from unlearn_bench.cache import cache_root, make_folder
from unlearn_bench.errors import InputError, unknown


class Table(Protocol):
    """What is used of a split that the package `datasets` loaded."""

    @property
    def features(self) -> Mapping[str, object]:
        """Columns and their kinds."""

    @overload
    def __getitem__(self, key: str) -> Sequence[Any]: ...
    @overload
    def __getitem__(self, key: int) -> Mapping[str, Any]: ...

    def cast_column(self, column: str, feature: object) -> "Table":
        """The same with another kind of column."""


class HubDataset(Dataset):
    """A dataset of the hub; `version` holds its commit, so that equal versions have equal pictures.

    Splits are told by their names as those of folders are (`assign_splits`); where there is no val, it is a fifth of
    train by a hash of the rows' numbers. A dataset of one split is cut 50 : 20 : 30.
    Class names are those of the label column, with spaces for underscores.

    Raises:
        InputError: not in the cache, not whole, the package `datasets` is missing, no such column or split, labels
            without names.
    """

    licence = "as its card on the hub says"
    threadsafe = True

    def __init__(
        self, name: str, repository: HubRepository, options: HubOptions, *, facts: Facts | None = None
    ) -> None:
        snapshot = _open_snapshot(name, repository)
        data_files = None if facts is None or facts.mirror is None else dict(facts.mirror.files)
        self._repository, self.path = repository.name, cache_folder(repository.name)
        tables = _load(name, snapshot, options.config, data_files)
        parts = _choose_splits(name, options, list(tables))
        first = tables[parts["test"]]
        self._image = _column(name, "image", options.image, first, "Image")
        self._label = _column(name, "label", options.label, first, "ClassLabel")
        used = list(dict.fromkeys(parts.values()))
        self._captions = _read_captions(name, options.caption, {part: tables[part] for part in used})
        self.classified = bool(options.template)
        raw = {part: list(tables[part][self._label]) for part in used}
        # Images stay bytes here, so that a broken one is met by this project's reader, which names its row.
        undecoded = _library(name).Image(decode=False)
        self._tables = {part: tables[part].cast_column(self._image, undecoded) for part in used}
        names, self._labels = _name_labels(name, self._label, first, raw)
        self.class_names = tuple((facts.as_named if facts else spaced)(item) for item in names)
        twice = sorted({item for item in self.class_names if self.class_names.count(item) > 1})
        if twice:
            raise InputError(
                f"dataset {name!r} has several classes called {', '.join(twice[:5])}; choose another ?label=.."
            )
        if options.domain:
            self._part_labels(name, options.domain, {part: tables[part] for part in used})
        self._rows, self.split_name = _place_rows(parts, self._labels)
        self.layout = ", ".join(f"{split} from {part!r}" for split, part in parts.items())
        if facts is None:
            self._leave_lacking(name)
        self.name, self.template = name, facts.template if facts else options.template or DEFAULT_TEMPLATE
        self.source = f"Hugging Face hub, {repository.name} at {snapshot.name[:12]}"
        self._origin = [snapshot.name, options.config, self._image, self._label, sorted(parts.items())]
        self._origin += [options.caption] if options.caption else []
        self.forget_classes, self.tuning_classes = default_classes(
            self.domain_labels.class_list if self.domain_labels else self.class_names
        )
        if facts:
            self.split_name, self.licence = OFFICIAL, facts.licence
            self.forget_classes, self.tuning_classes = facts.forget_classes, facts.tuning_classes
            self._check_mirror(facts)

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        """The split's name and a hash of commit, configuration, columns, splits and class names."""
        digest = hashlib.sha256(json.dumps([*self._origin, self.class_names]).encode()).hexdigest()
        return f"{self.split_name}-{digest[:12]}"

    def index(self, split: Split) -> Index:
        """Labels, and the hub's split and row."""
        rows = self._rows.get(split, ())
        labels = tuple(self._labels[part][row] for part, row in rows)
        return Index(
            labels=labels,
            names=tuple(f"{part}/{row}" for part, row in rows),
            domains=tuple(self.domain_labels.domains[label] for label in labels) if self.domain_labels else (),
            captions=tuple(self._captions[part][row] for part, row in rows) if self._captions else (),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The picture, as RGB; an error names the row."""
        part, place = self._rows[split][row]
        name = f"{self._repository}, split {part}, row {place}"
        cell = self._tables[part][place][self._image]
        if cell is None:
            raise BadImageError(name, "the cell is empty")
        if cell.get("bytes") is not None:
            return read_rgb(io.BytesIO(cell["bytes"]), name=name)
        return read_rgb(Path(str(cell.get("path"))), name=name)

    def _leave_lacking(self, name: str) -> None:
        """Take out the classes that have no image in train or none in test, and number the others anew."""
        counts = {split: [self._labels[part][row] for part, row in rows] for split, rows in self._rows.items()}
        lacking = classes_lacking(counts, len(self.class_names))
        if not lacking:
            return
        images = Counter(label for labels in counts.values() for label in labels)
        self.left_out = tuple(
            LeftOut(name=self.class_names[label], reason=f"the class has no image in {split}", count=images[label])
            for label, split in lacking.items()
        )
        kept = [label for label in range(len(self.class_names)) if label not in lacking]
        if len(kept) < 2:
            raise InputError(
                f"dataset {name!r} has {len(kept)} classes with images in train and test; two are needed"
            )
        places = {label: place for place, label in enumerate(kept)}
        if self.domain_labels is not None:
            own = self.domain_labels
            self.domain_labels = make_domain_labels([(own.classes[old], own.domains[old]) for old in kept], of=name)
        self.class_names = tuple(self.class_names[label] for label in kept)
        self._labels = {part: [places.get(label, -1) for label in labels] for part, labels in self._labels.items()}
        self._rows = {
            split: [(part, row) for part, row in rows if self._labels[part][row] >= 0]
            for split, rows in self._rows.items()
        }

    def _part_labels(self, name: str, column: str, tables: Mapping[str, Table]) -> None:
        """One label for each class in each domain: the labels of all parts are numbered anew."""
        first = next(iter(tables.values()))
        _column(name, "domain", column, first, "ClassLabel")
        raw = {part: list(table[column]) for part, table in tables.items()}
        names, numbers = _name_labels(name, column, first, raw, role="domain")
        used = {part: list(zip(numbers[part], self._labels[part], strict=True)) for part in tables}
        pairs = sorted({pair for found in used.values() for pair in found})
        self.domain_labels = make_domain_labels(
            [(self.class_names[label], names[domain]) for domain, label in pairs], of=name
        )
        self.class_names = self.domain_labels.names
        places = {pair: place for place, pair in enumerate(pairs)}
        self._labels = {part: [places[pair] for pair in found] for part, found in used.items()}

    def _check_mirror(self, facts: Facts) -> None:
        counts = {part: len(labels) for part, labels in self._labels.items()}
        wrong = {part: counts.get(part) for part, count in facts.images.items() if counts.get(part) != count}
        if len(self.class_names) != facts.classes or wrong:
            raise InputError(
                f"the mirror {self._repository!r} of {self.name!r} has {len(self.class_names)} classes and "
                f"{counts} images; expected {facts.classes} and {dict(facts.images)}; give {self.name}:/path"
            )
        for item in (*facts.forget_classes, *facts.tuning_classes, *facts.telling):
            self.label(item)


def open_hub(spec: str) -> Dataset:
    """The dataset that `hf:...` names."""
    name, options = parse_hub_spec(spec)
    shown = f"{HUB_PREFIX}{name}" + (f"/{options.config}" if options.config else "")
    return HubDataset(shown, hub_repository(name, options), options)


def mirror_repository(facts: Facts) -> HubRepository:
    """The files of a dataset's mirror."""
    if facts.mirror is None:
        raise InputError(f"{facts.title} has no mirror on the hub; give a local folder")
    return HubRepository(
        name=facts.mirror.repo, revision=facts.mirror.revision, patterns=tuple(facts.mirror.files.values())
    )


def open_mirror(name: str, facts: Facts) -> Dataset:
    """The dataset `name` from its mirror, with the names that its facts give it."""
    columns = {"image": facts.mirror.image, "label": facts.mirror.label} if facts.mirror else {}
    return HubDataset(name, mirror_repository(facts), HubOptions(**columns), facts=facts)


def _open_snapshot(name: str, repository: HubRepository) -> Path:
    snapshot = find_snapshot(repository)
    lacking = "" if snapshot is None else shortfall(repository, snapshot)
    if snapshot is None or lacking:
        what = f"is not whole in the hub's cache ({lacking})" if lacking else "is not in the hub's cache"
        local = "" if name.startswith(HUB_PREFIX) else f", or give {name}:/path"
        raise InputError(
            f"dataset {name!r} ({repository.name} at {repository.revision}) {what}; run "
            f"`unlearn-bench prepare`{local}"
        )
    return snapshot


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise InputError(
            f"reading {name!r} needs the package 'datasets' ({error}); install it: pip install datasets"
        ) from error


def _load(name: str, snapshot: Path, config: str, data_files: Mapping[str, str] | None) -> dict[str, Table]:
    library = _library(name)
    library.disable_progress_bars()  # the command line draws its own
    try:
        loaded = library.load_dataset(
            str(snapshot),
            name=config or None,
            data_files=data_files,
            cache_dir=str(make_folder(cache_root() / "hub", what="cache folder")),
            verification_mode="no_checks",  # a card describes all files, and only some may be wanted
        )
    except Exception as error:  # readers of many formats
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise InputError(
            f"dataset {name!r} at {str(snapshot)!r} can't be read ({reason}); name a configuration with ?config=.., "
            "or fetch it again"
        ) from error
    return dict(loaded)


def _choose_splits(name: str, options: HubOptions, known: Sequence[str]) -> dict[str, str]:
    """The hub's splits for `train`, `val` and `test`; all may be one."""
    given: dict[Part, str] = {"train": options.train, "val": options.val, "test": options.test}
    found = assign_splits(known, given=given, of=name)
    if len(known) == 1:
        return {"train": known[0], "test": known[0]}
    if "train" not in found or "test" not in found:
        raise InputError(f"dataset {name!r} has the splits {', '.join(known)}; name two with ?train=..&test=..")
    return {str(part): split for part, split in found.items()}


def _column(name: str, role: str, given: str, table: Table, kind: str) -> str:
    """The column that an option names, else the only one of the kind, else the one called like its role."""
    columns = list(table.features)
    if given:
        if given not in columns:
            raise unknown(f"column of {name!r}", given, columns)
        found = type(table.features[given]).__name__
        if kind == "ClassLabel" and found not in {"ClassLabel", "Value"}:
            raise InputError(
                f"column {given!r} of {name!r} holds {found}, not a {role}; name another with ?{role}=.."
            )
        return given
    fitting = [column for column in columns if type(table.features[column]).__name__ == kind]
    if len(fitting) == 1:
        return fitting[0]
    if role in (fitting or columns):
        return role
    raise InputError(f"dataset {name!r} has the columns {', '.join(columns)}; say which is the {role}: ?{role}=..")


def _read_captions(name: str, column: str, tables: Mapping[str, Table]) -> dict[str, list[tuple[str, ...]]]:
    """The texts of each row of each split; nothing where no column was named."""
    if not column:
        return {}
    found = {}
    for part, table in tables.items():
        if column not in table.features:
            raise unknown(f"column of {name!r}", column, list(table.features))
        cells = [[cell] if isinstance(cell, str) else cell for cell in table[column]]
        for row, texts in enumerate(cells):
            if not (isinstance(texts, list) and texts and all(isinstance(t, str) and t.strip() for t in texts)):
                raise InputError(
                    f"column {column!r} of {name!r} has no text in split {part!r}, row {row}; name another with "
                    "?caption=.., or leave that row out of the dataset"
                )
        found[part] = [tuple(texts) for texts in cells]
    return found


def _name_labels(
    name: str, column: str, table: Table, raw: Mapping[str, Sequence[Any]], *, role: str = "label"
) -> tuple[list[str], dict[str, list[int]]]:
    """Names of the classes (or domains), and the labels of each split as indices into them."""
    names = getattr(table.features[column], "names", None)
    values = {value for labels in raw.values() for value in labels}
    if names is None:
        if not all(isinstance(value, str) for value in values):
            raise InputError(
                f"the {role}s in column {column!r} of {name!r} have no names; name another with ?{role}=.."
            )
        names = sorted(values)
        places = {value: place for place, value in enumerate(names)}
        return names, {part: [places[value] for value in labels] for part, labels in raw.items()}
    for part, labels in raw.items():
        if any(not isinstance(value, int) or not 0 <= value < len(names) for value in labels):
            raise InputError(f"split {part!r} of {name!r} has images without a {role}; name another split")
    return list(names), {part: [int(value) for value in labels] for part, labels in raw.items()}


def _place_rows(
    parts: Mapping[str, str], labels: Mapping[str, Sequence[int]]
) -> tuple[dict[str, list[tuple[str, int]]], str]:
    rows = {part: [(part, row) for row in range(len(labels[part]))] for part in labels}
    shares, split_name = FIFTH, "hub"
    if parts["train"] == parts["test"]:
        shares, split_name = WHOLE, BY_HASH
    elif "val" in parts:
        return {split: rows[part] for split, part in parts.items()}, split_name
    cut = cut_by_hash(
        rows[parts["train"]],
        shares,
        group=lambda item: labels[item[0]][item[1]],
        name=lambda item: f"{item[0]}/{item[1]}",
    )
    return {"test": rows[parts["test"]]} | {split: sorted(items) for split, items in cut.items()}, split_name
