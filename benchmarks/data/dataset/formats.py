"""Which picture files are read: every format that Pillow decodes by itself, and none that starts another program."""

from functools import lru_cache

from PIL import Image

_SELF_CONTAINED = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "QOI", "TGA", "DIB", "ICO", "ICNS"),
    *("PCX", "DCX", "SGI", "SUN", "PSD", "DDS", "BLP", "CUR", "FITS", "FLI", "FTEX", "GBR", "IM", "MSP", "PIXAR"),
    *("XBM", "XPM"),
)
_AS_JPEG = "MPO"
"""Several JPEGs in one file: Pillow's reader of JPEG takes it, and it has an ending of its own."""

MOST_SHORT_SIDES = 400
"""A picture's longer side by its shorter one, at most: resized to a shorter side of 224, one of 20000 x 1 would take
4 GB before it is cut. How many pixels a picture may have is bounded by Pillow."""


@lru_cache(maxsize=1)
def formats() -> tuple[str, ...]:
    """The formats that are read, the usual ones first, as far as this Pillow has them.

    They are named, since Pillow would else start Ghostscript for a PostScript file, whatever its ending says.
    """
    Image.init()
    return tuple(name for name in _SELF_CONTAINED if name in Image.OPEN)


@lru_cache(maxsize=1)
def endings() -> frozenset[str]:
    """The endings of those formats, in lower case, as Pillow lists them."""
    known = {*formats(), _AS_JPEG}
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in known)
