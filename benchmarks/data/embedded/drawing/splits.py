"""The splits: every image drawn from its own name (dataset, split, class, index), so nothing else can
change it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearn_bench.benchmarks.data.embedded.drawing.canvas import FloatArray, Placement, place, stream
from unlearn_bench.benchmarks.data.embedded.drawing.captions import image_facts
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, MiniDataset, Split
from unlearn_bench.benchmarks.data.embedded.drawing.digits import draw_digit
from unlearn_bench.benchmarks.data.embedded.drawing.icons import draw_icon
from unlearn_bench.benchmarks.data.embedded.drawing.letters import draw_letter
from unlearn_bench.benchmarks.data.embedded.drawing.shapes import draw_shape
from unlearn_bench.benchmarks.data.embedded.drawing.styles import Difficulty, finish, paint, spoil
from unlearn_bench.benchmarks.data.embedded.drawing.textures import draw_texture
from unlearn_bench.cache import ROOM_VARIABLE
from unlearn_bench.errors import CellFailure, unknown

_GENTLE = Difficulty(noise=(0.01, 0.06), blur=(0.2, 0.7), contrast=(0.65, 1.0), clutter=(0, 1), occlusion=0.1)

# What the models learn from is cleaner than what they are used on, as pictures of the web are than those of a camera.
PRETRAIN_DIFFICULTIES: Mapping[str, Difficulty] = MappingProxyType(
    {
        "mini-digits": _GENTLE,
        "mini-shapes": replace(_GENTLE, contrast=(0.7, 1.0)),
        "mini-letters": _GENTLE,
        "mini-textures": Difficulty(
            noise=(0.01, 0.1), blur=(0.2, 0.8), contrast=(0.45, 1.0), clutter=(0, 2), occlusion=0.15
        ),
        "mini-icons": Difficulty(
            noise=(0.01, 0.08), blur=(0.2, 0.8), contrast=(0.6, 1.0), clutter=(0, 2), occlusion=0.15
        ),
    }
)

# Of train, val and test. Chosen on val so that zero-shot accuracies leave room on both sides (.5 to .95).
DIFFICULTIES: Mapping[str, Difficulty] = MappingProxyType(
    {
        "mini-digits": Difficulty(
            noise=(0.01, 0.14), blur=(0.2, 0.7), contrast=(0.6, 1.0), clutter=(0, 1), occlusion=0.2
        ),
        "mini-shapes": Difficulty(
            noise=(0.01, 0.08), blur=(0.2, 0.7), contrast=(0.65, 1.0), clutter=(0, 1), occlusion=0.15
        ),
        "mini-letters": Difficulty(
            noise=(0.01, 0.25), blur=(0.2, 1.0), contrast=(0.5, 1.0), clutter=(0, 2), occlusion=0.25
        ),
        "mini-textures": Difficulty(
            noise=(0.01, 0.25), blur=(0.2, 1.0), contrast=(0.35, 1.0), clutter=(0, 3), occlusion=0.2
        ),
        "mini-icons": Difficulty(
            noise=(0.01, 0.25), blur=(0.2, 1.0), contrast=(0.5, 1.0), clutter=(0, 3), occlusion=0.25
        ),
    }
)
_TURNS: Mapping[str, float] = MappingProxyType(
    {"mini-digits": 10.0, "mini-shapes": 20.0, "mini-letters": 6.0, "mini-icons": 12.0}
)


@dataclass(frozen=True, kw_only=True)
class MiniImages:
    """One split of a dataset.

    Args:
        pixels: (N, 64, 64, 3) uint8.
        labels: (N,) int64, positions in the dataset's `class_names`.
        domains: one per image, or empty.
        attributes: the other rendered facts of each image, such as {"size": "small", "background": "dark"}.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    domains: tuple[str, ...]
    attributes: tuple[Mapping[str, str], ...]


def render_split(dataset: str, split: Split, *, limit: int | None = None) -> MiniImages:
    """The images of a split, class by class.

    Args:
        dataset: registered name.
        split: "pretrain", "train", "val" or "test".
        limit: at most so many of each class (the same ones as without it).

    Raises:
        InputError: no such dataset.
    """
    if dataset not in DATASETS:
        raise unknown("mini dataset", dataset, DATASETS)
    described = DATASETS[dataset]
    names = [(label, name, described.images_in(split, name)) for label, name in enumerate(described.class_names)]
    drawn = [
        (render_image(described, split, name, index), label, described.domain_of(index))
        for label, name, count in names
        for index in range(count if limit is None else min(limit, count))
    ]
    return MiniImages(
        pixels=np.stack([pixels for (pixels, _), _, _ in drawn]),
        labels=np.array([label for _, label, _ in drawn], dtype=np.int64),
        domains=tuple(domain for _, _, domain in drawn if domain),
        attributes=tuple(facts for (_, facts), _, _ in drawn),
    )


def render_image(
    dataset: MiniDataset, split: Split, name: str, index: int
) -> tuple[NDArray[np.uint8], Mapping[str, str]]:
    """One image (64, 64, 3) and the facts that a caption may state, from the image's name alone.

    Raises:
        CellFailure: the process is that of a method from outside.
    """
    if ROOM_VARIABLE in os.environ:
        raise CellFailure("a method draws no pictures: what its access allows is in its request")
    rng, facts = _start(dataset, split, name, index)
    if dataset.name == "mini-textures":
        picture = draw_texture(rng, name, scale=facts["scale"], tone=facts["tone"])
    else:
        where = place(rng, facts["size"], turn=_TURNS[dataset.name])
        mask, colour = _draw(rng, dataset.name, name, where, split=split, index=index)
        ink = _legible(rng, colour, facts["background"], dataset.name)
        domain = dataset.domain_of(index) or "photo"
        picture = paint(rng, mask, ink, domain=domain, tone=facts["background"])
    difficulty = (PRETRAIN_DIFFICULTIES if split == "pretrain" else DIFFICULTIES)[dataset.name]
    return finish(spoil(rng, picture, difficulty)), facts


def facts_of(dataset: MiniDataset, split: Split, name: str, index: int) -> Mapping[str, str]:
    """The facts of one image, its domain too where there are several, without drawing it."""
    _, facts = _start(dataset, split, name, index)
    return image_facts(dataset.domain_of(index), facts)


def _start(dataset: MiniDataset, split: Split, name: str, index: int) -> tuple[np.random.RandomState, dict[str, str]]:
    """The image's random stream, from which its facts are drawn first."""
    rng = stream("mini", dataset.name, split, name, index)
    return rng, {fact: values[rng.randint(len(values))] for fact, values in dataset.facts.items()}


def _draw(
    rng: np.random.RandomState, dataset: str, name: str, where: Placement, *, split: Split, index: int
) -> tuple[Image.Image, FloatArray]:
    if dataset == "mini-digits":
        return draw_digit(rng, name, where, split=split, index=index)
    return {"mini-shapes": draw_shape, "mini-letters": draw_letter, "mini-icons": draw_icon}[dataset](
        rng, name, where
    )


def _legible(rng: np.random.RandomState, colour: FloatArray, tone: str, dataset: str) -> FloatArray:
    """Ink that stands out from its ground. Shapes keep their colour, which is half of their name."""
    if dataset == "mini-shapes":
        return colour
    target = rng.uniform(0.6, 0.9) if tone == "dark" else rng.uniform(0.1, 0.4)
    return np.asarray(np.clip(colour * (target / max(float(colour.mean()), 0.05)), 0, 1), dtype=np.float32)
