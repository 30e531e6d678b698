"""One run under way: what the referee hands out to the method, and what it notes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.images.image_cache import PreparedImages
from unlearn_bench.benchmarks.images.synthetic_cache import Made, synthetic_images
from unlearn_bench.benchmarks.isolation.measuring import Load, Stopwatch
from unlearn_bench.benchmarks.isolation.play import Task
from unlearn_bench.benchmarks.referee.cell import DESCRIPTIONS, Cell
from unlearn_bench.benchmarks.referee.kept import Unlearned
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.leaderboards.records.record import Run
from unlearn_bench.methods.base import Examples
from unlearn_bench.metrics.shared.rankings import Ranking
from unlearn_bench.registry import absolute
from unlearn_bench.synthesis.images import Synthetic
from unlearn_bench.synthesis.settings import SynthesisSettings


def unheard(_: str) -> None:
    """For those who do not want to know what is being done."""


@dataclass(kw_only=True)
class Game:
    """One run under way: what the referee hands out, and what it notes.

    Attributes:
        history: what the method reports. made: synthetic images, once they were asked for.
        unlearned: the model that came back, or was kept by an earlier run if `from_kept`.
        rankings: what the words of the forget classes find. refused: why weights that were kept are not measured.
        player_mib: what the method's process held at most.
    """

    cell: Cell
    bench: Workbench
    dataset: Dataset
    targets: tuple[int, ...]
    note: Callable[[str], None]
    history: list[dict[str, float | str]] = field(default_factory=list)
    made: Made | None = None
    unlearned: Unlearned | None = None
    from_kept: bool = False
    rankings: tuple[Ranking, ...] = ()
    refused: str = ""
    player_mib: int = 0
    load: Load = field(default_factory=lambda: Load(1))
    synthesis_watch: Stopwatch = field(default_factory=lambda: Stopwatch(torch.device("cpu")))

    @property
    def run(self) -> Run:
        return self.cell.run

    def report(self, step: int, **values: float | str) -> None:
        """A line of the history, as it came."""
        self.history.append({"step": step, **values})
        self.note(f"step {step}")

    def synthesize(self) -> Synthetic:
        """The synthetic images of the forget set: copies, so that no method edits another one's."""
        with self.synthesis_watch:
            if self.made is None:
                self.made = synthetic_images(
                    self.bench.clip,
                    fingerprint=self.bench.fingerprint,
                    dataset=self.dataset.name,
                    texts=self.dataset.texts,
                    targets=self.targets,
                    settings=_synthesis_settings(self.run),
                    descriptions=self.cell.descriptions,
                    domains=self.dataset.label_domains,
                    seed=self.run.seed,
                    say=lambda progress: self.note(str(progress)),
                )
            given = {name: value.clone() for name, value in vars(self.made.synthetic).items()}
        return Synthetic(**given)


def task_for(game: Game) -> Task:
    """What the method's access allows, and nothing else."""
    run = game.run
    texts, concepts = game.dataset.texts, game.bench.evaluated[game.dataset.name].concepts
    others = [label for label in range(len(concepts)) if label not in game.targets]
    order = {label: place for place, label in enumerate((*game.targets, *others))}
    sees_forget, sees_retain = run.access != "ZS", run.access == "not-ZS"
    train = game.bench.evaluated[game.dataset.name].train if sees_forget or sees_retain else None
    return Task(
        method_target=absolute(game.cell.method_target),
        hyperparameters=run.hyperparameters,
        seed=(run.seed, run.dataset, *run.forget),
        forget=tuple(concepts[label] for label in game.targets),
        retain=tuple(concepts[label] for label in others),
        forget_examples=_examples(train, game.targets, order, texts) if train and sees_forget else None,
        retain_examples=_examples(train, others, order, texts) if train and sees_retain else None,
    )


def _examples(
    images: PreparedImages, labels: list[int] | tuple[int, ...], order: dict[int, int], texts: tuple[str, ...]
) -> Examples:
    """Copies of the images with these labels, renumbered to the request's concepts, each with the first of its own
    captions where it has some, else with its class text."""
    rows = torch.isin(images.labels, torch.tensor(labels)).nonzero().flatten()
    chosen = images.labels[rows].tolist()
    return Examples(
        pixels=images.pixels[rows],
        labels=torch.tensor([order[label] for label in chosen], dtype=torch.int64),
        texts=tuple(images.captions[row][0] for row in rows.tolist())
        if images.captions
        else tuple(texts[label] for label in chosen),
        domains=tuple(images.domains[row] for row in rows.tolist()) if images.domains else (),
    )


def request_hash(task: Task) -> str:
    """Of all that a method is given."""
    digest = hashlib.sha256(repr((task.forget, task.retain)).encode())
    for examples in (task.forget_examples, task.retain_examples):
        if examples is not None:
            digest.update(examples.pixels.numpy().tobytes())
            digest.update(examples.labels.numpy().tobytes())
            digest.update(repr((examples.texts, examples.domains)).encode())
    return digest.hexdigest()


def _synthesis_settings(run: Run) -> SynthesisSettings:
    """The settings that the run's synthetic images were made with."""
    return SynthesisSettings(**{key: value for key, value in run.synthesis.items() if key != DESCRIPTIONS})
