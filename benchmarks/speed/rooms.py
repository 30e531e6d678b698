"""What it costs that a method plays in a process of its own.

    python -m unlearn_bench.benchmarks.speed.rooms

takes one cell of the suite for each of `--methods` and plays it in turns: in this process, as if there were no rooms;
in a process that stays for the next cell, as the project's own methods do; and in a new one each time, as code from
outside does. CPU seconds of this process and of all that it began, means of `--turns`; wall seconds for the new
process, which is waited for. Synthetic images are made before. What differs between methods is how much has to cross:
`identity` gives nothing back, `random-weights` everything, `random-labels` is given all training images.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import typer
from tabulate import tabulate

from unlearn_bench.benchmarks.isolation.measuring import Load
from unlearn_bench.benchmarks.isolation.play import Opening, Task
from unlearn_bench.benchmarks.isolation.process import Player, end_players, player_for
from unlearn_bench.benchmarks.isolation.wire import bytes_of
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.game import Game, task_for
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.speed.breakdown import cpu_seconds, picked
from unlearn_bench.benchmarks.speed.here import game_of, play_here
from unlearn_bench.benchmarks.speed.sweep_against_loop import empty_cache
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.clip import Clip
from unlearn_bench.mistakes import mistakes_in_a_line

METHODS = "identity,null-space,random-labels,random-weights"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one method: CPU seconds of a turn here, in a lasting room and in a new one; and a new one's wall seconds."""

    method: str
    here: float
    lasting: float
    fresh: float
    fresh_wall: float


def ways(cell: Cell, bench: Workbench) -> dict[str, Callable[[], Clip]]:
    """How the cell's method can play, by the names of `Costs`; each gives the same model."""
    game = game_of(cell, bench)
    task = task_for(game)
    opening = Opening(model=bench.setting.model, weights=bench.setting.weights, device="cpu", threads=1)

    def in_room(*, lasting: bool) -> Clip:
        with player_for(opening, hidden=(), lasting=lasting) as player:
            return _played(player, game, task)

    return {
        "here": lambda: play_here(game),
        "lasting": lambda: in_room(lasting=True),
        "fresh": lambda: in_room(lasting=False),
    }


def measure(cell: Cell, bench: Workbench, *, turns: int) -> Costs:
    """Play the cell's method in all ways, one after the other, so many times."""
    possible = ways(cell, bench)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in possible}
    for turn in range(turns + 1):
        for name, play in possible.items():
            began = cpu_seconds(), time.perf_counter()
            play()
            if turn:  # the first one of each opens what lasts
                seconds[name].append((cpu_seconds() - began[0], time.perf_counter() - began[1]))
    cpu = {name: statistics.fmean(own for own, _ in found) for name, found in seconds.items()}
    wall = statistics.fmean(passed for _, passed in seconds["fresh"])
    return Costs(method=cell.run.label, **cpu, fresh_wall=wall)


def _played(player: Player, game: Game, task: Task) -> Clip:
    original = game.bench.clip.state()
    played = player.play(task, game, Load(1), most_bytes=bytes_of(original))
    return game.bench.clip.with_state(played.whole(original))


def table(found: Sequence[Costs]) -> str:
    """A row for each method, in milliseconds, with what the lasting room adds."""
    seconds = [(item.here, item.lasting, item.lasting - item.here, item.fresh, item.fresh_wall) for item in found]
    rows = [(item.method, *(1000 * value for value in row)) for item, row in zip(found, seconds, strict=True)]
    headers = ["method", "here, ms", "in a room, ms", "more, ms", "in a new room, ms", "the same, wall ms"]
    return tabulate(rows, headers=headers, floatfmt=".0f")


@mistakes_in_a_line
def main(
    suite: Annotated[str, typer.Option(help="Whose cells.")] = "mini",
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = METHODS,
    turns: Annotated[int, typer.Option(min=1, help="How often each plays in each way.")] = 9,
) -> None:
    """Play methods here and in rooms, and print what it took."""
    torch.set_num_threads(1)
    chosen = load_suite(suite)
    choice = Choice(methods=methods.split(","), models=[chosen.models[0]])
    with empty_cache():
        (setting,) = settings_for(chosen, choice, device="cpu", skip_bad=False)
        bench = open_workbench(setting)
        cells = picked(cells_for(chosen, choice, bench), 1)
        found = [measure(cell, bench, turns=turns) for cell in cells]
        end_players()
    typer.echo(f"a turn of a method on {setting.model}, means of {turns}")
    typer.echo(table(found))


if __name__ == "__main__":
    typer.run(main)
