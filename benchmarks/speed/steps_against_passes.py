"""A method's time against that of the passes through the towers that it can't do without.

    python -m unlearn_bench.benchmarks.speed.steps_against_passes --methods amns-retain,lip,slug

Each method unlearns one class of the suite, in this process, while every pass through a tower is noted: which stages,
how many images or texts, with or without a gradient. Then the same passes are timed alone, on the same shapes, each
kind a few times. The share is what the passes take, over what the method took: what is missing to 1 went into
optimisers, losses, reading of images and Python. CPU seconds of both, in one run. Passes are those that the method
asks for: that it asks for no more than it needs is for other eyes.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from tabulate import tabulate
from torch import Tensor

from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.speed.here import game_of, play_here
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.clip import Clip
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.models.open_clip_model import OpenClip

_REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One kind of pass through a tower.

    Attributes:
        shape: of what enters. stages: first and last (excluded) of the image tower; None: the text tower.
        inward: whether what enters requires a gradient. moving: names of the tensors that do; () without a graph.
    """

    shape: tuple[int, ...]
    stages: tuple[int, int | None] | None
    inward: bool
    moving: tuple[str, ...]


class Passes:
    """Notes the passes of every open_clip model while it is on."""

    def __init__(self) -> None:
        self.counts: Counter[Pass] = Counter()
        self.entered: dict[Pass, Tensor] = {}  # the first of each kind, to be repeated

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Wrap the towers for the length of a block."""
        images, texts = OpenClip.run_image_stages, OpenClip.encode_texts

        def run(clip: OpenClip, activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
            self._note(clip, activation, (start, stop))
            return images(clip, activation, start=start, stop=stop)

        def encode(clip: OpenClip, tokens: Tensor) -> Tensor:
            self._note(clip, tokens, None)
            return texts(clip, tokens)

        OpenClip.run_image_stages, OpenClip.encode_texts = run, encode  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            OpenClip.run_image_stages, OpenClip.encode_texts = images, texts  # type: ignore[method-assign]

    def _note(self, clip: Clip, entering: Tensor, stages: tuple[int, int | None] | None) -> None:
        graph = torch.is_grad_enabled()
        moving = tuple(w.name for w in clip.weights() if w.value.requires_grad and _reaches(clip, w.name, stages))
        kind = Pass(
            shape=tuple(entering.shape),
            stages=stages,
            inward=graph and entering.requires_grad,
            moving=moving if graph else (),
        )
        self.counts[kind] += 1
        self.entered.setdefault(kind, entering.detach().clone())

    def seconds(self, clip: Clip) -> float:
        """CPU seconds of all that was noted, each kind timed alone on a copy of `clip`."""
        twin = clip.copy()
        return sum(count * self._alone(twin, kind) for kind, count in self.counts.items())

    def _alone(self, twin: Clip, kind: Pass) -> float:
        moving = twin.train_only(kind.moving)
        entering = self.entered[kind].requires_grad_(kind.inward)
        best = float("inf")
        for _ in range(1 + _REPEATS):
            began = time.process_time()
            with torch.set_grad_enabled(bool(moving) or kind.inward):
                found = _run(twin, kind, entering)
                if found.requires_grad:
                    found.sum().backward()  # type: ignore[no-untyped-call]
            best = min(best, time.process_time() - began)
            twin.module.zero_grad()
        return best


def _reaches(clip: Clip, name: str, stages: tuple[int, int | None] | None) -> bool:
    place = clip.locate(name)
    if stages is None or place.tower != "image":
        return stages is None and place.tower == "text"
    return place.stage in clip.image_stages[slice(*stages)]


def _run(clip: Clip, kind: Pass, entering: Tensor) -> Tensor:
    if kind.stages is None:
        return clip.encode_texts(entering)
    start, stop = kind.stages
    return clip.run_image_stages(entering, start=start, stop=stop)


@dataclass(frozen=True, kw_only=True)
class Share:
    """Of one method: CPU seconds of the method, and of its passes alone."""

    method: str
    seconds: float
    passes: float

    @property
    def share(self) -> float:
        """Of the method's time."""
        return self.passes / self.seconds if self.seconds else float("nan")


def measure(cell: Cell, bench: Workbench) -> Share:
    """One cell: the best of a few goes of its method, then its passes; the first goes fill the caches."""
    passes, goes = Passes(), []
    game = game_of(cell, bench)
    for _ in range(1 + _REPEATS):
        passes.counts.clear()
        with passes.noted():
            began = time.process_time()
            play_here(game)
            goes.append(time.process_time() - began)
    return Share(method=cell.run.label, seconds=min(goes), passes=passes.seconds(bench.clip))


def table(shares: Sequence[Share]) -> str:
    """A row for each method, the least share first."""
    rows = [(item.method, item.seconds, item.passes, item.share) for item in sorted(shares, key=lambda s: s.share)]
    return tabulate(rows, headers=["method", "seconds", "passes alone", "share"], floatfmt=".2f")


@mistakes_in_a_line
def main(
    suite: Annotated[str, typer.Option(help="Whose methods and first class.")] = "mini",
    methods: Annotated[str, typer.Option(help="Names, separated by commas; the suite's by default.")] = "",
    presets: Annotated[Path | None, typer.Option(help="Settings other than the package's, as for `run`.")] = None,
) -> None:
    """Measure the methods one after the other."""
    torch.set_num_threads(1)
    chosen = load_suite(suite)
    choice = Choice(methods=methods.split(",") if methods else None, models=[chosen.models[0]], presets=presets)
    (setting,) = settings_for(chosen, choice, device="cpu", skip_bad=False)
    bench = open_workbench(setting)
    first = {cell.run.label: cell for cell in reversed(cells_for(chosen, choice, bench))}
    typer.echo(table([measure(cell, bench) for cell in first.values()]))


if __name__ == "__main__":
    typer.run(main)
