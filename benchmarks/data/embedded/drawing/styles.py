"""Rendering styles (photo-like, sketch, painting-like), and what makes an image hard: clutter, blur, noise,
haze."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from unlearn_bench.benchmarks.data.embedded.drawing.canvas import (
    SIZE,
    FloatArray,
    shrink,
    smooth_noise,
    to_array,
    to_image,
)


@dataclass(frozen=True, kw_only=True)
class Difficulty:
    """How far images are spoilt; every range is drawn from uniformly, per image.

    Args:
        noise: standard deviation of the pixel noise (pixel values in [0, 1]).
        blur: radius of the Gaussian blur in pixels.
        contrast: factor by which the image's contrast is kept.
        clutter: number of stray strokes.
        occlusion: probability that a bar hides a part of the object.
    """

    noise: tuple[float, float]
    blur: tuple[float, float]
    contrast: tuple[float, float]
    clutter: tuple[int, int]
    occlusion: float


def background(rng: np.random.RandomState, tone: str) -> FloatArray:
    """A dark or light ground with a soft gradient and blotches, (64, 64, 3)."""
    base = rng.uniform(0.08, 0.3) if tone == "dark" else rng.uniform(0.68, 0.9)
    tint = rng.uniform(-0.06, 0.06, size=3)
    slope = rng.uniform(-0.1, 0.1, size=2)
    axis = np.linspace(-1, 1, SIZE)
    light = slope[0] * axis[:, None] + slope[1] * axis[None, :] + 0.12 * (smooth_noise(rng, 5) - 0.5)
    return np.asarray(base + tint + light[..., None], dtype=np.float32)


def paint(rng: np.random.RandomState, mask: Image.Image, colour: FloatArray, *, domain: str, tone: str) -> FloatArray:
    """An object of one colour on a ground, in the style of a domain.

    Args:
        rng: the image's random stream.
        mask: mode L, 192 x 192, what the object covers.
        colour: (3,) in [0, 1].
        domain: "photo", "sketch" or "painting".
        tone: "dark" or "light" ground.

    Returns:
        (64, 64, 3), about in [0, 1].
    """
    ground = background(rng, tone)
    draw = {"photo": _photo, "sketch": _sketch, "painting": _painting}[domain]
    return draw(rng, mask, colour, ground)


def _blend(ground: FloatArray, colour: FloatArray, cover: FloatArray) -> FloatArray:
    return np.asarray(ground + (colour - ground) * cover[..., None], dtype=np.float32)


def _photo(rng: np.random.RandomState, mask: Image.Image, colour: FloatArray, ground: FloatArray) -> FloatArray:
    """Light from one side, and the shadow on the other."""
    cover = shrink(mask)
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-1, 1, SIZE, dtype=np.float32)
    light = 1 + 0.35 * (np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None])
    offset = (round(-5 * np.sin(angle)), round(-5 * np.cos(angle)))
    shadow = np.roll(to_array(to_image(cover).filter(ImageFilter.GaussianBlur(2.5))), offset, axis=(0, 1))
    ground = ground * (1 - 0.45 * shadow[..., None])
    lit = np.clip(colour * light[..., None], 0, 1)
    return _blend(ground, lit, cover)


def _sketch(rng: np.random.RandomState, mask: Image.Image, colour: FloatArray, ground: FloatArray) -> FloatArray:
    """A coloured pencil: the outline, and a little hatching inside."""
    width = 2 * rng.randint(2, 4) + 1
    drawn = np.asarray(mask)
    edge = shrink(Image.fromarray(_over_window(drawn, width, np.maximum) - _over_window(drawn, width, np.minimum)))
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(3.5, 6)
    hatch = np.sin((np.cos(angle) * columns + np.sin(angle) * rows) * 2 * np.pi / pitch) > 0.5
    grain = 0.65 + 0.35 * smooth_noise(rng, 24)
    paper = 0.75 * ground + 0.25 * ground.mean()
    return _blend(paper, colour, np.clip(edge + 0.3 * hatch * shrink(mask), 0, 1) * grain)


def _over_window(pixels: NDArray[np.uint8], width: int, pick: np.ufunc) -> NDArray[np.uint8]:
    """The largest or smallest value in a square window around each pixel, rows first, then columns.

    Pillow's rank filters give the same and take ten times as long.
    """
    for axis in (0, 1):
        margin = [(width // 2, width // 2) if each == axis else (0, 0) for each in (0, 1)]
        padded, length = np.pad(pixels, margin, mode="edge"), pixels.shape[axis]
        pixels = pick.reduce([padded.take(range(step, step + length), axis=axis) for step in range(width)])
    return pixels


def _painting(rng: np.random.RandomState, mask: Image.Image, colour: FloatArray, ground: FloatArray) -> FloatArray:
    """Blotchy paint laid on with a broad brush, on a canvas whose weave shows."""
    strokes = np.repeat(np.repeat(rng.uniform(-0.28, 0.28, size=(16, 16, 3)), 4, axis=0), 4, axis=1)
    turned = np.clip(colour + 0.8 * strokes + 0.08 * rng.uniform(-1, 1, size=3), 0, 1)
    flat = to_image(_blend(np.asarray(ground + 0.6 * strokes, np.float32), turned.astype(np.float32), shrink(mask)))
    brushed = to_array(flat.filter(ImageFilter.ModeFilter(5)).filter(ImageFilter.SMOOTH))
    axis = np.arange(SIZE)
    weave = 0.04 * np.cos(np.pi * axis)[:, None] * np.cos(np.pi * axis)[None, :]
    return np.asarray(brushed + weave[..., None], dtype=np.float32)


def spoil(rng: np.random.RandomState, pixels: FloatArray, difficulty: Difficulty) -> FloatArray:
    """Strokes, bars, blur, haze and noise over a finished picture, (64, 64, 3) in and out."""
    image = to_image(pixels)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(difficulty.clutter[0], difficulty.clutter[1] + 1)):
        _stray_stroke(rng, draw)
    if rng.uniform() < difficulty.occlusion:
        _bar(rng, draw, image)
    radius = rng.uniform(*difficulty.blur)
    blurred = to_array(image.filter(ImageFilter.GaussianBlur(radius)))
    keep = rng.uniform(*difficulty.contrast)
    hazy = blurred * keep + (1 - keep) * rng.uniform(0.3, 0.7)
    noise = rng.standard_normal((SIZE, SIZE, 3)) * rng.uniform(*difficulty.noise)
    return np.asarray(hazy + noise, dtype=np.float32)


def _stray_stroke(rng: np.random.RandomState, draw: ImageDraw.ImageDraw) -> None:
    colour = tuple(int(each) for each in rng.randint(0, 256, size=3))
    start, turn, length = rng.uniform(0, SIZE, size=2), rng.uniform(0, 2 * np.pi), rng.uniform(8, 26)
    stop = start + length * np.array([np.cos(turn), np.sin(turn)])
    draw.line([tuple(start), tuple(stop)], fill=colour, width=int(rng.randint(1, 3)))


def _bar(rng: np.random.RandomState, draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    """A bar in the colour of a corner, across a part of the middle."""
    colour = image.getpixel((2, 2))
    x, y = rng.uniform(12, 44, size=2)
    width, height = (rng.uniform(5, 10), rng.uniform(18, 34))
    if rng.uniform() < 0.5:
        width, height = height, width
    draw.rectangle((x, y, x + width, y + height), fill=colour)


def finish(pixels: FloatArray) -> NDArray[np.uint8]:
    """Floats to the uint8 that datasets hold."""
    return np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
