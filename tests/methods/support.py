"""Requests for tests, and a dual encoder that learned five colours in a second."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from tests.core.tiny import spell
from unlearn_bench.clip import Clip, Place, State
from unlearn_bench.methods.base import Concept, Examples, Method, Request
from unlearn_bench.models.two_towers import TwoTowers
from unlearn_bench.registry import catalogue, load
from unlearn_bench.seeding import generator
from unlearn_bench.synthesis.images import Synthetic
from unlearn_bench.training.loop import trainable_names

SIDE = 8
COLOURS = {
    "red": (0.9, 0.1, 0.1),
    "green": (0.1, 0.9, 0.1),
    "blue": (0.1, 0.1, 0.9),
    "yellow": (0.9, 0.9, 0.1),
    "white": (0.9, 0.9, 0.9),
}


DOMAINS = {"red": "photo", "green": "sketch", "blue": "photo", "yellow": "sketch", "white": "photo"}
"""For `parted`: a domain of each colour."""


@dataclass
class History:
    """What a method reported."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, step: int, **values: float | str) -> None:
        self.lines.append({"step": step, **values})

    def column(self, name: str) -> list[Any]:
        return [line[name] for line in self.lines if name in line]


def concepts(names: Sequence[str]) -> tuple[Concept, ...]:
    return tuple(Concept(name=name, text=f"{name} it is") for name in names)


def synthetic(unit: Tensor, labels: Tensor | None = None) -> Synthetic:
    count = len(unit)
    return Synthetic(
        unit=unit,
        labels=torch.zeros(count, dtype=torch.int64) if labels is None else labels,
        probabilities=torch.ones(count),
        thresholds=torch.full((count,), 0.7),
        steps=torch.ones(count, dtype=torch.int64),
        attempts=torch.ones(count, dtype=torch.int64),
    )


