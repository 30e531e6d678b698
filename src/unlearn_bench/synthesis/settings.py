"""How synthetic images are made: the numbers that a preset, a suite or a user may set."""

from dataclasses import dataclass

from unlearn_bench.errors import InputError

_REFERENCE_SIZE = 224


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

    def __post_init__(self) -> None:
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
        for name in ("step_size", "jitter_px", "norm_weight", "blur_sigma", "threshold_drop"):
            if not getattr(self, name) >= 0:
                raise InputError(f"synthesis setting {name} = {getattr(self, name)}; give a number from 0")

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
