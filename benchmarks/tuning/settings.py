"""Settings for a model that has none, or with a budget that was asked for: what `tune` and `run --tune` do alike."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from unlearn_bench.benchmarks.engines.engine import Engine
from unlearn_bench.benchmarks.presets.preset import SYNTHESIS, Presets
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.benchmarks.sweep.players import LoadedMethod
from unlearn_bench.benchmarks.sweep.tasks import Task
from unlearn_bench.benchmarks.tuning.found import (
    PER_CLASS,
    VALIDATION_SPLIT,
    keep_table,
    kept_table,
    question,
    to_preset,
)
from unlearn_bench.benchmarks.tuning.search import Budget, Telling, tune, tuning_run
from unlearn_bench.benchmarks.tuning.space import space_of
from unlearn_bench.benchmarks.tuning.synthesis import tune_synthesis
from unlearn_bench.cache import cache_root, make_folder
from unlearn_bench.methods.base import search_space
from unlearn_bench.synthesis.settings import SynthesisSettings


@dataclass(frozen=True, kw_only=True)
class Found:
    """One table for a preset file.

    Attributes:
        name: of the method, or `synthesis`. table: empty where no trial came to its end; `reason` then says why.
        about: for the file's table of that name. cached: whether it was found before.
    """

    name: str
    table: Mapping[str, Any]
    about: Mapping[str, Any]
    reason: str = ""
    cached: bool = False


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be found.

    Attributes:
        tasks: what is forgotten in a trial. methods: which are tuned; each declares ranges. trials: of each.
        images_anew: search the settings of the synthetic images though there are some.
        fresh: try anew what was tried before.
    """

    suite: Suite
    tasks: tuple[Task, ...]
    methods: Sequence[LoadedMethod]
    trials: int
    images_anew: bool = False
    fresh: bool = False


def validation(setting: Setting) -> Setting:
    """Where trials are run: what the sweep would open, measured on validation images and without controls."""
    return replace(setting, control=(), test_split=VALIDATION_SPLIT, precision="fp32", per_class=PER_CLASS)


def tunable_methods(methods: Sequence[LoadedMethod]) -> list[LoadedMethod]:
    """Those that declare ranges."""
    return [method for method in methods if search_space(method.kind)]


def find_settings(
    wanted: Wanted,
    bench: Workbench,
    known: Presets,
    engine: Engine,
    *,
    say: Callable[[str], None],
    telling: Telling,
) -> Iterator[Found]:
    """The settings of the synthetic images where there are none, then those of each method as its search ends.

    Args:
        known: what is known of settings for the model already.
    """
    images = known.synthesis()
    if wanted.images_anew or (SYNTHESIS not in known.tables and _use_images(wanted.methods)):
        images, table, about = _images(wanted, bench, images, say)
        yield Found(name=SYNTHESIS, table=table, about=about)
    budget = Budget(trials=wanted.trials, tasks=wanted.tasks, synthesis=images, suite=wanted.suite)
    folder = make_folder(cache_root() / "tuning" / bench.fingerprint, what="cache folder")
    names = {method.kind.name: _name(method, bench, budget) for method in wanted.methods}
    there = {name: None if wanted.fresh else kept_table(folder, key, say) for name, key in names.items()}
    for name, kept in there.items():
        if kept is not None:
            yield Found(name=name, table=kept, about={}, cached=True)
    waiting = [method for method in wanted.methods if there[method.kind.name] is None]
    searches = tune(waiting, bench, budget, out=folder, engine=engine, telling=telling, fresh=wanted.fresh)
    for tuned in searches:
        if tuned.nothing_found:
            yield Found(name=tuned.method, table={}, about={}, reason=tuned.nothing_found)
            continue
        found = to_preset(tuned, budget, engine.conditions)
        keep_table(folder, names[tuned.method], found)
        yield Found(name=tuned.method, table=found, about={})


def _name(method: LoadedMethod, bench: Workbench, budget: Budget) -> str:
    space = space_of(method.kind, bench.clip)
    run = tuning_run(method, space.first[0], budget.tasks[0], bench, budget)
    return f"{method.kind.name}-{question(run, space, budget)}"


def _use_images(methods: Sequence[LoadedMethod]) -> bool:
    """Whether one of the methods may ask for synthetic images: those that see no real ones do."""
    return any(method.kind.access == "ZS" for method in methods)


def _images(
    wanted: Wanted, bench: Workbench, base: SynthesisSettings, say: Callable[[str], None]
) -> tuple[SynthesisSettings, Mapping[str, Any], Mapping[str, Any]]:
    """The settings, their table, and how they were found; searched once for a model and these classes."""
    folder = make_folder(cache_root() / "tuning" / bench.fingerprint, what="cache folder")
    digest = hashlib.sha256(json.dumps([wanted.tasks, asdict(base)], default=list).encode()).hexdigest()[:16]
    kept = None if wanted.images_anew or wanted.fresh else kept_table(folder, f"{SYNTHESIS}-{digest}", say)
    if kept is None:
        say("settings of the synthetic images: a search of about a minute")
        found = tune_synthesis(bench, wanted.tasks, base, say=say)
        kept = {"source": "tuned", "table": found.table(), "about": found.provenance()}
        keep_table(folder, f"{SYNTHESIS}-{digest}", kept)
    return SynthesisSettings(**kept["table"]), kept["table"], kept["about"]
