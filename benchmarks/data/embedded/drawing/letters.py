"""Lower-case letters in the typefaces that ship with matplotlib."""

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unlearn_bench.benchmarks.data.embedded.drawing.canvas import FINE, SIZE, FloatArray, Placement
from unlearn_bench.benchmarks.data.embedded.drawing.shapes import from_hue

_POINTS = 96  # large enough for masks that end up 48 pixels high

TYPEFACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-BoldItalic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "STIXGeneralBol",
    "cmr10",
    "cmss10",
    "cmtt10",
    "cmti10",
)


@lru_cache(maxsize=len(TYPEFACES))
def _typeface(name: str) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    # The basic layout engine: the other one depends on a system library.
    return ImageFont.truetype(str(path), size=_POINTS, layout_engine=ImageFont.Layout.BASIC)


def draw_letter(rng: np.random.RandomState, name: str, placement: Placement) -> tuple[Image.Image, FloatArray]:
    """The mask of "letter k" in a random typeface, and a random colour.

    Returns:
        Mask, mode L, 192 x 192, and colour (3,) in [0, 1].
    """
    font = _typeface(TYPEFACES[rng.randint(len(TYPEFACES))])
    letter = name.removeprefix("letter ")
    left, top, right, bottom = font.getbbox(letter)
    glyph = Image.new("L", (round(right - left), round(bottom - top)), 0)
    ImageDraw.Draw(glyph).text((-left, -top), letter, font=font, fill=255)
    return stamp(glyph, placement), from_hue(rng.uniform(0, 360), rng.uniform(0.3, 0.9), rng.uniform(0.35, 0.95))


def stamp(glyph: Image.Image, placement: Placement) -> Image.Image:
    """A glyph (mode L) turned and scaled so that its longer side fills the placement's box, on a fine
    canvas."""
    turned = glyph.rotate(-placement.turn, resample=Image.Resampling.BICUBIC, expand=True)
    factor = 2 * placement.half * (FINE / SIZE) / max(glyph.size)
    size = (max(1, round(turned.width * factor)), max(1, round(turned.height * factor)))
    small = turned.resize(size, Image.Resampling.BILINEAR)
    canvas = Image.new("L", (FINE, FINE), 0)
    corner = (
        round(placement.x * FINE / SIZE - size[0] / 2),
        round(placement.y * FINE / SIZE - size[1] / 2),
    )
    canvas.paste(small, corner)
    return canvas
