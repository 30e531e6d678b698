"""Coloured shapes: circles that are nearly ellipses, reds that are nearly orange, and a few forms with own
names."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from unlearn_bench.benchmarks.data.embedded.drawing.canvas import FloatArray, Layer, Placement, arc, fill
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import COLOURS

# Hues in degrees. Red and orange, and blue and purple, come close to each other without meeting.
_HUES = {"red": (-12.0, 11.0), "orange": (15.0, 40.0), "blue": (205.0, 246.0), "purple": (251.0, 295.0)}


def draw_shape(rng: np.random.RandomState, name: str, placement: Placement) -> tuple[Image.Image, FloatArray]:
    """The mask of a shape and its colour; shapes without a colour in their name take any.

    Args:
        rng: the image's random stream.
        name: class name, "red circle" or "heart".
        placement: where it stands.

    Returns:
        Mask, mode L, 192 x 192, and colour (3,) in [0, 1].
    """
    words = name.split()
    colour = words[0] if len(words) == 2 else COLOURS[rng.randint(len(COLOURS))]
    return fill(_FORMS[words[-1]](rng), placement), shade(rng, colour)


def shade(rng: np.random.RandomState, colour: str) -> FloatArray:
    """A random shade of a named colour, (3,)."""
    hue = rng.uniform(*_HUES[colour])
    saturation, value = rng.uniform(0.6, 0.95), rng.uniform(0.6, 0.95)
    return from_hue(hue, saturation, value)


def from_hue(hue: float, saturation: float, value: float) -> FloatArray:
    """Red, green and blue of a colour given by hue (degrees), saturation and value (0 to 1)."""
    sector = (np.array([5.0, 3.0, 1.0]) + hue / 60) % 6
    dip = np.clip(np.minimum(sector, 4 - sector), 0, 1)
    return np.asarray(value - value * saturation * dip, dtype=np.float32)


def _circle(rng: np.random.RandomState) -> list[Layer]:
    return [(arc(0, 360, radius=(1, rng.uniform(0.93, 1))), True)]


def _ellipse(rng: np.random.RandomState) -> list[Layer]:
    return [(arc(0, 360, radius=(1, rng.uniform(0.66, 0.86))), True)]


def _hexagon(_rng: np.random.RandomState) -> list[Layer]:
    return [(arc(0, 360, steps=7), True)]


def _ring(rng: np.random.RandomState) -> list[Layer]:
    inner = rng.uniform(0.45, 0.7)
    return [(arc(0, 360), True), (arc(0, 360, radius=(inner, inner)), False)]


def _crescent(rng: np.random.RandomState) -> list[Layer]:
    shift, radius = rng.uniform(0.4, 0.6), rng.uniform(0.75, 0.85)
    return [(arc(0, 360), True), (arc(0, 360, radius=(radius, radius), centre=(shift, 0)), False)]


def _cross(rng: np.random.RandomState) -> list[Layer]:
    arm = rng.uniform(0.22, 0.36)
    quarter = np.array([[arm, -arm], [1.0, -arm], [1.0, arm]])
    half = np.concatenate([quarter, quarter @ np.array([[0.0, 1.0], [-1.0, 0.0]])])
    return [(np.concatenate([half, -half]), True)]


def _star(rng: np.random.RandomState) -> list[Layer]:
    angles = np.deg2rad(np.arange(10) * 36 - 90)
    radius = np.where(np.arange(10) % 2 == 0, 1.0, rng.uniform(0.42, 0.55))
    return [(np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1), True)]


def _heart(_rng: np.random.RandomState) -> list[Layer]:
    """Two half circles over a point."""
    left = arc(150, 360, radius=(0.5, 0.5), centre=(-0.48, -0.4))
    right = arc(180, 390, radius=(0.5, 0.5), centre=(0.48, -0.4))
    return [(np.concatenate([left, right, np.array([[0.0, 0.95]])]), True)]


def _teardrop(rng: np.random.RandomState) -> list[Layer]:
    width = rng.uniform(0.5, 0.65)
    bowl = arc(-20, 200, radius=(width, width), centre=(0, 0.4))
    return [(np.concatenate([bowl, np.array([[0.0, -1.0]])]), True)]


_FORMS: Mapping[str, Callable[[np.random.RandomState], list[Layer]]] = MappingProxyType(
    {
        "circle": _circle,
        "crescent": _crescent,
        "cross": _cross,
        "ellipse": _ellipse,
        "heart": _heart,
        "hexagon": _hexagon,
        "ring": _ring,
        "star": _star,
        "teardrop": _teardrop,
    }
)
