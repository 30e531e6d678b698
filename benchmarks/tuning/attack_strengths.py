"""The command that says how strong the standard attack's blind attacks may be, on validation images alone.

    python -m unlearn_bench.benchmarks.tuning.attack_strengths --models mini-rn,mini-vit

tries `pruning`, `weight-noise` and `adversarial-image` at several strengths on the untouched models: no method plays,
no test image is opened, and the classes that are pushed are tuning classes, which no table reports. An attack on the
weights may be as strong as leaves every model four fifths of its accuracy on every dataset: with more, kept classes
fall too, and nothing that is found then is the target. A push on images may be as strong as takes fewer than a third
of other images to the name, over all datasets of each model: with more, any image is called anything. The constants
of the three metrics are what this picks on the embedded models; nothing is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import typer
from tabulate import tabulate
from torch import Tensor

from unlearn_bench.benchmarks.referee.conditions import choose_device
from unlearn_bench.benchmarks.referee.workbench import Evaluated, Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.tuning.classes import tuning_tasks
from unlearn_bench.benchmarks.tuning.settings import validation
from unlearn_bench.clip import Clip
from unlearn_bench.metrics.adversarial_image import EPSILON, OTHERS, pushed
from unlearn_bench.metrics.pruning import SHARE, pruned
from unlearn_bench.metrics.shared.encoding import embed, embed_texts, predict, sample
from unlearn_bench.metrics.weight_noise import SIZE, shaken
from unlearn_bench.mistakes import mistakes_in_a_line

app = typer.Typer(add_completion=False)

KEPT, TAKEN = 4 / 5, 1 / 3
"""Of its accuracy a model keeps at least the first; of other images fewer than the second are taken to a name."""

SHARES, SIZES, EPSILONS = (
    (0.05, 0.1, 0.2, 0.3, 0.5),
    (0.02, 0.05, 0.1, 0.2, 0.4),
    tuple(n / 255 for n in (0.5, 1, 2, 4, 8)),
)
"""What is tried of each, ascending."""

_SEEDS = (0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One attack at one strength with one model on one dataset's validation images.

    Attributes:
        own: accuracy (of a push: own images that are taken to their class), before and after. others: of a push, the
            share of other images that are taken to the class; of an attack on weights None.
    """

    attack: str
    strength: float
    model: str
    dataset: str
    before: float
    own: float
    others: float | None = None

    @property
    def kept(self) -> float:
        """Share of the accuracy that is left."""
        return self.own / self.before if self.before else 1.0


def look(bench: Workbench, suite: Suite) -> Iterator[Looked]:
    """All three attacks at all strengths, on all datasets of the bench."""
    weights: Mapping[str, tuple[Sequence[float], Callable[[float], Sequence[Clip]]]] = {
        "pruning": (SHARES, lambda share: [bench.clip.with_state(pruned(bench.clip, share))]),
        "weight-noise": (
            SIZES,
            lambda size: [bench.clip.with_state(shaken(seed, size)(bench.clip)) for seed in _SEEDS],
        ),
    }
    before = {name: _accuracy(bench.clip, item) for name, item in bench.evaluated.items()}
    for attack, (strengths, made) in weights.items():
        for strength in strengths:
            clips = made(strength)
            for name, item in bench.evaluated.items():
                own = sum(_accuracy(clip, item) for clip in clips) / len(clips)
                yield Looked(
                    attack=attack,
                    strength=strength,
                    model=bench.setting.model,
                    dataset=name,
                    before=before[name],
                    own=own,
                )
    tasks = tuning_tasks(suite, bench).tasks
    for strength in EPSILONS:
        for name, item in bench.evaluated.items():
            classes = [label for dataset, names in tasks if dataset == name for label in item.dataset.labels(names)]
            if classes:
                yield _pushes(bench, name, item, classes, strength)


def _accuracy(clip: Clip, item: Evaluated) -> float:
    images, texts = embed(clip, item.images.pixels), embed_texts(clip, item.dataset.texts)
    return float((predict(images, texts, like=item.before.embedded) == item.images.labels).double().mean())


