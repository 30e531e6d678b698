"""What the checks of a model look at: the model, noise pictures and texts, and what they found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unlearn_bench.clip import Clip

Verdict = Literal["ok", "warning", "error"]

TEXTS = ("a photo of a dog", "a photo of a red bicycle", "the letter k", "7 boats on a lake")
"""Of different lengths, as class texts are."""

ROUNDING = 1e-3
"""Of an embedding's length: what fp32 in batches of another size may differ by, on a GPU too."""

_SIZES = ((80, 60), (33, 47), (64, 64), (120, 40))  # width and height in pixels


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        about: what was checked, in a word or two. verdict: `error` if methods or numbers would be wrong.
        text: what was found and, unless it is `ok`, what to do.
    """

    about: str
    verdict: Verdict
    text: str

    def __str__(self) -> str:
        return f"{self.verdict:8} {self.about}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model under check. What is derived from it is made once, when first asked.

    Attributes:
        spec: how it was asked for. clip: itself, which no check changes.
    """

    spec: str
    clip: Clip

    @cached_property
    def pictures(self) -> tuple[Image.Image, ...]:
        """Coloured noise in four sizes."""
        stream = np.random.RandomState(0)
        found = []
        for width, height in _SIZES:
            base, noise = stream.uniform(40, 215, 3), stream.normal(0, 40, (height, width, 3))
            found.append(Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)))
        return tuple(found)

    @cached_property
    def prepared(self) -> Tensor:
        """The pictures as the image cache keeps them, (4, H, W, 3) uint8."""
        return torch.from_numpy(np.stack([self.clip.prepare(picture) for picture in self.pictures]))

    @cached_property
    def inputs(self) -> Tensor:
        """(4, 3, H, W) float32."""
        return self.clip.to_input(self.prepared)

    @cached_property
    def tokens(self) -> Tensor:
        """(4, L) int64."""
        return self.clip.tokenize(TEXTS)

    @cached_property
    def images(self) -> Tensor:
        """Embeddings of the pictures, (4, D)."""
        return embed_images(self.clip, self.inputs)

    @cached_property
    def texts(self) -> Tensor:
        """Embeddings of `TEXTS`, (4, D)."""
        return embed_tokens(self.clip, self.tokens)


Check = Callable[[Subject], Iterator[Finding]]


def good(about: str, text: str) -> Finding:
    return Finding(about=about, verdict="ok", text=text)


def doubtful(about: str, text: str) -> Finding:
    return Finding(about=about, verdict="warning", text=text)


def bad(about: str, text: str) -> Finding:
    return Finding(about=about, verdict="error", text=text)


def embed_images(clip: Clip, inputs: Tensor) -> Tensor:
    """As a run embeds test images: in inference mode."""
    with torch.inference_mode():
        return clip.encode_images(inputs)


def embed_tokens(clip: Clip, tokens: Tensor) -> Tensor:
    """As a run embeds texts."""
    with torch.inference_mode():
        return clip.encode_texts(tokens)


def apart(found: Tensor, expected: Tensor) -> float:
    """The greatest distance of two rows as a share of the expected one's length; infinite where it is not finite."""
    distances = (found - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1).clamp(min=1e-12)
    return float(distances.max()) if bool(distances.isfinite().all()) else float("inf")


def some(names: Sequence[str], count: int = 3) -> str:
    """The first names and how many more there are.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")
