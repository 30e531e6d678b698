"""What happened to each image, before and after, in a short text that a record can carry."""

import base64
import binascii
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unlearn_bench.errors import InputError

Outcomes = NDArray[np.bool_]


def pack(before: Outcomes, after: Outcomes) -> str:
    """Two rows of yes and no as text: eight images to a byte, `before` first, in base64.

    Args:
        before, after: (n,) bool, in the same order of images.

    Raises:
        ValueError: not one-dimensional, not bool, or of different lengths.

    >>> text = pack(np.array([True, False, True]), np.array([False, False, True]))
    >>> text
    'oCA='
    >>> [side.tolist() for side in unpack(text, 3)]
    [[True, False, True], [False, False, True]]
    """
    sides = (np.asarray(before), np.asarray(after))
    if any(side.dtype != np.bool_ or side.ndim != 1 for side in sides) or len(sides[0]) != len(sides[1]):
        came = " and ".join(f"{side.dtype}{list(side.shape)}" for side in sides)
        raise ValueError(f"outcomes are two bool arrays of one length, got {came}")
    packed = b"".join(np.packbits(side).tobytes() for side in sides)
    return base64.b64encode(packed).decode("ascii")


def unpack_sums(packed: Sequence[bytes], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    r"""In how many of several packed outcomes (as bytes) each image was a yes, before and after, each (n,).

    >>> [side.tolist() for side in unpack_sums([b"\xa0\x20", b"\x80\x20"], 3)]
    [[2, 0, 1], [0, 0, 2]]
    """
    side = -(-n // 8)
    rows = np.frombuffer(b"".join(packed), dtype=np.uint8).reshape(len(packed), 2, side)
    before, after = np.unpackbits(rows, axis=2, count=n).sum(axis=0, dtype=np.int64)
    return before, after


def unpack(text: str, n: int) -> tuple[Outcomes, Outcomes]:
    """The two rows that `pack` put into `text`, each (n,) bool.

    Args:
        n: how many images; it tells where `before` ends, so the text carries no lengths.

    Raises:
        InputError: the text is no base64, or not as long as `n` images ask for.
    """
    try:
        packed = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InputError(f"outcomes {text[:20]!r} are no base64 ({error}); run the cell again") from error
    side = -(-n // 8)
    if n < 0 or len(packed) != 2 * side:
        raise InputError(f"outcomes of {n} images take {2 * side} bytes, got {len(packed)}; run the cell again")
    bits = np.frombuffer(packed, dtype=np.uint8)
    before, after = (np.unpackbits(part, count=n).astype(np.bool_) for part in (bits[:side], bits[side:]))
    return before, after
