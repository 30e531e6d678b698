"""Drawing on a unit square: masks from polygons, placed at random, and the random streams that they are
drawn with."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE = 64
FINE = 192  # masks are drawn at three times the resolution and averaged down, which smooths their edges

FloatArray = NDArray[np.float32]
Points = NDArray[np.float64]  # (K, 2), x to the right and y down, the object's box being [-1, 1] x [-1, 1]
Layer = tuple[Points, bool]  # a polygon, and whether it adds to the mask (or cuts out of it)


def stream(*parts: object) -> np.random.RandomState:
    """The random numbers of one image, from its name; RandomState, because its streams are frozen for
    good."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return np.random.RandomState(np.frombuffer(digest[:16], dtype="<u4").astype(np.int64))


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where an object stands: centre in pixels, half the side of its box in pixels, turn in degrees."""

    x: float
    y: float
    half: float
    turn: float

    def move(self, points: Points) -> list[tuple[float, float]]:
        """Points of the object's box, in pixels of the fine canvas."""
        angle = np.deg2rad(self.turn)
        turned = points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        scaled = (turned * self.half + (self.x, self.y)) * (FINE / SIZE)
        return [(float(x), float(y)) for x, y in scaled]


def place(rng: np.random.RandomState, size: str, *, turn: float, shift: float = 2.5) -> Placement:
    """A placement for a "small" or a "large" object, turned by up to `turn` degrees either way."""
    low, high = (15.0, 17.5) if size == "small" else (21.0, 24.5)
    return Placement(
        x=SIZE / 2 + rng.uniform(-shift, shift),
        y=SIZE / 2 + rng.uniform(-shift, shift),
        half=rng.uniform(low, high),
        turn=rng.uniform(-turn, turn),
    )


def to_array(image: Image.Image) -> FloatArray:
    """An 8-bit image as floats in [0, 1]."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def to_image(pixels: FloatArray) -> Image.Image:
    """Floats in [0, 1], (H, W) or (H, W, 3), as an 8-bit image."""
    return Image.fromarray(np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def shrink(image: Image.Image) -> FloatArray:
    """A fine canvas averaged down: (64, 64) in [0, 1]."""
    return to_array(image.reduce(FINE // SIZE))


def fill(layers: Sequence[Layer], placement: Placement) -> Image.Image:
    """Polygons painted one over the other on an empty fine canvas (mode L)."""
    image = Image.new("L", (FINE, FINE), 0)
    draw = ImageDraw.Draw(image)
    for points, solid in layers:
        draw.polygon(placement.move(points), fill=255 if solid else 0)
    return image


def arc(
    start: float,
    stop: float,
    *,
    steps: int = 40,
    radius: tuple[float, float] = (1, 1),
    centre: tuple[float, float] = (0, 0),
) -> Points:
    """Points on an ellipse from angle `start` to `stop` (degrees, clockwise on screen)."""
    angles = np.deg2rad(np.linspace(start, stop, steps))
    return np.stack([centre[0] + radius[0] * np.cos(angles), centre[1] + radius[1] * np.sin(angles)], axis=1)


def smooth_noise(rng: np.random.RandomState, cells: int) -> FloatArray:
    """Soft random blobs, (64, 64) in [0, 1]: a coarse grid of random values, enlarged."""
    grid = Image.fromarray(rng.randint(0, 256, size=(cells, cells)).astype(np.uint8))
    return to_array(grid.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
