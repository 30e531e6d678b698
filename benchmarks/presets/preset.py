"""Presets: the settings of each method and of the synthetic images for one model, and how they were found."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.presets.places import preset_name, preset_places
from unlearn_bench.benchmarks.suites.variants import SOURCES, with_tuples
from unlearn_bench.documents import parse_toml
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.methods.base import Method
from unlearn_bench.synthesis.settings import UNTUNED, SynthesisSettings

SAME_AS = "same_as"
"""In a preset's table: the method whose preset it shares."""

FRONT = "front"
"""In a tuned preset's table: trials that no other beats in forgetting and retention, with their settings."""

_IN_THE_FILE = frozenset({"hyperparameters", FRONT, "space", "curve"})
"""What a record does not repeat of its preset."""

SYNTHESIS, ABOUT = "synthesis", "about"
"""Tables that are no method's: settings of the synthetic images, and for which model the file was written."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One method's setting for one model.

    Attributes:
        hyperparameters: field values; fields that are not named keep the method's defaults.
        provenance: `source` (one of `SOURCES`) and, for tuned ones, trials, classes, scores, how they were found.
        front: other settings of the trials, from the one that forgets least: the points of the method's curve.
    """

    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=lambda: {"source": "default"})
    front: tuple[Mapping[str, Any], ...] = ()

    def points(self) -> "tuple[Preset, ...]":
        """The settings of the front as presets, each with its number; where no front is known, this one."""
        return tuple(
            Preset(hyperparameters=values, provenance={**self.provenance, "point": number, "points": len(self.front)})
            for number, values in enumerate(self.front, start=1)
        ) or (self,)


@dataclass(frozen=True, kw_only=True)
class Presets:
    """The settings that are known for one model; plain data, so that it crosses processes.

    Attributes:
        model: its spec, for messages.
        tables: by the name of a method, and `synthesis`: what the first place that has such a table says.
        files: by the same names, the file that says it.
        fingerprints: of the models that the files were written for, by file, where a file says so.
    """

    model: str
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that have settings here."""
        return tuple(name for name in self.tables if name != SYNTHESIS)

    def of(self, method: str) -> Preset:
        """The preset of a method; its defaults, marked so, where nobody found one.

        Raises:
            InputError: a source that is none, a shared preset that is not there, or settings that are no tables.
        """
        table = self.tables.get(method)
        if table is None:
            return Preset()
        if SAME_AS in table:
            shared = str(table[SAME_AS])
            if shared not in self.tables:
                raise unknown(f"preset that {method!r} for {self.model!r} shares", shared, self.methods)
            table = self.tables[shared]
        provenance = {key: value for key, value in table.items() if key not in _IN_THE_FILE}
        if provenance.get("source") not in SOURCES:
            raise unknown(f"preset source of {method!r} for {self.model!r}", str(provenance.get("source")), SOURCES)
        points = table.get(FRONT, [])
        if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
            raise InputError(f"front of {method!r} for {self.model!r} must be a list of tables; it is {points!r}")
        settings = [table.get("hyperparameters", {}), *(point.get("hyperparameters") for point in points)]
        for place, values in enumerate(settings):
            if not isinstance(values, dict):
                what = f"point {place} of the front of" if place else "hyperparameters of"
                raise InputError(f"{what} {method!r} for {self.model!r} must be a table; it is {values!r}")
        first, *others = (with_tuples(values) for values in settings)
        return Preset(hyperparameters=first, provenance=provenance, front=tuple(others))

    def synthesis(self, changes: Mapping[str, Any] | None = None) -> SynthesisSettings:
        """The settings of the synthetic images, with `changes`; `UNTUNED` where there are none for this model.

        A table of settings stands for itself: what it does not name is as in the paper.

        Raises:
            InputError: a setting that is not known, or has no such value.
        """
        known = {item.name: item.type for item in dataclasses.fields(SynthesisSettings)}
        table = self.tables.get(SYNTHESIS)
        for key in {**(table or {}), **(changes or {})}:
            if key not in known:
                raise unknown(f"synthesis setting in the presets of {self.model!r}", key, known)
        base = UNTUNED if table is None else SynthesisSettings(**table)
        return dataclasses.replace(base, **(changes or {}))

    def of_other_models(self, fingerprint: str) -> tuple[str, ...]:
        """The files in use that were written for a model with other weights, in the order of their names."""
        used = set(self.files.values())
        return tuple(sorted(file for file, own in self.fingerprints.items() if file in used and own != fingerprint))


def presets_for(
    model: str, *, given: Path | None = None, suite: Path | None = None, tuned: Path | None = None
) -> Presets:
    """What is known of settings for `model`; `preset_places` says where that is looked for.

    Args:
        tuned: a folder of files named as in `preset_name`, which count more than all others; they need not be there.

    Raises:
        InputError: a file that is given and not there, is not TOML, or holds something else than tables.
    """
    first = [] if tuned is None else [tuned / f"{preset_name(model)}.toml"]
    return merged(model, [*first, *preset_places(model, given=given, suite=suite)])


def merged(model: str, places: Iterable[Path]) -> Presets:
    """The tables of these files; where several have one of the same name, that of the first."""
    tables: dict[str, Mapping[str, Any]] = {}
    files: dict[str, str] = {}
    fingerprints: dict[str, str] = {}
    for path in places:
        for name, table in read_presets(path).items():
            if name == ABOUT:
                fingerprints[str(path)] = str(table.get("fingerprint", ""))
            elif name not in tables:
                tables[name], files[name] = table, str(path)
    return Presets(model=model, tables=tables, files=files, fingerprints=fingerprints)


def build_method(kind: type[Method], hyperparameters: Mapping[str, Any]) -> Method:
    """An instance of `kind` with these values, or an error that names the hyperparameter it does not know."""
    known = [item.name for item in dataclasses.fields(kind)]
    for key in hyperparameters:
        if key not in known:
            raise unknown(f"hyperparameter of {kind.name!r}", key, known)
    try:
        return kind(**hyperparameters)
    except (TypeError, ValueError) as error:  # abstract, a field without a default, or a value it refuses
        raise InputError(f"method {kind.name!r} can't be made with its hyperparameters ({error})") from error


def resolved(method: Method) -> dict[str, Any]:
    """All of a method's hyperparameters with their values, as plain data."""
    return dataclasses.asdict(method)


def read_presets(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a preset file; empty where there is no such file.

    Raises:
        InputError: the file is not TOML, or holds something that is no table.
    """
    if not path.is_file():
        return {}
    try:
        found = parse_toml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"preset file {str(path)!r} is not TOML ({error}); mend that line") from error
    for name, table in found.items():
        if not isinstance(table, dict):
            raise InputError(
                f"preset file {str(path)!r} must hold a table for each method; {name!r} is {table!r}: write "
                f"[{name}] above it"
            )
    return found
