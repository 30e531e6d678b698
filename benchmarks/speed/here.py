"""A method's turn in this process, where it can be watched; in a sweep it plays in one of its own."""

from typing import cast

import torch

from unlearn_bench.benchmarks.presets.preset import build_method
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.game import Game, task_for, unheard
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method
from unlearn_bench.registry import load
from unlearn_bench.seeding import derive_seed, global_streams


def game_of(cell: Cell, bench: Workbench) -> Game:
    """The cell's run, before anything of it has happened."""
    dataset = bench.evaluated[cell.run.dataset].dataset
    targets = dataset.labels(cell.run.forget)
    return Game(cell=cell, bench=bench, dataset=dataset, targets=targets, note=unheard)


def play_here(game: Game) -> Clip:
    """What the method makes of the model, as it makes it in a process of its own."""
    task = task_for(game)
    method = build_method(cast("type[Method]", load(task.method_target)), task.hyperparameters)
    clip = game.bench.clip
    request = task.request(synthesize=game.synthesize, device=clip.device, report=game.report)
    with global_streams(derive_seed(*task.seed, "global")), torch.enable_grad():
        returned = method.unlearn(clip.copy(), request)
    return clip.with_state(returned.state())
