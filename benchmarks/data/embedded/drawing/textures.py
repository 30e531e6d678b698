"""Textures computed with NumPy: each a height map over the plane, turned, scaled and given two colours."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from unlearn_bench.benchmarks.data.embedded.drawing.canvas import SIZE, FloatArray, smooth_noise
from unlearn_bench.benchmarks.data.embedded.drawing.shapes import from_hue

Grid = NDArray[np.float64]  # (64, 64)
Pattern = Callable[[np.random.RandomState, Grid, Grid], Grid]  # x, y in periods of the pattern to heights in [0, 1]


def draw_texture(rng: np.random.RandomState, name: str, *, scale: str, tone: str) -> FloatArray:
    """A texture that fills the image.

    Args:
        rng: the image's random stream.
        name: class name.
        scale: "fine" (period of 7 to 10 pixels) or "coarse" (14 to 20).
        tone: "warm" or "cool", the hue of both colours.

    Returns:
        (64, 64, 3) in about [0, 1].
    """
    period = rng.uniform(7, 10) if scale == "fine" else rng.uniform(14, 20)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64) - SIZE / 2
    angle = np.deg2rad(rng.uniform(-12, 12))
    warp = 1.2 * (smooth_noise(rng, 6) - 0.5)
    x = (np.cos(angle) * columns + np.sin(angle) * rows + warp) / period
    y = (np.cos(angle) * rows - np.sin(angle) * columns + warp) / period
    shift = rng.uniform(-0.5, 0.5, size=2) if name in {"ripples", "spiral"} else rng.uniform(0, 8, size=2)
    height = np.clip(PATTERNS[name](rng, x + shift[0], y + shift[1]), 0, 1)
    if rng.uniform() < 0.5:
        height = 1 - height
    low, high = _two_colours(rng, tone)
    return np.asarray(low + (high - low) * height[..., None], dtype=np.float32)


def _two_colours(rng: np.random.RandomState, tone: str) -> tuple[FloatArray, FloatArray]:
    first, last = (-20.0, 60.0) if tone == "warm" else (160.0, 270.0)
    dark = from_hue(rng.uniform(first, last), rng.uniform(0.3, 0.8), rng.uniform(0.15, 0.4))
    light = from_hue(rng.uniform(first, last), rng.uniform(0.15, 0.6), rng.uniform(0.6, 0.9))
    return dark, light


def _wave(phase: Grid) -> Grid:
    return np.asarray(0.5 + 0.5 * np.cos(2 * np.pi * phase))


def _sharp(height: Grid, threshold: float, slope: float = 8.0) -> Grid:
    """1 above the threshold and 0 below, with a soft step between."""
    return np.clip((height - threshold) * slope + 0.5, 0, 1)


def _cell(values: Grid) -> Grid:
    """Distance from the centre of a unit cell, -.5 to .5."""
    return values - np.floor(values) - 0.5


def _hash(column: Grid, row: Grid, salt: int) -> Grid:
    """A fixed pseudo-random number in [0, 1) for each cell of a grid."""
    mixed = (column.astype(np.int64) * 73856093) ^ (row.astype(np.int64) * 19349663) ^ (salt * 83492791)
    return np.asarray((mixed * 2654435761 % 2**32) / 2**32)


def _stripes(_rng: np.random.RandomState, x: Grid, _y: Grid) -> Grid:
    return _sharp(_wave(x), 0.5, 4)


def _waves(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    return _sharp(_wave(y + rng.uniform(0.25, 0.4) * np.sin(np.pi * x)), 0.5, 4)


def _zigzag(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    return _sharp(_wave(y + rng.uniform(0.8, 1.2) * np.abs(_cell(x / 1.6))), 0.5, 4)


def _checkerboard(_rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    return _sharp(np.sin(np.pi * x) * np.sin(np.pi * y), 0)


def _diamonds(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    stretched = y * rng.uniform(0.55, 0.75)
    return _sharp(np.sin(np.pi * (x + stretched)) * np.sin(np.pi * (x - stretched)), 0)


def _grid(_rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    return _sharp(np.maximum(np.abs(_cell(x)), np.abs(_cell(y))), 0.4, 12)


def _plaid(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    across = _sharp(_wave(x / 1.5), rng.uniform(0.4, 0.6))
    return 0.5 * across + 0.5 * _sharp(_wave(y / 1.5), rng.uniform(0.4, 0.6))


def _basket_weave(_rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    upright = (np.floor(x / 1.5) + np.floor(y / 1.5)) % 2 == 0
    return np.where(upright, _sharp(_wave(2 * x), 0.4, 4), _sharp(_wave(2 * y), 0.4, 4))


def _bricks(_rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    row = np.floor(1.6 * y)
    joint = np.maximum(np.abs(_cell(0.8 * x + 0.5 * row)) * 1.05, np.abs(_cell(1.6 * y)))
    return 1 - _sharp(joint, 0.42, 10)


def _honeycomb(_rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    return 1 - _sharp(_hexagon_distance(x, y), 0.44, 12)


def _hexagon_distance(x: Grid, y: Grid) -> Grid:
    """Distance from the centre of the nearest hexagon, .5 at its border."""
    height = np.sqrt(3.0)
    best = np.full_like(x, np.inf)
    for offset_x, offset_y in ((0.0, 0.0), (0.5, height / 2)):
        u = x - np.floor(x - offset_x + 0.5) - offset_x
        v = y - height * np.floor((y - offset_y) / height + 0.5) - offset_y
        best = np.minimum(best, np.maximum(np.abs(u), np.abs(u) / 2 + np.abs(v) * height / 2))
    return best


def _scales(_rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    """Half discs in rows that overlap like tiles on a roof."""
    height = np.zeros_like(x)
    for step in (1, 0):
        row = np.floor(y * 1.4) + step
        u = _cell(x + 0.5 * (row % 2))
        v = (y * 1.4 - row) / 1.4
        radius = np.hypot(u, v)
        height = np.where(radius < 0.62, 0.15 + 0.85 * _sharp(-radius, -0.5, 12) * (1 - 0.6 * step), height)
    return height


def _polka_dots(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    radius = rng.uniform(0.24, 0.34)
    u, v = _cell(x + 0.5 * (np.floor(y) % 2)), _cell(y)
    return _sharp(-np.hypot(u, v), -radius, 10)


def _speckles(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    """Dots of different size that stand where they like."""
    nearest, _, _ = _neighbours(rng, 1.4 * x, 1.4 * y, jitter=0.9, uneven=0.25)
    return _sharp(-nearest, -0.3, 6)


def _cracks(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    """The borders between the cells of random points."""
    nearest, second, _ = _neighbours(rng, x, y, jitter=0.9, uneven=0.0)
    return 1 - _sharp(second - nearest, 0.14, 9)


def _neighbours(
    rng: np.random.RandomState, x: Grid, y: Grid, *, jitter: float, uneven: float
) -> tuple[Grid, Grid, Grid]:
    """Distances to the nearest and second nearest of points scattered one to a cell, and the cell's
    number."""
    salt = int(rng.randint(1, 2**20))
    column, row = np.floor(x), np.floor(y)
    distances = []
    for step_x in (-1, 0, 1):
        for step_y in (-1, 0, 1):
            c, r = column + step_x, row + step_y
            u = x - c - 0.5 - jitter * (_hash(c, r, salt) - 0.5)
            v = y - r - 0.5 - jitter * (_hash(c, r, salt + 1) - 0.5)
            distances.append(np.hypot(u, v) + uneven * _hash(c, r, salt + 2))
    ordered = np.sort(np.stack(distances), axis=0)
    return ordered[0], ordered[1], _hash(column, row, salt + 3)


def _ripples(_rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    return _sharp(_wave(np.hypot(x, y)), 0.5, 4)


def _spiral(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    hand = rng.choice([-1.0, 1.0])
    return _sharp(_wave(np.hypot(x, y) + hand * np.arctan2(y, x) / (2 * np.pi)), 0.5, 4)


def _marble(rng: np.random.RandomState, x: Grid, _y: Grid) -> Grid:
    veins = 2.2 * smooth_noise(rng, 5) + 0.9 * smooth_noise(rng, 12)
    return np.abs(np.sin(np.pi * (0.35 * x + veins))) ** 0.5


def _wood_grain(rng: np.random.RandomState, x: Grid, y: Grid) -> Grid:
    rings = x + 0.9 * smooth_noise(rng, 4) + 0.25 * np.sin(0.5 * y)
    return 0.75 * (rings - np.floor(rings)) + 0.25 * smooth_noise(rng, 32)


PATTERNS: Mapping[str, Pattern] = MappingProxyType(
    {
        "basket weave": _basket_weave,
        "bricks": _bricks,
        "checkerboard": _checkerboard,
        "cracks": _cracks,
        "diamonds": _diamonds,
        "grid": _grid,
        "honeycomb": _honeycomb,
        "marble": _marble,
        "plaid": _plaid,
        "polka dots": _polka_dots,
        "ripples": _ripples,
        "scales": _scales,
        "speckles": _speckles,
        "spiral": _spiral,
        "stripes": _stripes,
        "waves": _waves,
        "wood grain": _wood_grain,
        "zigzag": _zigzag,
    }
)
