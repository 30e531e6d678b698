"""Which methods take a model: each is asked whether it applies, on noise, and none is run."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench.benchmarks.checkup.subject import Subject
from unlearn_bench.benchmarks.presets.preset import build_method, presets_for
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.clip import Clip
from unlearn_bench.downloads.transfer import brief
from unlearn_bench.methods.base import Access, Concept, Examples, Request
from unlearn_bench.registry import catalogue
from unlearn_bench.seeding import generator
from unlearn_bench.synthesis.images import Synthetic

CLASSES = ("dog", "bicycle", "boat", "letter k")
"""The first is to be forgotten."""


@dataclass(frozen=True, kw_only=True)
class Taker:
    """Whether one method applies; `reason`: why not, empty where it does."""

    method: str
    access: Access
    reason: str


def ask_methods(subject: Subject, names: Sequence[str] | None = None) -> tuple[Taker, ...]:
    """Each registered method, or each of `names`, asked by its `skip` with the data that its access allows."""
    found = []
    for name in catalogue("methods") if names is None else names:
        kind = load_method(name, here=True).kind
        method = build_method(kind, presets_for(subject.spec).of(kind.name).hyperparameters)
        try:
            reason = method.skip(subject.clip.copy(), noise_request(subject, kind.access)) or ""
        except Exception as error:  # on a model of somebody else's a method may raise anything
            reason = f"asked whether it applies, it failed ({brief(error)})"
        found.append(Taker(method=kind.name, access=kind.access, reason=reason))
    return tuple(found)


def noise_request(subject: Subject, access: Access) -> Request:
    """What a method is given: four classes, the first to be forgotten, with noise for images."""
    concepts = tuple(Concept(name=name, text=f"a photo of a {name}") for name in CLASSES)
    labels = torch.arange(len(CLASSES))
    return Request(
        forget=concepts[:1],
        retain=concepts[1:],
        forget_examples=None if access == "ZS" else _examples(subject, labels[:1], concepts),
        retain_examples=_examples(subject, labels[1:], concepts) if access == "not-ZS" else None,
        synthesize=lambda: _synthetic(subject.clip),
        generator=lambda purpose: generator("checkup", purpose),
        device=subject.clip.device,
        report=_unheard,
    )


def _examples(subject: Subject, labels: Tensor, concepts: Sequence[Concept]) -> Examples:
    return Examples(
        pixels=subject.prepared[labels % len(subject.prepared)],
        labels=labels,
        texts=tuple(concepts[label].text for label in labels.tolist()),
    )


def _unheard(step: int, **values: float | str) -> None:
    """Nobody listens: no method is run."""


def _synthetic(clip: Clip) -> Synthetic:
    side, one = clip.image_size, torch.ones(1)
    unit = torch.rand(1, 3, side, side, generator=generator("checkup", "synthetic"))
    return Synthetic(
        unit=unit,
        labels=torch.zeros(1, dtype=torch.int64),
        probabilities=one,
        thresholds=one,
        steps=one.long(),
        attempts=one.long(),
    )
