"""scikit-learn's handwritten digits (1,797 real images of 8 x 8 pixels), each in one split only."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from unlearn_bench.benchmarks.data.embedded.drawing.canvas import FloatArray, Placement, stream
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, DIGITS, Split
from unlearn_bench.benchmarks.data.embedded.drawing.letters import stamp
from unlearn_bench.benchmarks.data.embedded.drawing.shapes import from_hue


@lru_cache(maxsize=1)
def _scans() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    digits = load_digits()
    return (digits.images * 15.9375).astype(np.uint8), digits.target.astype(np.int64)  # (1797, 8, 8), (1797,)


@lru_cache(maxsize=64)
def source_images(name: str, split: Split) -> tuple[int, ...]:
    """Which of scikit-learn's images a class has in a split: shuffled once per class, then cut.

    Test, val and train take one source image per image of theirs, pretrain has all the others.
    """
    _, target = _scans()
    found = np.flatnonzero(target == DIGITS.index(name.removeprefix("digit ")))
    order = found[stream("mini-digits", "source images", name).permutation(len(found))]
    start = 0
    for each in ("test", "val", "train"):
        stop = start + DATASETS["mini-digits"].images_in(each, name)
        if each == split:
            return tuple(int(number) for number in order[start:stop])
        start = stop
    return tuple(int(number) for number in order[start:])


def draw_digit(
    rng: np.random.RandomState, name: str, placement: Placement, *, split: Split, index: int
) -> tuple[Image.Image, FloatArray]:
    """The mask of one real digit, and a random ink.

    Returns:
        Mask, mode L, 192 x 192, and colour (3,) in [0, 1].
    """
    sources = source_images(name, split)
    scan = Image.fromarray(_scans()[0][sources[index % len(sources)]])
    padded = Image.new("L", (10, 10), 0)
    padded.paste(scan, (1, 1))
    glyph = padded.resize((160, 160), Image.Resampling.BICUBIC).crop((16, 16, 144, 144))
    return stamp(glyph, placement), from_hue(rng.uniform(0, 360), rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.95))
