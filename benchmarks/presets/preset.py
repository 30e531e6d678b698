"""Presets: the hyperparameters of each method for one model, and how they were found."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.suites.variants import SOURCES, with_tuples
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.methods.base import Method
from unlearn_bench.models.names import PLAIN, QUICK
from unlearn_bench.synthesis.settings import SynthesisSettings

_FOLDER = Path(__file__).parent
SAME_AS = "same_as"
"""In a preset's table: the method whose preset it shares."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One method's setting for one model.

    Attributes:
        hyperparameters: field values; fields that are not named keep the method's defaults.
        provenance: `source` (one of `SOURCES`) and, for tuned ones, trials, classes, scores, curve, search space.
    """

    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=lambda: {"source": "default"})


def preset_file(model: str) -> Path:
    """Where the presets of a model are: `RN50` for `RN50:openai` and `RN50-quickgelu:FILE`."""
    name = model.split(":", 1)[0]
    for activation in (QUICK, PLAIN):
        name = name.removesuffix(activation)
    return _FOLDER / f"{name}.toml"


def load_preset(model: str, method: str, *, folder: Path | None = None) -> Preset:
    """The preset of `method` for `model`; the method's defaults, marked so, where nobody found one."""
    tables = _read(model, folder)
    table = tables.get(method)
    if table is None:
        return Preset()
    if SAME_AS in table:
        if table[SAME_AS] not in tables:
            raise unknown(f"preset that {method!r} for {model!r} shares", str(table[SAME_AS]), tables)
        table = tables[table[SAME_AS]]
    provenance = {key: value for key, value in table.items() if key != "hyperparameters"}
    if provenance.get("source") not in SOURCES:
        raise unknown(f"preset source of {method!r} for {model!r}", str(provenance.get("source")), SOURCES)
    return Preset(hyperparameters=with_tuples(table.get("hyperparameters", {})), provenance=provenance)


def load_synthesis(
    model: str, *, changes: Mapping[str, Any] | None = None, folder: Path | None = None
) -> SynthesisSettings:
    """The settings of the synthetic images for `model`; the paper's defaults where the preset names none."""
    table = {**_read(model, folder).get("synthesis", {}), **(changes or {})}
    known = {item.name for item in dataclasses.fields(SynthesisSettings)}
    for key in table:
        if key not in known:
            raise unknown(f"synthesis setting in the presets of {model!r}", key, known)
    return SynthesisSettings(**table)


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


def _read(model: str, folder: Path | None) -> dict[str, Any]:
    return read_presets((folder or _FOLDER) / preset_file(model).name)


def read_presets(path: Path) -> dict[str, Any]:
    """The tables of a preset file; empty where there is no such file.

    Raises:
        InputError: the file is not TOML.
    """
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"preset file {str(path)!r} is not TOML ({error}); mend that line") from error
