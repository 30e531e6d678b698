"""`mini-pairs` as data: drawings with a caption each, and the rule that chooses what is forgotten.

The pairs are the shapes' and the letters' drawings. For each class and each combination of facts (domain, size,
background) the first images that have it are taken, as many as the split asks for, so that a caption that states
every fact is true of no other image of the class but its twins. Three captions of four state every fact, the others
leave one out; which one an image has is drawn from its name.

Topics are the classes. What is forgotten and tuned on are the forget and the tuning classes of the two datasets,
which their rule chose by accuracy on val before any forgetting (see `concepts`): nothing that was tuned on is
reported.

Like `concepts`, this module imports neither torch nor NumPy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, MiniDataset, Split


@dataclass(frozen=True, kw_only=True)
class PairSets:
    """A rendered dataset of images with a caption each.

    Args:
        name: registered name.
        bases: the datasets whose drawings these are, with all their classes.
        template: of the topics, for zero-shot classification.
        per_combination: images of a class for each combination of facts, by split.
        version: raised by hand when pixels or captions change.
    """

    name: str
    bases: tuple[MiniDataset, ...]
    template: str
    per_combination: Mapping[Split, int]
    version: str

    @property
    def summary(self) -> str:
        """One line for listings."""
        return f"{len(self.topics)} topics, images with captions; drawings like {' and '.join(self._names)}"

    @property
    def topics(self) -> tuple[str, ...]:
        """The class names of all bases, in the order of the labels."""
        return tuple(name for base in self.bases for name in base.class_names)

    @property
    def forget_classes(self) -> tuple[str, ...]:
        """Those of the bases."""
        return tuple(name for base in self.bases for name in base.forget_classes)

    @property
    def tuning_classes(self) -> tuple[str, ...]:
        """Those of the bases."""
        return tuple(name for base in self.bases for name in base.tuning_classes)

    @property
    def licence(self) -> str:
        """Of the material of all bases."""
        return "; ".join(dict.fromkeys(base.licence for base in self.bases))

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(base.name for base in self.bases)


MINI_PAIRS = PairSets(
    name="mini-pairs",
    bases=(DATASETS["mini-shapes"], DATASETS["mini-letters"]),
    template="a photo of a {}.",
    per_combination=MappingProxyType({"pretrain": 4, "train": 2, "val": 1, "test": 1}),
    version="1",
)
