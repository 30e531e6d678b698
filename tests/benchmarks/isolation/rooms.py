"""A player with a referee that notes what it is told, for tests of isolation."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tests.benchmarks.support import write_method, write_model
from unlearn_bench.benchmarks.isolation.measuring import Load
from unlearn_bench.benchmarks.isolation.play import Opening, Task
from unlearn_bench.benchmarks.isolation.process import Played, Player
from unlearn_bench.benchmarks.isolation.wire import bytes_of
from unlearn_bench.errors import CellFailure
from unlearn_bench.methods.base import Concept, Examples
from unlearn_bench.models.sources import open_model
from unlearn_bench.synthesis.images import Synthetic


@dataclass
class Heard:
    """A referee that notes what it is told."""

    lines: list[tuple[int, dict[str, float | str]]] = field(default_factory=list)
    asked: int = 0
    refusal: str = ""
    pause_s: float = 0.3

    def report(self, step: int, **values: float | str) -> None:
        self.lines.append((step, values))

    def synthesize(self) -> Synthetic:
        self.asked += 1
        if self.refusal:
            raise CellFailure(self.refusal)
        time.sleep(self.pause_s)
        ones = torch.ones(2)
        return Synthetic(
            unit=torch.rand(2, 3, 8, 8),
            labels=torch.tensor([0, 0]),
            probabilities=ones,
            thresholds=ones,
            steps=ones.long(),
            attempts=ones.long(),
        )


@dataclass(frozen=True)
class Room:
    """A player, and how to have it play."""

    player: Player
    folder: Path
    heard: Heard = field(default_factory=Heard)

    def play(
        self, body: str, *, name: str = "mine", timeout_s: float = 0.0, examples: Examples | None = None
    ) -> Played:
        task = Task(
            method_target=write_method(self.folder, body, name=name),
            hyperparameters={"strength": 0.5},
            seed=(3, "colours", "red"),
            forget=(Concept(name="red", text="a red thing"),),
            retain=(Concept(name="blue", text="a blue thing"),),
            forget_examples=examples,
        )
        state = open_model(str(self.folder / "colours_model.py") + ":build").state()
        return self.player.play(task, self.heard, Load(1), most_bytes=bytes_of(state), timeout_s=timeout_s)


def new_player(folder: Path, *, hidden: tuple[Path, ...] = ()) -> Player:
    spec = write_model(folder)
    return Player(Opening(model=spec, weights=None, device="cpu", threads=1), hidden=hidden)
