"""Variants: a method of a suite under another name, with other hyperparameters, templates or synthetic images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.data.dataset.templates import check_template
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.synthesis.settings import check_settings

SOURCES = ("tuned", "paper", "paper-per-class", "default", "given")
"""Where hyperparameters come from: found with the common budget, published with the method, published with values
chosen on the reported classes, the method's defaults, or set by the user."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One configuration of a method, as a suite names it; ablations are variants, not copies of methods.

    Attributes:
        name: in `--methods` and in tables. method: the method's own name. summary: for readers.
        hyperparameters: values that replace the preset's.
        template: evaluation template with one `{}`, in place of every dataset's own. The method and the synthetic
            images keep the dataset's own template: what changes is only what the model is asked afterwards.
        synthesis: settings of the synthetic images that replace the preset's.
        by_class: settings of the synthetic images of single classes, by class name, before all others.
        descriptions: for a dataset, a JSON file (class name to a list of sentences); each synthetic image is then
            made for one of its class's sentences. A relative path starts at the data folder.
        source: where the setting comes from, for the ranks (one of `SOURCES`); empty: where the preset's does, or
            `given` where hyperparameters are set here.
    """

    name: str
    method: str
    summary: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    template: str = ""
    synthesis: Mapping[str, Any] = field(default_factory=dict)
    by_class: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def definition(self) -> dict[str, Any]:
        """What a record says of the variant: all that was set, with its name."""
        return {key: value for key, value in vars(self).items() if value and key != "summary"}


_TEXTS = {"method", "summary", "template", "source"}


def parse_variants(table: object, *, where: str) -> dict[str, Variant]:
    """The `[variants]` of a suite file.

    Args:
        where: names the file in messages.

    Raises:
        InputError: an unknown key, a value of the wrong kind, no method, a template without its `{}`.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: [variants] must be a table of names; it is {table!r}")
    return {name: _parse(name, facts, where=where) for name, facts in table.items()}


def _parse(name: str, facts: object, *, where: str) -> Variant:
    here = f"variant {name!r} in {where}"
    if not isinstance(facts, Mapping) or not isinstance(facts.get("method"), str):
        raise InputError(f'{here} lacks its method; write method = "lip" under [variants.{name}]')
    known = {item.name for item in fields(Variant)} - {"name"}
    for key, value in facts.items():
        if key not in known:
            raise unknown(f"key of {here}", str(key), known)
        kind: type = str if key in _TEXTS else Mapping
        if not isinstance(value, kind):
            raise InputError(f"{here}: {key!r} must be {'a text' if kind is str else 'a table'}; it is {value!r}")
    _check_values(facts, here)
    values: dict[str, Any] = {str(key): value for key, value in facts.items()}
    return Variant(**values | {"name": name, "hyperparameters": with_tuples(values.get("hyperparameters", {}))})


def _check_values(facts: Mapping[str, Any], here: str) -> None:
    if template := facts.get("template", ""):
        check_template(template, of=here)
    for settings in (facts.get("synthesis", {}), *facts.get("by_class", {}).values()):
        if isinstance(settings, Mapping):
            check_settings(settings, of=here)
    if facts.get("source") not in {None, *SOURCES}:
        raise unknown(f"source of {here}", str(facts["source"]), SOURCES)
    for class_name, settings in facts.get("by_class", {}).items():
        if not isinstance(settings, Mapping):
            raise InputError(f"{here}: by_class of {class_name!r} is {settings!r}; give a table of settings")
    for dataset, path in facts.get("descriptions", {}).items():
        if not isinstance(path, str):
            raise InputError(f"{here}: descriptions of {dataset!r} are {path!r}; give the path of a JSON file")


def with_tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has lists; a frozen method wants tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def read_descriptions(path: Path, class_names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The sentences of each class, from a JSON object of class name to list.

    A name is found as it is, or, failing that, by its words in any order and case: "2011 Ford Ranger SuperCab" is
    "Ford Ranger SuperCab 2011".

    Raises:
        InputError: no such file, not such JSON, or a class without sentences.
    """
    try:
        table = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"descriptions {str(path)!r} can't be read ({error.strerror}); put the file there, or name another in "
            "the suite"
        ) from error
    except ValueError as error:
        raise InputError(f"descriptions {str(path)!r} are not JSON ({error}); mend the file") from error
    if not isinstance(table, dict) or not all(_is_sentences(value) for value in table.values()):
        raise InputError(f"descriptions {str(path)!r} must be an object of class name to a list of sentences")
    by_words = {_words(name): sentences for name, sentences in table.items()}
    found = []
    for name in class_names:
        sentences = table.get(name, by_words.get(_words(name)))
        if not sentences:
            raise unknown(f"class in the descriptions {str(path)!r}", name, table)
        found.append(tuple(sentences))
    return tuple(found)


def _is_sentences(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _words(name: str) -> tuple[str, ...]:
    return tuple(sorted(name.lower().replace("_", " ").replace("-", " ").split()))
