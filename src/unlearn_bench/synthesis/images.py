"""What synthesis gives back: images with their labels, and what it took to make them."""

from collections.abc import Callable
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


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far making images is.

    Attributes:
        made, lost: images accepted, and given up. wanted: in all.
        best: the highest probability of the target that an image which is not accepted has reached.
        attempt: the latest attempt of those under way, from 1.
    """

    made: int
    lost: int
    wanted: int
    best: float
    attempt: int

    def __str__(self) -> str:
        given_up = f", {self.lost} given up" if self.lost else ""
        still = f", best probability of the rest {self.best:.2f}, attempt {self.attempt}"
        return f"synthetic images {self.made} of {self.wanted}{given_up}" + (
            still if self.made + self.lost < self.wanted else ""
        )


Say = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """For those who do not want to know."""
