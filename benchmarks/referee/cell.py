"""One run and how it is carried out: what the sweep hands to the referee."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.leaderboards.records.record import Run
from unlearn_bench.shown import visible

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


def on_device(cell: Cell, device: str) -> Cell:
    """The same cell on another device (its record's key is the same)."""
    return replace(cell, setting=replace(cell.setting, device=device))


def label(cell: Cell) -> str:
    """A cell in a few words."""
    run = cell.run
    return visible(f"{run.model} {run.label} {run.dataset}/{'+'.join(run.forget)} seed {run.seed}")
