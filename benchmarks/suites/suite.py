"""A suite: a sweep as data, in one TOML file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.suites.variants import Variant, parse_variants
from unlearn_bench.documents import parse_toml
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.shown import visible

_FOLDER = Path(__file__).parent

SEEDS = range(-(2**63), 2**63)
"""What generators of random numbers take."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is run.

    Attributes:
        name: of the file, without its ending. summary: one line for `list suites`.
        models: model specs, as `--model` takes them.
        datasets: dataset specs; from each, classes are forgotten, and on all of them every run is measured.
        control: dataset specs that are measured as well, outside the score.
        classes: for a dataset, what is forgotten: class names, or lists of them to be forgotten at once; where there
            are domains, `dog` (in all), `dog@sketch` (in one) and `*@sketch` (a whole domain). A dataset that is not
            named here gives its own default; one with an empty list is measured only.
        tuning: for a dataset, the classes that `tune` uses.
        methods, metrics: names, or `["all"]`; a method may be one of `variants`, which `all` leaves out. Among
            metrics `standard-attack` is short for a set of them.
        variants: methods under other names, with other settings.
        seeds: one run each.
        train_split, test_split: what methods are given, and what tables are measured on.
        precision: in which test images are encoded (`fp32`, `bf16`, `fp16`).
        file: where it was read, for a suite of one's own: settings may lie beside it.
    """

    name: str
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    summary: str = ""
    control: tuple[str, ...] = ()
    classes: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    tuning: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    methods: tuple[str, ...] = ("all",)
    metrics: tuple[str, ...] = ("all",)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    train_split: str = "train"
    test_split: str = "test"
    precision: str = "fp32"
    file: Path | None = None


def known_suites() -> dict[str, str]:
    """Names of the suites in the package, with their summaries."""
    return {path.stem: str(_parse(path).get("summary", "")) for path in sorted(_FOLDER.glob("*.toml"))}


def load_suite(name: str) -> Suite:
    """The suite called `name`, or the one in the file of that path (ending in `.toml`).

    Raises:
        InputError: no such suite or file, not TOML, an unknown key, or a value of the wrong kind.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not path.is_file():
        if name.endswith(".toml"):
            raise InputError(f"no suite file at {name!r}; give a name ({', '.join(known_suites())}) or a path")
        raise unknown("suite", name, known_suites())
    table = _parse(path)
    known = {item.name for item in fields(Suite)} - {"name", "file"}
    for key in table:
        if key not in known:
            raise unknown(f"key in suite file {str(path)!r}", key, known)
    for key in ("models", "datasets"):
        if not table.get(key):
            raise InputError(f"suite file {str(path)!r} lacks {key!r}: a list of at least one name")
    variants = parse_variants(table.pop("variants", {}), where=f"suite file {str(path)!r}")
    values = {key: _value(path, key, value) for key, value in table.items()}
    return Suite(name=visible(path.stem), variants=variants, file=path if name.endswith(".toml") else None, **values)


def _parse(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"suite file {str(path)!r} is not TOML ({error}); mend that line") from error


def _value(path: Path, key: str, value: object) -> Any:  # noqa: ANN401  (each key has its own kind)
    def refuse(expected: str) -> InputError:
        return InputError(f"suite file {str(path)!r}: {key!r} must be {expected}; it is {value!r}")

    if key in {"summary", "train_split", "test_split", "precision"}:
        if not isinstance(value, str):
            raise refuse("a text")
        return value
    if key == "seeds":
        if not _is_list(value, int) or isinstance(value, str) or not all(seed in SEEDS for seed in value):  # type: ignore[attr-defined]
            raise refuse("a list of whole numbers of at most 63 bits")
        return tuple(value)  # type: ignore[arg-type]
    if key in {"classes", "tuning"}:
        groups = {name: _groups(names) for name, names in value.items()} if isinstance(value, dict) else {"": None}
        known = {name: found for name, found in groups.items() if found is not None}
        if len(known) < len(groups):
            raise refuse("a table of dataset to a list of class names")
        if key == "classes":
            return known
        return {name: tuple(item for group in found for item in group) for name, found in known.items()}
    if not _is_list(value, str):
        raise refuse("a list of names")
    return tuple(value)  # type: ignore[arg-type]


def _groups(names: object) -> tuple[tuple[str, ...], ...] | None:
    """Class names, alone or in lists, as groups; None where that is not what `names` is."""
    if not isinstance(names, list):
        return None
    groups = [[item] if isinstance(item, str) else item for item in names]
    return tuple(tuple(group) for group in groups) if all(_is_list(group, str) for group in groups) else None


def _is_list(value: object, kind: type) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)
    )
