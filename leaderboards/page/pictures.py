"""Pictures small enough for a page that holds all of them."""

import base64
import io
from collections.abc import Sequence

from PIL import Image, ImageOps

_QUALITY = 60
_GAP = 2  # px between the images of a contact sheet
_COLUMNS = 8


def first_row(sheet: bytes) -> str:
    """The first eight images of a contact sheet as the source of an image element."""
    with Image.open(io.BytesIO(sheet)) as picture:
        side = (picture.width + _GAP) // _COLUMNS - _GAP
        return _source(picture.convert("RGB").crop((0, 0, picture.width, min(side, picture.height))))


def small(image: bytes, *, side: int = 64) -> str:
    """An image with no side longer than `side` pixels, as the source of an image element."""
    with Image.open(io.BytesIO(image)) as picture:
        plain = picture.convert("RGB")
        plain.thumbnail((side, side))
        return _source(plain)


def sheet(images: Sequence[bytes], *, side: int, columns: int) -> str:
    """Images as squares of `side` pixels in one picture, row by row, as the source of an image element."""
    size = (side * min(columns, len(images)), side * -(-len(images) // columns))
    whole = Image.new("RGB", size, "white")
    for place, image in enumerate(images):
        with Image.open(io.BytesIO(image)) as picture:
            square = ImageOps.fit(picture.convert("RGB"), (side, side))
        whole.paste(square, (side * (place % columns), side * (place // columns)))
    return _source(whole)


def _source(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, format="WEBP", quality=_QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
