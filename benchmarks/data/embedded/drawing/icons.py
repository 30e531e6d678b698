"""Simple drawn things outside the four datasets: the control set, which nothing is forgotten from."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from unlearn_bench.benchmarks.data.embedded.drawing.canvas import FloatArray, Layer, Placement, Points, arc, fill
from unlearn_bench.benchmarks.data.embedded.drawing.shapes import from_hue


def draw_icon(rng: np.random.RandomState, name: str, placement: Placement) -> tuple[Image.Image, FloatArray]:
    """The mask of a thing and a random colour.

    Returns:
        Mask, mode L, 192 x 192, and colour (3,) in [0, 1].
    """
    colour = from_hue(rng.uniform(0, 360), rng.uniform(0.3, 0.9), rng.uniform(0.35, 0.95))
    return fill(_THINGS[name](rng.uniform(0.85, 1.15)), placement), colour


def _polygon(*points: tuple[float, float]) -> Points:
    return np.array(points, dtype=np.float64)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return _polygon((left, top), (right, top), (right, bottom), (left, bottom))


def _arrow(k: float) -> list[Layer]:
    return [
        (_box(-1, -0.2 * k, 0.2, 0.2 * k), True),
        (_polygon((0.1, -0.6 * k), (1, 0), (0.1, 0.6 * k)), True),
    ]


def _cup(k: float) -> list[Layer]:
    handle = arc(0, 360, radius=(0.36, 0.36 * k), centre=(0.55, -0.1))
    hole = arc(0, 360, radius=(0.2, 0.2 * k), centre=(0.55, -0.1))
    body = _polygon((-0.8, -0.7), (0.6, -0.7), (0.4, 0.8 * k), (-0.6, 0.8 * k))
    return [(handle, True), (hole, False), (body, True)]


def _fish(k: float) -> list[Layer]:
    tail = _polygon((0.4, 0), (1, -0.5 * k), (1, 0.5 * k))
    eye = arc(0, 360, radius=(0.09, 0.09), centre=(-0.6, -0.1))
    return [
        (arc(0, 360, radius=(0.75, 0.42 * k), centre=(-0.25, 0)), True),
        (tail, True),
        (eye, False),
    ]


def _flag(k: float) -> list[Layer]:
    return [(_box(-0.7, -1, -0.55, 1), True), (_box(-0.55, -1, 0.8, -0.2 * k), True)]


def _house(k: float) -> list[Layer]:
    return [
        (_box(-0.7, -0.1, 0.7, 0.9), True),
        (_polygon((-0.95, -0.1), (0, -0.95 * k), (0.95, -0.1)), True),
        (_box(-0.18, 0.35, 0.18, 0.9), False),
    ]


def _ladder(k: float) -> list[Layer]:
    rungs: list[Layer] = [(_box(-0.4, y - 0.06, 0.4, y + 0.06), True) for y in (-0.7, -0.25, 0.2, 0.65)]
    return [(_box(-0.5 * k, -1, -0.36, 1), True), (_box(0.36, -1, 0.5 * k, 1), True), *rungs]


def _mushroom(k: float) -> list[Layer]:
    return [
        (arc(180, 360, radius=(0.95, 0.9 * k), centre=(0, 0.1)), True),
        (_box(-0.28, 0.05, 0.28, 0.95), True),
    ]


def _sailboat(k: float) -> list[Layer]:
    hull = _polygon((-0.9, 0.45), (0.9, 0.45), (0.55, 0.9), (-0.55, 0.9))
    return [
        (hull, True),
        (_polygon((-0.05, -1 * k), (-0.05, 0.3), (-0.75, 0.3)), True),
        (_polygon((0.08, -0.8), (0.08, 0.3), (0.6, 0.3)), True),
    ]


def _tree(k: float) -> list[Layer]:
    crown: list[Layer] = [
        (_polygon((0, top), (width * k, top + 0.75), (-width * k, top + 0.75)), True)
        for top, width in ((-1.0, 0.45), (-0.6, 0.6), (-0.15, 0.75))
    ]
    return [*crown, (_box(-0.13, 0.55, 0.13, 1), True)]


def _umbrella(k: float) -> list[Layer]:
    dome = arc(180, 360, radius=(0.95, 0.8 * k), centre=(0, -0.05))
    hook = arc(0, 180, radius=(0.22, 0.22), centre=(-0.15, 0.72))
    inner = arc(0, 180, radius=(0.1, 0.1), centre=(-0.15, 0.7))
    return [(dome, True), (_box(-0.06, -0.1, 0.07, 0.75), True), (hook, True), (inner, False)]


# Each drawn with a number near 1 that changes its proportions.
_THINGS: Mapping[str, Callable[[float], list[Layer]]] = MappingProxyType(
    {
        "arrow": _arrow,
        "cup": _cup,
        "fish": _fish,
        "flag": _flag,
        "house": _house,
        "ladder": _ladder,
        "mushroom": _mushroom,
        "sailboat": _sailboat,
        "tree": _tree,
        "umbrella": _umbrella,
    }
)
