"""Evidence that only some metrics need: both models, with images and words to try them on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from unlearn_bench.clip import Clip

Once = Callable[[str, Callable[[], Tensor]], Tensor]
"""What was computed before under this purpose, or what the function gives now."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """A split as the models take it.

    Attributes:
        pixels: prepared images (N, H, W, 3) uint8; `clip.to_input(pixels[rows])` makes a batch.
        labels: (N,) int64, indices into the own dataset's class names.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Models:
    """Both models and the own dataset's images and words, for metrics that encode or train again.

    Attributes:
        original, unlearned: neither may be changed; train `copy()`, or `with_state(..)`.
        train: the images that methods may be given. test: those of `Evidence.own`, in the same order.
        template: the evaluation template, with one `{}` for the class name.
        synonyms: other names of classes, by class name; classes that have none are left out.
        once: keeps what depends on nothing but the original model and these images and words. Its purpose names the
            metric, its version, and whatever else decides the tensor (the run's seed).
    """

    original: Clip
    unlearned: Clip
    train: Images
    test: Images
    template: str
    synonyms: Mapping[str, tuple[str, ...]]
    once: Once
