"""From a suite and the user's choices to the cells of a sweep, each with the key of its record."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.data.base import Dataset
from unlearn_bench.benchmarks.data.parting import SEPARATOR
from unlearn_bench.benchmarks.data.sources import with_topics
from unlearn_bench.benchmarks.embedding import as_precision
from unlearn_bench.benchmarks.preset import Preset, build_method, load_preset, load_synthesis, resolved
from unlearn_bench.benchmarks.suite import Suite
from unlearn_bench.benchmarks.variants import Variant, read_descriptions
from unlearn_bench.benchmarks.workbench import Setting, Workbench
from unlearn_bench.cache import data_root
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.leaderboards.records import EvaluationSet, Run
from unlearn_bench.methods.base import Method
from unlearn_bench.metrics.base import FEATURES, NEEDS, Feature, Metric
from unlearn_bench.registry import Entry, catalogue, file_hash, find, is_path_target, load
from unlearn_bench.synthesis import SynthesisSettings

ALL = "all"
DESCRIPTIONS = "descriptions"
"""In a run's synthesis settings: the hash of the sentences for which images are made, where a variant names some."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run and how to carry it out; plain data, since it crosses processes.

    Attributes:
        run: what is run; its key names the record.
        setting: the workbench it needs.
        method_target: where the method's class is loaded from.
        metric_targets: where the metrics' classes are loaded from.
        preset: where the hyperparameters come from.
        descriptions: for each forget class, sentences for which its synthetic images are made; empty: the class text.
    """

    run: Run
    setting: Setting
    method_target: str
    metric_targets: tuple[str, ...]
    preset: Mapping[str, Any]
    descriptions: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user narrowed the suite down to; None means all of the suite's.

    `datasets` filters what is forgotten, never what is evaluated. `methods` may add methods that the suite does not
    name, in files or in installed packages.
    """

    methods: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    models: Sequence[str] | None = None
    precision: str | None = None
    metrics: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class LoadedMethod:
    """A method's class with the place it came from."""

    target: str
    kind: type[Method]
    file: str | None


def load_method(name: str) -> LoadedMethod:
    """The method called `name`, or the class in `path/to/file.py:Class`.

    Raises:
        InputError: unknown, does not import, no subclass of Method, or without a name.
    """
    target = find("methods", name, kind="method").target
    kind = load(target)
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise InputError(f"method {name!r} is not a subclass of unlearn_bench.methods.base.Method")
    for attribute, example in (("name", "my-method"), ("access", "ZS")):
        if not isinstance(getattr(kind, attribute, None), str):
            raise InputError(
                f'method {name!r} lacks a {attribute}; add `{attribute} = "{example}"` to class {kind.__name__}'
            )
    if kind.access not in {"ZS", "semi-ZS", "not-ZS"}:
        raise InputError(f"method {name!r} has access {kind.access!r}; give 'ZS', 'semi-ZS' or 'not-ZS'")
    if is_path_target(name) and kind.name in catalogue("methods"):
        raise InputError(f"method {name!r} calls itself {kind.name!r}, which is taken; choose another name")
    return LoadedMethod(target=target, kind=kind, file=file_hash(target))


def load_metrics(names: Sequence[str], features: Collection[Feature] = ()) -> dict[str, tuple[str, Metric]]:
    """Metrics by name, each with its target; `all` stands for every registered one whose `default` is true, or one
    of the features of the dataset from which something is forgotten.
    """
    known = catalogue("metrics")
    chosen = dict.fromkeys(item for name in names for item in (sorted(known) if name == ALL else [name]))
    found = {}
    for name in chosen:
        target = find("metrics", name, kind="metric").target
        kind = load(target)
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


def load_player(suite: Suite, name: str) -> Player:
    """The variant of the suite called `name`, or the method."""
    if name in suite.variants and name in catalogue("methods"):
        raise InputError(f"variant {name!r} of suite {suite.name!r} has the name of a method; choose another")
    if suite.variants and name not in {*suite.variants, *catalogue("methods")} and not is_path_target(name):
        raise unknown("method or variant", name, [*catalogue("methods"), *suite.variants])
    variant = suite.variants.get(name, Variant(name="", method=name))
    return Player(method=load_method(variant.method), variant=variant)


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
    """What is measured; see `load_metrics`."""
    return load_metrics(choice.metrics if choice.metrics is not None else suite.metrics, features)


