"""The embedded `mini-associations`: entities with an attribute, and a caption each, drawn when they are needed."""

from functools import lru_cache
from itertools import count, islice

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.embedded.drawing.association_sets import MINI_ASSOCIATIONS
from unlearn_bench.benchmarks.data.embedded.mini import rendering


class MiniAssociations(Dataset):
    """Shapes on dark and on light backgrounds, each link a class, with captions that state it. 64 px."""

    def __init__(self, name: str = MINI_ASSOCIATIONS.name) -> None:
        facts = MINI_ASSOCIATIONS
        self.name, self.template, self.class_names = name, facts.template, facts.class_names
        self.licence, self.source, self.version = facts.base.licence, facts.base.source, facts.version
        self.forget_classes, self.tuning_classes = facts.forget_classes, facts.tuning_classes
        self.associations = facts.associations
        self.rendering = rendering()

    def index(self, split: Split) -> Index:
        """Links, names, domains and captions of the split's pictures."""
        base, pictures = MINI_ASSOCIATIONS.base, _pictures(split)
        return Index(
            labels=tuple(label for label, _ in pictures),
            names=tuple(f"{self.name}/{split}/{self.class_names[label]}/{number}" for label, number in pictures),
            domains=tuple(base.domain_of(number) for _, number in pictures),
            captions=_captions(split),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The picture `row` of the split, RGB, 64 x 64."""
        from unlearn_bench.benchmarks.data.embedded.drawing.splits import render_image  # noqa: PLC0415  (drawing is rarely needed)

        label, number = _pictures(split)[row]
        pixels, _ = render_image(MINI_ASSOCIATIONS.base, split, self.associations[label][0], number)
        return Image.fromarray(pixels)


@lru_cache(maxsize=4)
def _pictures(split: Split) -> tuple[tuple[int, int], ...]:
    """Label and number of each picture: of each link the first numbers of its entity that show its value."""
    from unlearn_bench.benchmarks.data.embedded.drawing.splits import facts_of  # noqa: PLC0415  (drawing is rarely needed)

    sets = MINI_ASSOCIATIONS

    def shown(entity: str, value: str, most: int) -> list[int]:
        fitting = (
            number for number in count() if facts_of(sets.base, split, entity, number)[sets.attribute] == value
        )
        return list(islice(fitting, most))

    return tuple(
        (label, number)
        for label, (name, (entity, value)) in enumerate(zip(sets.class_names, sets.associations, strict=True))
        for number in shown(entity, value, sets.images_in(split, name))
    )


@lru_cache(maxsize=4)
def _captions(split: Split) -> tuple[tuple[str, ...], ...]:
    """For each picture one of the captions that are true of it and state the attribute."""
    from unlearn_bench.benchmarks.data.embedded.drawing.canvas import stream  # noqa: PLC0415  (drawing is rarely needed)
    from unlearn_bench.benchmarks.data.embedded.drawing.captions import captions_of  # noqa: PLC0415
    from unlearn_bench.benchmarks.data.embedded.drawing.splits import facts_of  # noqa: PLC0415

    sets = MINI_ASSOCIATIONS
    stating = {
        entity: [caption for caption in captions_of(sets.base, entity) if sets.attribute in caption.facts]
        for entity in sets.base.class_names
    }

    def one(label: int, number: int) -> str:
        entity, _ = sets.associations[label]
        facts = facts_of(sets.base, split, entity, number)
        fitting = [caption.text for caption in stating[entity] if caption.true_of(entity, facts)]
        return fitting[int(stream(sets.name, split, entity, number).randint(len(fitting)))]

    return tuple((one(label, number),) for label, number in _pictures(split))
