"""What decides a workbench, as plain data."""

from dataclasses import dataclass
from typing import Literal, get_args

from unlearn_bench.benchmarks.data.dataset.base import SPLITS, Split
from unlearn_bench.errors import unknown

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What decides a workbench; plain data, so that it crosses processes.

    Attributes:
        model: spec. datasets, control: specs. train_split, test_split: names of splits.
        device: `cpu`, `cuda`, `cuda:1`, ... skip_bad: leave unreadable images out.
        precision: of the encoding of test images, one of `PRECISIONS`.
        weights: a file or folder whose tensors the model starts from in place of its own; None: its own.
        template: with which every dataset is asked for; empty: each with its own.
        per_class: at most so many test images of each class, the first ones; 0: all.
    """

    model: str
    datasets: tuple[str, ...]
    control: tuple[str, ...]
    train_split: str
    test_split: str
    device: str
    skip_bad: bool = False
    precision: Precision = "fp32"
    template: str = ""
    weights: str | None = None
    per_class: int = 0


def as_split(name: str) -> Split:
    """`name` as a split, or an error that lists the splits."""
    if name not in SPLITS:
        raise unknown("split", name, SPLITS)
    return name


def as_precision(name: str) -> Precision:
    """`name` as a precision, or an error that lists them."""
    if name not in PRECISIONS:
        raise unknown("precision", name, PRECISIONS)
    return name