def cells_for(suite: Suite, choice: Choice, bench: Workbench) -> list[Cell]:
    """The cells of one model, method by method within each class, so that early records cover every method.

    Raises:
        InputError: an unknown method, dataset, class or metric, or a class that two datasets share.
    """
    players = [load_player(suite, name) for name in chosen_methods(suite, choice)]
    names = [player.name for player in players]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two of the methods are called {twice!r}, and tables could not part them; rename one")
    tasks = tasks_for(suite, choice, {n: e.dataset for n, e in bench.evaluated.items() if not e.control})
    owners = dict.fromkeys(dataset for dataset, _ in tasks)
    metrics = {name: chosen_metrics(suite, choice, bench.evaluated[name].features) for name in owners}
    cells: dict[str, Cell] = {}  # by key: what is named twice runs once
    for seed in choice.seeds if choice.seeds is not None else suite.seeds:
        for dataset, forget in tasks:
            for player in players:
                cell = _cell(suite, bench, player, metrics[dataset], dataset=dataset, forget=forget, seed=seed)
                cells[cell.run.key] = cell
    return list(cells.values())


def _cell(
    suite: Suite,
    bench: Workbench,
    player: Player,
    metrics: Mapping[str, tuple[str, Metric]],
    *,
    dataset: str,
    forget: tuple[str, ...],
    seed: int,
) -> Cell:
    method, variant = player.method, player.variant
    preset = load_preset(bench.setting.model, method.kind.name)
    run = run_for(
        suite.name,
        bench,
        method=method,
        hyperparameters=resolved(build_method(method.kind, {**preset.hyperparameters, **variant.hyperparameters})),
        dataset=dataset,
        forget=forget,
        metrics={name: metric.version for name, (_, metric) in metrics.items()},
        synthesis=_synthesis(bench, variant, forget),
        seed=seed,
    )
    descriptions = _descriptions(bench, variant, dataset, forget)
    return Cell(
        run=_as_variant(run, variant, descriptions) if variant.name else run,
        setting=bench.setting,
        method_target=method.target,
        metric_targets=tuple(target for target, _ in metrics.values()),
        preset=_provenance(preset, variant),
        descriptions=descriptions,
    )


def _provenance(preset: Preset, variant: Variant) -> Mapping[str, Any]:
    """Where the hyperparameters come from: values that a variant sets were not tuned or published with the rest."""
    if variant.source:
        return {**preset.provenance, "source": variant.source}
    return {"source": "given"} if variant.hyperparameters else preset.provenance


def _synthesis(bench: Workbench, variant: Variant, forget: tuple[str, ...]) -> SynthesisSettings:
    """The preset's settings with the variant's, and with those that it has for this class."""
    own = [name for name in forget if name in variant.by_class]
    if own and len(forget) > 1:
        raise InputError(
            f"variant {variant.name!r} has settings for {own[0]!r} alone, and {' + '.join(forget)} are to be "
            "forgotten at once; leave by_class out there"
        )
    by_class = variant.by_class[own[0]] if own else {}
    return load_synthesis(bench.setting.model, changes={**variant.synthesis, **by_class})


