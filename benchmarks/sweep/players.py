"""Which methods and metrics take part: names, files and variants become classes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from unlearn_bench.benchmarks.isolation.telling import told_method, told_metric
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.suites.variants import Variant
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.methods.base import Access, Kind, Method
from unlearn_bench.metrics.base import FEATURES, NEEDS, Feature, Metric
from unlearn_bench.metrics.shared.attacks import STANDARD, spelled_out
from unlearn_bench.registry import Entry, catalogue, file_hash, find, is_own, is_path_target, load

ALL = "all"
_MOST_VERSIONS = 2**31
_LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user narrowed the suite down to; None means all of the suite's.

    `datasets` filters what is forgotten, never what is evaluated. `methods` may add methods that the suite does not
    name, in files or in installed packages. `presets` is a file of settings, or a folder of them; `tuned` one that
    was found for this sweep and counts more. `withheld` is what tuning used and no table may report. `template` is
    asked for with on every dataset, in place of its own. `curve`: methods also run at the points of their fronts.
    `tasks`: what is forgotten, found already, in place of all that `classes` and the suite say.
    `quick`: the first model, seed and class of each dataset, measured on few images and without audits.
    """

    methods: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    models: Sequence[str] | None = None
    precision: str | None = None
    metrics: Sequence[str] | None = None
    presets: Path | None = None
    tuned: Path | None = None
    withheld: Sequence[tuple[str, tuple[str, ...]]] = ()
    template: str = ""
    curve: bool = False
    quick: bool = False
    tasks: Sequence[tuple[str, tuple[str, ...]]] | None = None


@dataclass(frozen=True, kw_only=True)
class LoadedMethod:
    """A method's class with the place it came from."""

    target: str
    kind: type[Method]
    file: str | None


def load_method(name: str, *, here: bool = False, told: bool = False) -> LoadedMethod:
    """The method called `name`, or the class in `path/to/file.py:Class`.

    Code from outside is not imported by this process: what stands for it can say all that the method says of itself,
    and can't play. `here`: the class itself all the same, for those who check their own. `told`: the same stands for
    the package's own methods, for plans that run nothing: torch is not imported.

    Raises:
        InputError: unknown, does not import, no subclass of Method, or without a name.
    """
    target = find("methods", name, kind="method").target
    kind = _kind(target, here=here, told=told)
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise InputError(f"method {name!r} is not a subclass of unlearn_bench.methods.base.Method")
    _check_attributes(kind, name)
    if is_path_target(name) and kind.name in catalogue("methods"):
        raise InputError(f"method {name!r} calls itself {kind.name!r}, which is taken; choose another name")
    return LoadedMethod(target=target, kind=kind, file=file_hash(target))


def _check_attributes(kind: type[Method], name: str) -> None:
    for attribute, example in (("name", "my-method"), ("access", "ZS")):
        if not isinstance(getattr(kind, attribute, None), str):
            raise InputError(
                f'method {name!r} lacks a {attribute}; add `{attribute} = "{example}"` to class {kind.__name__}'
            )
    choices = {"access": get_args(Access), "kind": get_args(Kind), "default": (True, False)}
    for attribute, allowed in choices.items():
        value = getattr(kind, attribute)
        if not any(value is choice or (isinstance(value, str) and value == choice) for choice in allowed):
            raise InputError(
                f"method {name!r} has {attribute} {value!a}; give one of {', '.join(map(repr, allowed))}"
            )
    if type(kind.version) is not int or not 0 <= kind.version < _MOST_VERSIONS:
        raise InputError(f"method {name!r} has version {str(kind.version)[:40]!r}; give a whole number, such as 1")
    for attribute, text in (("name", kind.name), ("reference", kind.reference)):
        if not isinstance(text, str) or text != text.encode("utf-8", "replace").decode("utf-8"):
            raise InputError(f"method {name!r} has a {attribute} that is no text ({text!a}); give letters")
    if not 0 < len(kind.name.strip()) <= _LONGEST_NAME:
        raise InputError(f"method {name!r} has a name of {len(kind.name)} letters; give one of 1 to {_LONGEST_NAME}")


def _kind(target: str, *, here: bool, told: bool) -> object:
    if is_own(target):
        return told_method(target) if told else load(target)
    if here:
        return load(target)
    from unlearn_bench.benchmarks.isolation.describing import outside_method  # noqa: PLC0415  (it needs torch)

    return outside_method(target)


def load_metrics(names: Sequence[str], features: Collection[Feature] = ()) -> dict[str, tuple[str, Metric]]:
    """Metrics by name, each with its target; `all` stands for every registered one whose `default` is true, or one
    of the features of the dataset from which something is forgotten, `standard-attack` for those of that set. The
    package's own are told of, not imported.
    """
    known = catalogue("metrics")
    names = spelled_out(names)
    chosen = dict.fromkeys(item for name in names for item in (sorted(known) if name == ALL else [name]))
    found = {}
    for name in chosen:
        if name not in known and not is_path_target(name):
            raise unknown("metric", name, [*known, STANDARD])
        target = find("metrics", name, kind="metric").target
        kind = told_metric(target) if is_own(target) else load(target)
        if not (isinstance(kind, type) and issubclass(kind, Metric)):
            raise InputError(f"metric {name!r} is not a subclass of unlearn_bench.metrics.base.Metric")
        for need in kind.needs:
            if need not in NEEDS:
                raise unknown(f"evidence that metric {name!r} needs", need, NEEDS)
        if not isinstance(kind.default, bool) and kind.default not in FEATURES:
            raise unknown(f"default of metric {name!r}", kind.default, FEATURES)
        if name in names or kind.default is True or kind.default in features:
            found[kind.name] = (target, kind())
    return found


@dataclass(frozen=True, kw_only=True)
class Player:
    """A method as the suite lets it run: under its own name, or as one of the suite's variants."""

    method: LoadedMethod
    variant: Variant

    @property
    def name(self) -> str:
        """Of its rows."""
        return self.variant.name or self.method.kind.name


def load_player(suite: Suite, name: str, *, told: bool = False) -> Player:
    """The variant of the suite called `name`, or the method. `told`: see `load_method`."""
    if name in suite.variants and name in catalogue("methods"):
        raise InputError(f"variant {name!r} of suite {suite.name!r} has the name of a method; choose another")
    if suite.variants and name not in {*suite.variants, *catalogue("methods")} and not is_path_target(name):
        raise unknown("method or variant", name, [*catalogue("methods"), *suite.variants])
    variant = suite.variants.get(name, Variant(name="", method=name))
    return Player(method=load_method(variant.method, told=told), variant=variant)


def chosen_methods(suite: Suite, choice: Choice) -> list[str]:
    """Names of methods and variants in the order in which they run; `all` is short for what `_in_all` says."""
    known = catalogue("methods")
    names: list[str] = []
    for name in choice.methods if choice.methods is not None else suite.methods:
        names += [item for item in sorted(known) if _in_all(known[item])] if name == ALL else [name]
    return list(dict.fromkeys(names))


def _in_all(method: Entry) -> bool:
    return method.facts.get("kind") != "ablation" and bool(method.facts.get("default", True))


def chosen_metrics(suite: Suite, choice: Choice, features: Collection[Feature] = ()) -> dict[str, tuple[str, Metric]]:
    """What is measured; see `load_metrics`. A quick look leaves out what needs further evidence: the audits."""
    found = load_metrics(choice.metrics if choice.metrics is not None else suite.metrics, features)
    return {name: item for name, item in found.items() if not (choice.quick and item[1].needs)}
