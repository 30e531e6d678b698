"""What synthesis gives back: images with their labels, and what it took to make them."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Accepted synthetic images, by target class, then by index within it.

    Attributes:
        unit: (M, 3, S, S) float32 in [0, 1], on the CPU; input: `clip.normalise(unit.to(device))`.
        labels: (M,) int64, indices into the forget concepts.
        probabilities: (M,) float32, of the target class at acceptance.
        thresholds: (M,) float32, what each image had to reach.
        steps: (M,) int64, ascent steps over all attempts.
        attempts: (M,) int64.
    """

    unit: Tensor
    labels: Tensor
    probabilities: Tensor
    thresholds: Tensor
    steps: Tensor
    attempts: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def acceptance_rate(self) -> float:
        """Accepted images over attempts made for them."""
        return len(self.labels) / max(1, int(self.attempts.sum()))
