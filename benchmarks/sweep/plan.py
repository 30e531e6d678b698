"""From a suite and the user's choices to the cells of a sweep, each with the key of its record."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.data.sources import with_topics
from unlearn_bench.benchmarks.presets.preset import Preset, Presets, build_method, presets_for, resolved
from unlearn_bench.benchmarks.referee.cell import DESCRIPTIONS, Cell
from unlearn_bench.benchmarks.referee.outline import Outline, Planned
from unlearn_bench.benchmarks.referee.setting import Setting, as_precision
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.suites.variants import Variant, read_descriptions
from unlearn_bench.benchmarks.sweep.players import (
    Choice,
    LoadedMethod,
    Player,
    chosen_methods,
    chosen_metrics,
    load_metrics,
    load_player,
)
from unlearn_bench.benchmarks.sweep.tasks import Task, flat, quoted_names, tasks_for
from unlearn_bench.cache import data_root
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.leaderboards.records.record import CURVE, EvaluationSet, Run
from unlearn_bench.metrics.base import Metric
from unlearn_bench.models.names import shown_name
from unlearn_bench.synthesis.settings import SynthesisSettings

QUICK_PER_CLASS = 10
"""Test images of each class on which a quick look measures."""

QUICK = "-quick"
"""Behind a suite's name: the suite of its quick look, whose numbers are of fewer images."""

_CURVE_METRICS = ("accuracy", "average-score")


def cells_for(suite: Suite, choice: Choice, bench: Planned) -> list[Cell]:
    """The cells of one model, method by method within each class, so that early records cover every method.

    Of an `Outline` they are what they are of the workbench, and no method is imported.

    Raises:
        InputError: an unknown method, dataset, class or metric, or a class that two datasets share.
    """
    unopened = isinstance(bench, Outline)
    players = [load_player(suite, name, told=unopened) for name in chosen_methods(suite, choice)]
    names = [player.name for player in players]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two of the methods are called {twice!r}, and tables could not part them; rename one")
    tasks = tasks_for(suite, choice, {n: e.dataset for n, e in bench.evaluated.items() if not e.control})
    owners = dict.fromkeys(dataset for dataset, _ in tasks)
    metrics = {name: chosen_metrics(suite, choice, bench.evaluated[name].features) for name in owners}
    presets = presets_for(bench.setting.model, given=choice.presets, suite=suite.file, tuned=choice.tuned)
    cells: dict[str, Cell] = {}  # by key: what is named twice runs once
    seeds = choice.seeds if choice.seeds is not None else suite.seeds[: 1 if choice.quick else None]
    for seed in seeds:
        for dataset, forget in tasks:
            for player in players:
                cell = _cell(
                    suite, bench, player, presets, metrics[dataset], dataset=dataset, forget=forget, seed=seed
                )
                cells[cell.run.key] = cell
    return [
        *cells.values(),
        *(_curve(suite, bench, players, presets, tasks=tasks, seed=seeds[0]) if choice.curve else ()),
    ]


def _curve(
    suite: Suite, bench: Planned, players: Sequence[Player], presets: Presets, *, tasks: Sequence[Task], seed: int
) -> list[Cell]:
    """The points of each method's front on what is reported, with one seed and accuracies alone: a suite of its own.

    A method of which no front is known, a reference say, has one point: its setting. Variants have none.
    """
    cells: dict[str, Cell] = {}
    own = replace(suite, name=f"{suite.name}{CURVE}")
    metrics = load_metrics(_CURVE_METRICS)
    for dataset, forget in tasks:
        for player in (player for player in players if not player.variant.name):
            for point in presets.of(player.method.kind.name).points():
                cell = _cell(
                    own, bench, player, presets, metrics, dataset=dataset, forget=forget, seed=seed, preset=point
                )
                cells[cell.run.key] = cell
    return list(cells.values())


def _cell(
    suite: Suite,
    bench: Planned,
    player: Player,
    presets: Presets,
    metrics: Mapping[str, tuple[str, Metric]],
    *,
    dataset: str,
    forget: tuple[str, ...],
    seed: int,
    preset: Preset | None = None,
) -> Cell:
    """One cell, at the preset's setting of its method, or at `preset`."""
    method, variant = player.method, player.variant
    preset = preset or presets.of(method.kind.name)
    run = run_for(
        suite.name,
        bench,
        method=method,
        hyperparameters=resolved(build_method(method.kind, {**preset.hyperparameters, **variant.hyperparameters})),
        dataset=dataset,
        forget=forget,
        metrics={name: metric.version for name, (_, metric) in metrics.items()},
        synthesis=_synthesis(presets, variant, forget),
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


def _synthesis(presets: Presets, variant: Variant, forget: tuple[str, ...]) -> SynthesisSettings:
    """The preset's settings with the variant's, and with those that it has for this class."""
    own = [name for name in forget if name in variant.by_class]
    if own and len(forget) > 1:
        raise InputError(
            f"variant {variant.name!r} has settings for {own[0]!r} alone, and {' + '.join(forget)} are to be "
            "forgotten at once; leave by_class out there"
        )
    by_class = variant.by_class[own[0]] if own else {}
    return presets.synthesis({**variant.synthesis, **by_class})


def _descriptions(
    bench: Planned, variant: Variant, dataset: str, forget: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    for name in variant.descriptions:
        if name not in bench.evaluated:
            raise unknown(f"dataset under descriptions of variant {variant.name!r}", name, bench.evaluated)
    path = variant.descriptions.get(dataset)
    if path is None:
        return ()
    own = bench.evaluated[dataset].dataset
    names = (
        forget if own.domain_labels is None else [own.domain_labels.classes[label] for label in own.labels(forget)]
    )
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
    bench: Planned,
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
        model=shown_name(bench.setting.model, bench.name),
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
                version=item.version,
                split=bench.setting.test_split,
                template=item.dataset.template,
                control=item.control,
                split_name=item.dataset.split_name,
            )
            for name, item in bench.evaluated.items()
        ),
        metrics=dict(metrics),
        synthesis=synthesis.stated(),
        train_split=bench.setting.train_split,
        seed=seed,
        precision=bench.setting.precision,
    )


def settings_for(suite: Suite, choice: Choice, *, device: str, skip_bad: bool) -> list[Setting]:
    """One workbench setting for each model of the sweep."""
    models = choice.models if choice.models is not None else suite.models[: 1 if choice.quick else None]
    sets = [(name, groups) for found in (suite.classes, suite.tuning) for name, groups in found.items()]
    given = [f"{name}/{item}" for name, groups in sets for item in flat(groups)]
    topics = given if choice.classes is None else [name for text in choice.classes for name in quoted_names(text)]
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
            template=choice.template,
            per_class=QUICK_PER_CLASS if choice.quick else 0,
        )
        for model in models
    ]


def take_shard(cells: Sequence[Cell], index: int, count: int) -> list[Cell]:
    """Every `count`-th cell from the `index`-th (1-based); all shards together are all cells, none twice."""
    return list(cells[index - 1 :: count])
