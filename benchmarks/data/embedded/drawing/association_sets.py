"""`mini-associations` as data: entities with an attribute each, and the rule that chooses which link is forgotten.

A class is a link: an entity (one of the shapes) with one value of an attribute that its picture shows (the
background). To forget "star on a dark background" and nothing else leaves the star on light backgrounds and other
shapes on dark ones: the two hold-outs that class-level forgetting can't tell apart.

For each class the first images of the entity that show the value are taken, as many as the split asks for. Each has
a caption that states the value, one of those that the models were trained on; the image's name decides which one.

Forgotten and tuned on are the base's forget and tuning classes, with the attribute's values in turn: they were chosen
by accuracy on val before any forgetting (see `concepts`), and nothing that was tuned on is reported.

Like `concepts`, this module imports neither torch nor NumPy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, MiniDataset, Split


@dataclass(frozen=True, kw_only=True)
class AssociationSets:
    """A rendered dataset whose classes are links of an entity with an attribute.

    Args:
        name: registered name.
        base: the dataset whose classes are the entities.
        attribute: a fact of its images. words: a class name, from `{entity}` and `{value}`.
        template: of the class names, for zero-shot classification.
        per_class: images of a class, by split; `forget_test` for the test images of forget classes.
        version: raised by hand when pixels or captions change.
    """

    name: str
    base: MiniDataset
    attribute: str
    words: str
    template: str
    per_class: Mapping[Split, int]
    forget_test: int
    version: str

    @property
    def summary(self) -> str:
        """One line for listings."""
        entities, values = len(self.base.classes), len(self.values)
        return (
            f"{entities} entities with {values} values of an attribute ({self.attribute}); "
            f"drawings like {self.base.name}"
        )

    @property
    def values(self) -> tuple[str, ...]:
        """Of the attribute."""
        return self.base.facts[self.attribute]

    @property
    def associations(self) -> tuple[tuple[str, str], ...]:
        """Entity and value of each class, in the order of the labels."""
        return tuple((entity, value) for entity in self.base.class_names for value in self.values)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the labels."""
        return tuple(self._named(entity, value) for entity, value in self.associations)

    @property
    def forget_classes(self) -> tuple[str, ...]:
        """The base's, with the values in turn."""
        return self._in_turn(self.base.forget_classes)

    @property
    def tuning_classes(self) -> tuple[str, ...]:
        """The base's, with the values in turn."""
        return self._in_turn(self.base.tuning_classes)

    def images_in(self, split: Split, name: str) -> int:
        """How many images of class `name` the split holds."""
        return self.forget_test if split == "test" and name in self.forget_classes else self.per_class[split]

    def _named(self, entity: str, value: str) -> str:
        return self.words.format(entity=entity, value=value)

    def _in_turn(self, entities: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            self._named(entity, self.values[place % len(self.values)]) for place, entity in enumerate(entities)
        )


MINI_ASSOCIATIONS = AssociationSets(
    name="mini-associations",
    base=DATASETS["mini-shapes"],
    attribute="background",
    words="{entity} on a {value} background",
    template="a {}.",
    per_class=MappingProxyType({"pretrain": 90, "train": 20, "val": 24, "test": 25}),
    forget_test=100,
    version="1",
)