def _descriptions(
    bench: Workbench, variant: Variant, dataset: str, forget: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    for name in variant.descriptions:
        if name not in bench.evaluated:
            raise unknown(f"dataset under descriptions of variant {variant.name!r}", name, bench.evaluated)
    path = variant.descriptions.get(dataset)
    if path is None:
        return ()
    own = bench.evaluated[dataset].dataset
    names = forget if own.parting is None else [own.parting.classes[label] for label in own.labels(forget)]
    return read_descriptions(data_root() / Path(path).expanduser(), names)


def _as_variant(run: Run, variant: Variant, descriptions: tuple[tuple[str, ...], ...]) -> Run:
    """The run with what the variant changes beside hyperparameters and synthesis settings."""
    template = variant.template
    evaluation = tuple(replace(item, template=template) if template else item for item in run.evaluation)
    digest = hashlib.sha256(json.dumps(descriptions).encode()).hexdigest()[:16]
    synthesis = {**run.synthesis, DESCRIPTIONS: digest} if descriptions else run.synthesis
    return replace(run, evaluation=evaluation, synthesis=synthesis, variant=variant.definition())


def run_for(
    suite: str,
    bench: Workbench,
    *,
    method: LoadedMethod,
    hyperparameters: Mapping[str, Any],
    dataset: str,
    forget: tuple[str, ...],
    metrics: Mapping[str, int],
    synthesis: SynthesisSettings,
    seed: int,
) -> Run:
    """The identity of one cell."""
    return Run(
        suite=suite,
        model=bench.setting.model,
        fingerprint=bench.fingerprint,
        method=method.kind.name,
        method_version=method.kind.version,
        method_file=method.file,
        access=method.kind.access,
        kind=method.kind.kind,
        hyperparameters=hyperparameters,
        dataset=dataset,
        forget=forget,
        evaluation=tuple(
            EvaluationSet(
                name=name,
                version=item.dataset.version + ("+skip-bad" if bench.setting.skip_bad else ""),
                split=bench.setting.test_split,
                template=item.dataset.template,
                control=item.control,
                split_name=item.dataset.split_name,
            )
            for name, item in bench.evaluated.items()
        ),
        metrics=dict(metrics),
        synthesis={key: value for key, value in asdict(synthesis).items() if key != "batch_size"},
        train_split=bench.setting.train_split,
        seed=seed,
        precision=bench.setting.precision,
    )


def tasks_for(suite: Suite, choice: Choice, datasets: Mapping[str, Dataset]) -> list[tuple[str, tuple[str, ...]]]:
    """What is forgotten: pairs of dataset and names of the forget set, after the user's filters."""
    tasks = []
    for name in suite.classes:
        if name not in datasets:
            raise unknown(f"dataset under [classes] of suite {suite.name!r}", name, datasets)
    for name, dataset in datasets.items():
        given = suite.classes.get(name)
        groups = given if given is not None else tuple((item,) for item in dataset.forget_classes)
        for group in groups:
            tasks.append((name, dataset.canonical(group)))
    if choice.datasets is not None:
        for wanted in choice.datasets:
            if wanted not in datasets:
                raise unknown("dataset of this suite", wanted, datasets)
        tasks = [task for task in tasks if task[0] in choice.datasets]
    if choice.classes is None:
        return tasks
    allowed = {n: d for n, d in datasets.items() if choice.datasets is None or n in choice.datasets}
    return [find_class(item, allowed) for item in choice.classes]


def find_class(wanted: str, datasets: Mapping[str, Dataset]) -> tuple[str, tuple[str, ...]]:
    """The task for a class that the user named, alone or as `dataset/class`; several joined by `+` at once.

    Where there are domains, `dog` is the class in all of them, `dog@sketch` in one, and `*@sketch` a whole domain.
    """
    owner, _, rest = wanted.rpartition("/")
    parts = (rest if owner in datasets else wanted).split("+")
    names = tuple(dict.fromkeys(part.strip() for part in parts))
    if owner in datasets:
        return owner, datasets[owner].canonical(names)
    owners = [key for key, dataset in datasets.items() if all(dataset.knows(name) for name in names)]
    if not owners:
        stranger = next((n for n in names if not any(dataset.knows(n) for dataset in datasets.values())), wanted)
        parted = [dataset for dataset in datasets.values() if dataset.parting and SEPARATOR in stranger]
        if len(parted) == 1:
            parted[0].labels((stranger,))  # says whether it is the domain or the class
        raise unknown("class", stranger, [name for dataset in datasets.values() for name in dataset.choices])
    if len(owners) > 1:
        options = ", ".join(repr(f"{key}/{wanted}") for key in owners)
        raise InputError(f"class {wanted!r} is in {len(owners)} datasets; say which: {options}")
    return owners[0], datasets[owners[0]].canonical(names)


def settings_for(suite: Suite, choice: Choice, *, device: str, skip_bad: bool) -> list[Setting]:
    """One workbench setting for each model of the sweep."""
    sets = [(name, groups) for found in (suite.classes, suite.tuning) for name, groups in found.items()]
    given = [f"{name}/{item}" for name, groups in sets for item in _flat(groups)]
    topics = choice.classes if choice.classes is not None else given
    return [
        Setting(
            model=model,
            datasets=tuple(with_topics(spec, topics) for spec in suite.datasets),
            control=suite.control,
            train_split=suite.train_split,
            test_split=suite.test_split,
            device=device,
            skip_bad=skip_bad,
            precision=as_precision(choice.precision or suite.precision),
        )
        for model in (choice.models if choice.models is not None else suite.models)
    ]


def _flat(groups: Sequence[str] | Sequence[Sequence[str]]) -> list[str]:
    return [name for group in groups for name in ([group] if isinstance(group, str) else group)]


def take_shard(cells: Sequence[Cell], index: int, count: int) -> list[Cell]:
    """Every `count`-th cell from the `index`-th (1-based); all shards together are all cells, none twice."""
    return list(cells[index - 1 :: count])


def on_device(cell: Cell, device: str) -> Cell:
    """The same cell on another device (its record's key is the same)."""
    return replace(cell, setting=replace(cell.setting, device=device))
