"""How synthetic images are made: the numbers that a preset, a suite or a user may set."""

from __future__ import annotations  # so that the fields' types are texts

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from unlearn_bench.errors import InputError

_REFERENCE_SIZE = 224
_LATER = {"own_pixels": False, "patience": 0, "max_seconds": 0.0}
"""Settings that came after the first published records, with the values at which nothing says them."""


@dataclass(frozen=True, kw_only=True)
class SynthesisSettings:
    """How synthetic images are made; the defaults are the paper's for RN50.

    Attributes:
        images_per_class: how many images of each target class.
        step_size: length of one ascent step (L2 over the image) at 224 px; scaled by side / 224.
        max_steps: steps of one attempt.
        jitter_px: largest shift along each axis at 224 px; scaled by side / 224, rounded, at least 1.
        norm_weight: factor of the image's L2 norm in the objective.
        blur_sigma: of the Gaussian blur, px. blur_every: steps between two blurs.
        threshold: probability of the target class from which an image is accepted.
        threshold_drop: by how much the threshold sinks after a failed attempt.
        threshold_floor: its least value.
        batch_size: images that are worked on together; changes no image beyond rounding.
        check_every: steps between two tests for acceptance.
        max_attempts: attempts of one image, after which it is given up; 11 reach the floor.
        own_pixels: climb in what the model is shown, pixels in [0, 1] before its own normalisation, and test that;
            False: as the paper does, which holds where the model normalises as CLIP does (see `synthesize`).
        patience: steps without a gain after which an attempt ends early; 0: never. A gain is a rise of the target's
            best log probability of this attempt by .05.
        max_seconds: after which no more images are made for a class, wall time; 0: no limit. What is made by then
            counts if it is enough; on a slower machine it is less, so a record says the setting and the images.
    """

    images_per_class: int = 64
    step_size: float = 25.0
    max_steps: int = 3000
    jitter_px: int = 16
    norm_weight: float = 1e-3
    blur_sigma: float = 0.5
    blur_every: int = 10
    threshold: float = 0.7
    threshold_drop: float = 0.025
    threshold_floor: float = 0.45
    batch_size: int = 64
    check_every: int = 1
    max_attempts: int = 11
    own_pixels: bool = False
    patience: int = 0
    max_seconds: float = 0.0

    def __post_init__(self) -> None:
        check_settings(vars(self))
        for name in (
            "images_per_class",
            "max_steps",
            "blur_every",
            "batch_size",
            "check_every",
            "max_attempts",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"synthesis setting {name} = {getattr(self, name)}; give a whole number from 1")
        for name in ("threshold", "threshold_floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"synthesis setting {name} = {getattr(self, name)}; give a probability, 0 to 1")
        for name in (
            "step_size",
            "jitter_px",
            "norm_weight",
            "blur_sigma",
            "threshold_drop",
            "patience",
            "max_seconds",
        ):
            if not getattr(self, name) >= 0:
                raise InputError(f"synthesis setting {name} = {getattr(self, name)}; give a number from 0")

    def stated(self) -> dict[str, Any]:
        """What decides the images, by name: all but `batch_size`, and later settings only where they are in use, so
        that records and images that were made before them keep their names."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name != "batch_size" and not (name in _LATER and value == _LATER[name])
        }

    def step_at(self, side: int) -> float:
        """Step length for images of `side` px."""
        return self.step_size * side / _REFERENCE_SIZE

    def jitter_at(self, side: int) -> int:
        """Largest shift in px for images of `side` px; 0 only where jitter is switched off."""
        return max(1, round(self.jitter_px * side / _REFERENCE_SIZE)) if self.jitter_px else 0

    def threshold_at(self, attempt: int) -> float:
        """Threshold of attempt 0, 1, ..; rounded, since floats would miss the floor by a hair."""
        lowered = round(self.threshold - attempt * self.threshold_drop, 9)
        return max(lowered, min(self.threshold, self.threshold_floor))


def check_settings(values: Mapping[str, object], *, of: str = "") -> None:
    """See that settings are of the kind that the fields of their name are; unknown names are somebody else's to tell.

    Raises:
        InputError: a text where a number belongs, half of what is counted, no number, no end.
    """
    kinds = {item.name: str(item.type) for item in fields(SynthesisSettings)}
    said = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    for name, value in values.items():
        kind = kinds.get(name)
        if kind is not None and not _is_of(kind, value):
            where = f" of {of}" if of else ""
            raise InputError(f"synthesis setting {name} = {value!r}{where}; give {said[kind]}")


def _is_of(kind: str, value: object) -> bool:
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    return isinstance(value, int) or (kind == "float" and isinstance(value, float) and math.isfinite(value))


UNTUNED = SynthesisSettings(
    images_per_class=32,
    max_steps=200,
    jitter_px=32,
    blur_sigma=0.8,
    blur_every=4,
    threshold=0.9,
    threshold_drop=0.2,
    threshold_floor=0.1,
    max_attempts=5,
    own_pixels=True,
    patience=40,
    max_seconds=60.0,
)
"""For a model without settings of its own: cheap, and sure to end. `tune --synthesis` finds better ones."""
