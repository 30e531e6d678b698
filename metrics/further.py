"""Evidence that only some metrics need: both models, with images and words to try them on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from unlearn_bench.clip import Clip, Tower, changed_names


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
        template: the evaluation template, with one `{}` for the class name, and `{domain}` where there are domains.
        classes: of each label, what sentences say for it: its class, without the domain where classes are parted.
        phrases: of each label, what `{domain}` stands for (`a sketch`); empty where classes are not parted by domain.
        synonyms: other names of classes, by class; classes that have none are left out.
    """

    original: Clip
    unlearned: Clip
    train: Images
    test: Images
    template: str
    classes: tuple[str, ...]
    synonyms: Mapping[str, tuple[str, ...]]
    phrases: tuple[str, ...] = ()

    @cached_property
    def touched(self) -> frozenset[Tower]:
        """The towers in which a tensor differs between the two models; the others give the same embeddings."""
        changed = changed_names(self.original.state(), self.unlearned.state())
        return frozenset(self.original.locate(name).tower for name in changed)

    @property
    def texts(self) -> tuple[str, ...]:
        """The evaluation template filled for each label."""
        return self.texts_in(self.template)

    def texts_in(self, template: str) -> tuple[str, ...]:
        """Another template filled for each label."""
        return tuple(self.say(template, label, word) for label, word in enumerate(self.classes))

    def say(self, template: str, label: int, word: str) -> str:
        """A template filled for a label whose class is called `word`, and with the label's own domain."""
        return template.format(word, domain=self.phrases[label]) if self.phrases else template.format(word)
