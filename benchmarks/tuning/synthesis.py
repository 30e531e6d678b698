"""Settings of the synthetic images for a model: searched on tuning classes, by acceptance and time."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import optuna

from unlearn_bench.benchmarks.referee.workbench import Evaluated, Workbench
from unlearn_bench.benchmarks.sweep.tasks import Task
from unlearn_bench.benchmarks.tuning.classes import spread
from unlearn_bench.synthesis.settings import SynthesisSettings
from unlearn_bench.synthesis.trying import Tried, try_settings

TRIALS = 16
SECONDS = 60.0
IMAGES = 4
"""Of each class in a trial; the check of what was chosen makes as many with other noise."""

_CLASSES = 3
"""At most, over all datasets: the time goes into trials."""

_STEPS = 200
_HIGHEST, _LOWEST = 0.95, 0.1
"""Ends of the threshold that is chosen; a trial climbs towards the upper one."""

_FEW = 0.25
"""Share of the images that may need a second attempt."""

_MARGIN = 0.9
"""Of the probability that all but those few reached: at the very edge of what can be reached, a climb takes long."""

_STEPS_WEIGHT = 0.1


@dataclass(frozen=True, kw_only=True)
class Try:
    """One trial: its settings, and what came of them.

    Attributes:
        score: mean over images of the probability reached while the target was the most probable class, minus
            .1 times the share of the steps that it took.
    """

    settings: SynthesisSettings
    score: float
    tried: Tried


@dataclass(frozen=True, kw_only=True)
class FoundSynthesis:
    """What the search came to.

    Attributes:
        settings: step, shift and blur of the best trial; thresholds, steps and patience read off its images.
        acceptance: share of fresh images (other noise) that pass at the first attempt. seconds: for one of them.
        classes: on which it was searched. curve: the best score after 1, 2, .. trials.
    """

    settings: SynthesisSettings
    acceptance: float
    seconds: float
    classes: tuple[str, ...]
    curve: tuple[float, ...]

    def table(self) -> dict[str, Any]:
        """The `[synthesis]` table of a preset file."""
        return {name: value for name, value in asdict(self.settings).items() if name != "batch_size"}

    def provenance(self) -> dict[str, Any]:
        """How it was found, for the same file."""
        return {
            "source": "tuned",
            "sampler": "optuna TPE, seed 0; the first trial is what was there before",
            "objective": "probability reached, less .1 of the share of steps; no method and no image was looked at",
            "classes": list(self.classes),
            "trials": len(self.curve),
            "acceptance": round(self.acceptance, 3),
            "seconds_per_image": round(self.seconds, 4),
            "curve": [round(value, 4) for value in self.curve],
        }


def tune_synthesis(
    bench: Workbench,
    tasks: Sequence[Task],
    base: SynthesisSettings,
    *,
    say: Callable[[str], None],
    trials: int = TRIALS,
    seconds: float = SECONDS,
) -> FoundSynthesis:
    """Search step size, shift and blur, then read thresholds and steps off the best trial.

    A trial climbs once with a few images of up to three tuning classes. Its score rewards the probability that is
    reached and, a little, getting there soon. The threshold is then .9 of what three of four images of the best trial
    reached (at least .1, at most .95), and falls to a half of it over the attempts; twice the steps that the slowest
    of those took are allowed, and half as many without a gain. What is chosen is tried once more with other noise.

    Args:
        tasks: tuning classes by dataset. base: where the search starts, and what it leaves as it is.
        trials: at most. seconds: after which no new trial begins; a single one may take its share of it.
    """
    chosen = spread(tasks)[:_CLASSES]
    space = replace(base, max_steps=_STEPS, threshold=_HIGHEST, threshold_floor=_HIGHEST, max_seconds=seconds / 4)
    done: list[Try] = []
    until = time.monotonic() + seconds

    def objective(asked: optuna.Trial) -> float:
        settings = replace(
            space,
            step_size=_rounded(asked.suggest_float("step_size", 2.0, 200.0, log=True)),
            jitter_px=asked.suggest_int("jitter_px", 0, 64),
            blur_sigma=_rounded(asked.suggest_float("blur_sigma", 0.0, 1.6)),
            blur_every=asked.suggest_categorical("blur_every", (1, 2, 4, 8, 16)),
        )
        found = _try(bench, chosen, settings, seed=0)
        done.append(found)
        shares = ", ".join(f"{found.tried.share_at(at):.0%} at {at:g}" for at in (0.9, 0.5, 0.1))
        say(f"synthetic images, trial {len(done)}/{trials}: {shares}; {found.tried.seconds:.1f} s")
        return found.score

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    study.enqueue_trial(
        {
            "step_size": min(max(base.step_size, 2.0), 200.0),
            "jitter_px": min(base.jitter_px, 64),
            "blur_sigma": min(base.blur_sigma, 1.6),
            "blur_every": min((1, 2, 4, 8, 16), key=lambda every: abs(every - base.blur_every)),
        }
    )
    while len(done) < trials and (not done or time.monotonic() < until):
        study.optimize(objective, n_trials=1)
    best = max(done, key=lambda trial: trial.score)
    settings = _with_thresholds(best, base)
    check = _try(bench, chosen, replace(settings, max_attempts=1, max_seconds=seconds / 4), seed=1).tried
    return FoundSynthesis(
        settings=settings,
        acceptance=check.share_at(settings.threshold),
        seconds=check.seconds / max(1, len(check.attempts)),
        classes=tuple(f"{dataset}/{'+'.join(names)}" for dataset, names in chosen),
        curve=tuple(max(trial.score for trial in done[: end + 1]) for end in range(len(done))),
    )


def _with_thresholds(best: Try, base: SynthesisSettings) -> SynthesisSettings:
    reached = sorted(item.best for item in best.tried.attempts)
    found = round(min(_HIGHEST, max(_LOWEST, _MARGIN * reached[int(_FEW * len(reached))])), 3)
    floor = max(min(_LOWEST, found), round(found / 2, 3))
    passed = [item.steps for item in best.tried.attempts if item.best >= found]
    steps = min(_STEPS, max(20, 2 * max(passed, default=_STEPS)))
    drops = max(1, base.max_attempts - 1)
    return replace(
        best.settings,
        images_per_class=base.images_per_class,
        threshold=found,
        threshold_floor=floor,
        threshold_drop=math.ceil(1000 * (found - floor) / drops) / 1000,
        max_steps=steps,
        patience=max(10, steps // 2),
        max_attempts=base.max_attempts,
        max_seconds=base.max_seconds,
    )


def _try(bench: Workbench, tasks: Sequence[Task], settings: SynthesisSettings, *, seed: int) -> Try:
    parts = [_on(bench, bench.evaluated[dataset], names, settings, seed=seed) for dataset, names in tasks]
    attempts = tuple(item for part in parts for item in part.attempts)
    tried = Tried(attempts=attempts, seconds=sum(part.seconds for part in parts))
    reached = sum(item.best for item in attempts) / max(1, len(attempts))
    steps = sum(item.steps for item in attempts) / max(1, len(attempts)) / settings.max_steps
    return Try(settings=settings, score=reached - _STEPS_WEIGHT * steps, tried=tried)


def _on(bench: Workbench, item: Evaluated, names: Sequence[str], settings: SynthesisSettings, *, seed: int) -> Tried:
    """One dataset's tuning class, told among the texts that an image of it is told among."""
    texts, domains = item.dataset.texts, item.dataset.label_domains
    target = item.dataset.labels(names)[0]
    rivals = [place for place in range(len(texts)) if not domains or domains[place] == domains[target]]
    return try_settings(
        bench.clip,
        texts=[texts[place] for place in rivals],
        targets=[rivals.index(target)],
        settings=settings,
        images=IMAGES,
        seed=seed,
        task=f"tuning {item.dataset.name}",
    )


def _rounded(value: float) -> float:
    """Three significant digits: what is tried is what the file says."""
    return float(f"{value:.3g}")