def examples(unit: Tensor, labels: Tensor) -> Examples:
    pixels = (unit * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return Examples(pixels=pixels, labels=labels, texts=("",) * len(labels))


def request(
    forget: Sequence[str],
    retain: Sequence[str],
    *,
    made: Synthetic | None = None,
    forget_examples: Examples | None = None,
    retain_examples: Examples | None = None,
    history: History | None = None,
    seed: int = 0,
) -> Request:
    """A request whose synthetic images are `made`; without them, asking for them is an error.

    The texts of the real images are those of their classes.
    """
    everything = [*concepts(forget), *concepts(retain)]

    def captioned(given: Examples | None) -> Examples | None:
        if given is None:
            return None
        return replace(given, texts=tuple(everything[label].text for label in given.labels.tolist()))

    def synthesize() -> Synthetic:
        if made is None:
            raise AssertionError("this test gives no synthetic images")
        return made

    return Request(
        forget=concepts(forget),
        retain=concepts(retain),
        forget_examples=captioned(forget_examples),
        retain_examples=captioned(retain_examples),
        synthesize=synthesize,
        generator=lambda purpose: generator(seed, purpose),
        device=torch.device("cpu"),
        report=history or History(),
    )


def paint(names: Sequence[str], count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noisy images (N, 3, 8, 8) in [0, 1] of these colours, `count` each, with labels 0, 1, .. in their order."""
    stream = generator("paint", seed)
    base = torch.tensor([COLOURS[name] for name in names]).repeat_interleave(count, dim=0)
    noise = torch.randn(len(base), 3, SIDE, SIDE, generator=stream)
    labels = torch.arange(len(names)).repeat_interleave(count)
    return (base[:, :, None, None] + 0.1 * noise).clamp(0, 1), labels


def colour_request(
    forget: Sequence[str] = ("red",),
    *,
    made: Synthetic | None = None,
    history: History | None = None,
    seed: int = 0,
) -> Request:
    """Forget these colours and keep the rest, with every kind of data."""
    retain = [name for name in COLOURS if name not in forget]
    images, labels = paint(forget, 12, seed=1)
    kept, others = paint(retain, 12, seed=2)
    return request(
        forget,
        retain,
        made=made or synthetic(*paint(forget, 16, seed=3)),
        forget_examples=examples(images, labels),
        retain_examples=examples(kept, others + len(forget)),
        history=history,
        seed=seed,
    )


def parted(given: Request, domains: Mapping[str, str] = DOMAINS) -> Request:
    """The same request, where each concept is of the domain that its name has in `domains`."""
    forget, retain = (
        tuple(replace(concept, domain=domains[concept.name]) for concept in part)
        for part in (given.forget, given.retain)
    )
    return replace(given, forget=forget, retain=retain)


def log_chances(logits: Tensor, labels: Tensor, given: Request) -> Tensor:
    """log p(label) for each row of logits (B, C), among the classes of the label's own domain, row by row."""
    domains, found = [concept.domain for concept in given.concepts], []
    for row, label in zip(logits.double(), labels.tolist(), strict=True):
        rivals = [place for place, domain in enumerate(domains) if domain == domains[label]]
        found.append(row[label] - row[rivals].exp().sum().log())
    return torch.stack(found)


def borderline(forget: Sequence[str], count: int = 16) -> Synthetic:
    """Images that fade from these colours into others, so that accuracy falls a little at a time."""
    own, labels = paint(forget, count, seed=7)
    others, _ = paint(retained(forget)[:2] * len(forget), count // 2, seed=8)
    share = torch.linspace(0.42, 0.95, count).repeat(len(forget))[:, None, None, None]
    return synthetic(share * own + (1 - share) * others, labels)


class Untold(TwoTowers):
    """Two towers that do not say which of their layers are projections."""

    def locate(self, name: str) -> Place:
        place = super().locate(name)
        return replace(place, role="mlp") if place.role == "projection" else place


def blank_colours(kind: type[TwoTowers] = TwoTowers) -> TwoTowers:
    """Two layers in each tower, not trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        image = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 24), nn.ReLU(), nn.Linear(24, 12))
        text = nn.Sequential(nn.Embedding(64, 8), nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 12))
    return kind(image, text, spell, name="colours", image_size=SIDE, logit_scale=20.0)


@lru_cache(maxsize=1)
def _trained_state() -> State:
    clip = blank_colours()
    images, labels = paint(list(COLOURS), 24, seed=4)
    prompts = [[f"{name} it is", f"A picture of {name}"] for name in COLOURS]
    tokens = [clip.tokenize([pair[which] for pair in prompts]) for which in range(2)]
    optimizer = torch.optim.Adam(clip.module.requires_grad_(True).parameters(), lr=3e-3)
    inputs = clip.normalise(images)
    for step in range(200):
        logits = clip.logits(clip.encode_images(inputs), clip.encode_texts(tokens[step % 2]))
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return clip.copy().state()


def colours(kind: type[TwoTowers] = TwoTowers) -> TwoTowers:
    """A model that tells the five colours apart."""
    return blank_colours(kind).with_state(_trained_state())


def accuracy(clip: Clip, names: Sequence[str]) -> float:
    """Zero-shot accuracy on fresh images of these colours, all five being candidates."""
    everything = list(COLOURS)
    images, labels = paint(names, 20, seed=5)
    wanted = torch.tensor([everything.index(name) for name in names])[labels]
    with torch.no_grad():
        texts = clip.embed_texts([concept.text for concept in concepts(everything)])
        found = clip.logits(clip.encode_images(clip.normalise(images)), texts).argmax(-1)
    return float((found == wanted).float().mean())


def retained(forget: Sequence[str] = ("red",)) -> list[str]:
    return [name for name in COLOURS if name not in forget]


def seen_first(clip: Clip, unit: Tensor, names: Iterable[str]) -> list[str]:
    """The names, first the one that the first image (M, 3, S, S) is taken for: there is something to forget."""
    ordered = list(names)
    with torch.no_grad():
        texts = clip.embed_texts([concept.text for concept in concepts(ordered)])
        found = clip.logits(clip.encode_images(clip.normalise(unit[:1])), texts)
    ordered.insert(0, ordered.pop(int(found.argmax())))
    return ordered


def copied(clip: Clip) -> State:
    return {name: value.clone() for name, value in clip.state().items()}


def moved_names(before: State, clip: Clip) -> set[str]:
    return {name for name, value in clip.state().items() if not torch.equal(value, before[name])}


def check_first_adam_step(before: Clip, after: Clip, *, learning_rate: float) -> None:
    """Adam's first step is the learning rate against the sign of the gradient, which `before` holds.

    Where the gradient is within rounding of 0 its sign says nothing.
    """
    checked = 0
    for name, value in before.module.named_parameters():
        if name not in trainable_names(before) or value.grad is None:
            assert torch.equal(after.state()[name], value), name
            continue
        sure = value.grad.abs() > 1e-5
        moved = after.state()[name] - value.detach()
        torch.testing.assert_close(moved[sure], -learning_rate * value.grad.sign()[sure], rtol=0.01, atol=1e-6)
        checked += int(sure.sum())
    assert checked > 500


def method_class(name: str) -> type[Method]:
    found = load(catalogue("methods")[name].target)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise TypeError(name)
    return found
