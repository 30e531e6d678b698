"""From bytes in any of the formats that people have to a picture in RGB."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import BadImageError
from unlearn_bench.benchmarks.data.dataset.formats import MOST_SHORT_SIDES, formats


def read_rgb(file: Path | BinaryIO, *, name: str) -> Image.Image:
    """The first frame of `file` as RGB, as it is stored: no rotation, no transparency, as the field's loaders do.

    Grey-scale pictures of 16 bits keep their upper 8; Pillow alone would clip them to white. Formats are those of
    `formats`, whatever the ending says.

    Raises:
        BadImageError: the file, called `name` in the message, is not a picture that can be read to its end.
    """
    try:
        with Image.open(file, formats=formats()) as image:
            _check_size(image)
            return _deep(image) if image.mode.startswith("I") else image.convert("RGB")
    except Exception as error:  # what a decoder raises depends on where the damage is
        raise BadImageError(name, str(error).split("\n", 1)[0] or type(error).__name__) from error


def lies_in(folder: Path) -> tuple[Path, ...]:
    """The folder by its real path, and all that links in it lead to, over as many links as it takes.

    A link to a folder that holds `folder` itself, or this program, leads to no pictures.
    """
    programs = [Path(text).resolve() for text in (__file__, sys.prefix, sys.base_prefix)]
    no_pictures = {*folder.resolve().parents, *programs, *(parent for path in programs for parent in path.parents)}
    waiting, found = [folder.resolve()], set[Path]()
    while waiting:
        place = waiting.pop()
        if not {place, *place.parents} & found and place not in no_pictures:
            found.add(place)
            waiting += _links_below(place)
    return tuple(sorted(found))


def _links_below(folder: Path) -> Iterator[Path]:
    waiting = [str(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield Path(os.path.realpath(entry.path))
                elif entry.is_dir():
                    waiting.append(entry.path)


def _check_size(image: Image.Image) -> None:
    """Raise a ValueError, before anything is decoded, where the picture would take gigabytes once it is resized."""
    shorter, longer = sorted(image.size)
    if longer > MOST_SHORT_SIDES * shorter:
        raise ValueError(
            f"{image.width} x {image.height} pixels: one side is over {MOST_SHORT_SIDES} times the other"
        )


def _deep(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)  # (H, W)
    shallow = image.mode == "I" and values.max(initial=0) <= 255
    return Image.fromarray(np.clip(values if shallow else values // 256, 0, 255).astype(np.uint8)).convert("RGB")