def _pushes(bench: Workbench, name: str, item: Evaluated, classes: Sequence[int], epsilon: float) -> Looked:
    labels, before = item.images.labels, item.before.embedded
    own, others, known = [], [], []
    for label in classes:
        rows = sample(labels, (label,), OTHERS)
        seen, target = before.at(rows), labels[rows] == label
        hit = pushed(
            bench.clip,
            item.images.pixels[rows],
            seen,
            texts=before.texts,
            goals=torch.full_like(rows, label),
            scale=float(bench.clip.logit_scale),
            epsilon=epsilon,
        )
        own.append(_share(hit[target]))
        others.append(_share(hit[~target]))
        known.append(_share(predict(seen.images, before.texts, like=seen)[target] == label))
    return Looked(
        attack="adversarial-image",
        strength=epsilon,
        model=bench.setting.model,
        dataset=name,
        before=_mean(known),
        own=_mean(own),
        others=_mean(others),
    )


def _share(found: Tensor) -> float:
    return float(found.double().mean())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def picked(found: Sequence[Looked], attack: str) -> float | None:
    """The largest strength that the rule allows; None if none is.

    >>> kept = {0.1: 0.41, 0.2: 0.39}
    >>> found = [
    ...     Looked(attack="pruning", strength=size, model="m", dataset="d", before=0.5, own=own)
    ...     for size, own in kept.items()
    ... ]
    >>> picked(found, "pruning")
    0.1
    """
    allowed = []
    for strength in sorted({item.strength for item in found if item.attack == attack}):
        here = [item for item in found if (item.attack, item.strength) == (attack, strength)]
        if attack == "adversarial-image":
            models = {item.model for item in here}
            shares = [_mean([item.others or 0.0 for item in here if item.model == model]) for model in models]
            good = max(shares) < TAKEN
        else:
            good = min(item.kept for item in here) >= KEPT
        if not good:
            break  # what is stronger is not gentler
        allowed.append(strength)
    return allowed[-1] if allowed else None


def table(found: Sequence[Looked]) -> str:
    """A line for each attack, strength and model: the worst dataset, and what is picked against what is in force."""
    lines = []
    for attack, strength, model in dict.fromkeys((item.attack, item.strength, item.model) for item in found):
        here = [item for item in found if (item.attack, item.strength, item.model) == (attack, strength, model)]
        others = [item.others for item in here if item.others is not None]
        lines.append(
            [
                attack,
                f"{strength:.4g}",
                model,
                f"{_mean([item.before for item in here]):.3f}",
                f"{_mean([item.own for item in here]):.3f}",
                f"{min(item.kept for item in here):.3f}",
                f"{_mean(others):.3f}" if others else "",
            ]
        )
    heads = ["attack", "strength", "model", "before", "after", "least kept", "others taken"]
    return tabulate(lines, heads, disable_numparse=True)


def in_force() -> dict[str, float]:
    """The constants of the metrics."""
    return {"pruning": SHARE, "weight-noise": SIZE, "adversarial-image": EPSILON}


@app.command()
@mistakes_in_a_line
def main(
    *,
    models: Annotated[str, typer.Option(help="Models, separated by commas.")] = "mini-rn,mini-vit",
    suite: Annotated[str, typer.Option(help="Suite, by name or file: its datasets.")] = "mini",
    device: Annotated[str, typer.Option(help="Where models run.")] = "auto",
) -> None:
    """Show what untouched models keep at each strength; exit code 1 where a metric's constant is not what is picked.

    Example: python -m unlearn_bench.benchmarks.tuning.attack_strengths --models mini-rn
    """
    chosen = load_suite(suite)
    choice = Choice(models=[name.strip() for name in models.split(",") if name.strip()])
    settings = settings_for(chosen, choice, device=choose_device(device), skip_bad=False)
    found = [item for setting in settings for item in look(open_workbench(validation(setting)), chosen)]
    typer.echo(table(found))
    other = 0
    for attack, now in in_force().items():
        best = picked(found, attack)
        other += best != now
        typer.echo(f"{attack}: {'none fits' if best is None else f'{best:.4g}'}; in force: {now:.4g}")
    raise typer.Exit(int(other > 0))


if __name__ == "__main__":
    app()
