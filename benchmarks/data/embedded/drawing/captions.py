"""Captions: frames around a class name that may also state a domain, a size, a background, a scale or a tone.

A caption is true of an image when the class is the same (under any of its names) and every fact that the
caption states is a fact of the image. "a photo of a {}." states the domain in the datasets that have
several, and nothing where all images look alike. The three sentences of `HELD_OUT` are never trained on:
they serve to ask whether a class that is gone under one wording comes back under another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from string import Formatter
from types import MappingProxyType

from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, MiniDataset

# Kravets & Namboodiri, "Zero-shot class unlearning in CLIP with synthetic samples" (WACV 2025), section 6.3.
HELD_OUT = (
    "We can see a {} in this image",
    "This is a representation of {}",
    "There is evidence of a {} in the picture",
)

GENERAL = (
    "A picture of {}",
    "a picture of a {}.",
    "an image of a {}.",
    "a {}.",
    "{}",
    "this is a {}.",
    "an image that shows a {}.",
    "a {} in the middle.",
    "one {}.",
    "a blurry image of a {}.",
    "a noisy picture with a {}.",
    "look at the {}.",
    "the {}.",
    "my favourite {}.",
    "what a {} looks like.",
)
PHOTO = ("a photo of a {}.", "a photo of the {}.", "a photograph of a {}.", "a close-up photo of a {}.")
SKETCH = ("a sketch of a {}.", "a pencil drawing of a {}.", "a {} drawn with a pencil.", "a hand-drawn {}.")
PAINTING = ("a painting of a {}.", "a painted {}.", "a {} on canvas.", "an oil painting of the {}.")
FRAMES_OF_DOMAIN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"photo": PHOTO, "sketch": SKETCH, "painting": PAINTING}
)
PLACED = (
    "a {size} {name}.",
    "a {name} on a {background} background.",
    "a picture of a {size} {name} on a {background} background.",
)
DOMAIN_PLACED = (
    "a {domain} of a {size} {name}.",
    "a {domain} of a {name} on a {background} background.",
    "a {domain} of a {size} {name} on a {background} background.",
)
SURFACES = (
    "a {scale} {name} texture.",
    "a {name} texture in {tone} colours.",
    "a {scale} {name} pattern in {tone} colours.",
)
OF_DATASET: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mini-digits": ("a photo of a {}, a handwritten number.", "a handwritten {}.", "the number: {}."),
        "mini-shapes": ("a {} shape.", "a figure: {}."),
        "mini-letters": ("a printed {}.", "the lower-case {}."),
        "mini-textures": (
            "a photo of a {} texture.",
            "a {} pattern.",
            "a surface with {}.",
            "a texture: {}.",
        ),
        "mini-icons": ("a drawing of a {}.", "a simple drawing of a {}.", "an icon of a {}."),
    }
)
SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "checkerboard": ("chequered",),
        "polka dots": ("dotted",),
        "bricks": ("brick wall",),
        "honeycomb": ("hexagonal cells",),
        "stripes": ("striped",),
        "waves": ("wavy lines",),
        "zigzag": ("chevron",),
        "cracks": ("cracked",),
        "ripples": ("concentric circles",),
        "speckles": ("speckled",),
        "wood grain": ("wooden",),
        "marble": ("marbled",),
        "plaid": ("tartan",),
        "basket weave": ("woven",),
        "scales": ("fish scales",),
        "crescent": ("half moon",),
        "cross": ("plus sign",),
        "ring": ("hoop",),
        "teardrop": ("drop",),
        "cup": ("mug",),
        "mushroom": ("toadstool",),
        "sailboat": ("boat",),
        "umbrella": ("parasol",),
    }
)


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A sentence and what it claims.

    Args:
        text: the sentence.
        dataset, name: the class, by its registered name.
        facts: what else is claimed: {"domain": "sketch", "size": "small"}; empty if nothing is.
    """

    text: str
    dataset: str
    name: str
    facts: Mapping[str, str]

    def true_of(self, name: str, facts: Mapping[str, str]) -> bool:
        """Whether the caption holds for an image of class `name` of its dataset with these facts."""
        return self.name == name and all(facts.get(fact) == value for fact, value in self.facts.items())


def image_facts(domain: str, attributes: Mapping[str, str]) -> Mapping[str, str]:
    """All facts of an image: its attributes, and the domain where the dataset has several."""
    return {**attributes, "domain": domain} if domain else dict(attributes)


def captions_of(dataset: MiniDataset, name: str) -> tuple[Caption, ...]:
    """Every caption that can be true of an image of the class, each text once."""
    found: dict[str, Caption] = {}
    for called in (name, *SYNONYMS.get(name, ())):
        for frame, facts in _frames(dataset):
            words = {key: value for key, value in facts.items() if "{" + key + "}" in frame}
            text = frame.format(called, name=called, **words)
            found.setdefault(text, Caption(text=text, dataset=dataset.name, name=name, facts=facts))
    return tuple(found.values())


def templates_of(dataset: MiniDataset) -> tuple[str, ...]:
    """The frames that captions of a dataset are made from, as written above."""
    return tuple(dict.fromkeys([*_plain(dataset), *_domain_frames(dataset), *_stating(dataset)]))


def every_text() -> tuple[str, ...]:
    """All texts whose tokens must have trained or shipped embeddings: captions, names, templates, held-out
    ones."""
    texts: dict[str, None] = {}
    for dataset in DATASETS.values():
        for name in dataset.class_names:
            texts.update(dict.fromkeys(caption.text for caption in captions_of(dataset, name)))
            texts.update(dict.fromkeys(frame.format(name) for frame in (*HELD_OUT, dataset.template, "{}")))
    return tuple(texts)


def _frames(dataset: MiniDataset) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each frame of a dataset with each combination of the facts that it states."""
    yield from ((frame, {}) for frame in _plain(dataset))
    values = {**dataset.facts, **({"domain": dataset.domains} if dataset.domains else {})}
    for domain in dataset.domains:
        yield from ((frame, {"domain": domain}) for frame in FRAMES_OF_DOMAIN[domain])
    for frame in _stating(dataset):
        stated = [field for _, field, _, _ in Formatter().parse(frame) if field and field != "name"]
        for chosen in product(*(values[field] for field in stated)):
            yield frame, dict(zip(stated, chosen, strict=True))


def _plain(dataset: MiniDataset) -> tuple[str, ...]:
    """Frames that state nothing but the class."""
    own = tuple(frame for frame in OF_DATASET[dataset.name] if not dataset.domains or "photo" not in frame)
    return (*GENERAL, *own) if dataset.domains else (*GENERAL, *own, *PHOTO)


def _domain_frames(dataset: MiniDataset) -> tuple[str, ...]:
    return tuple(frame for domain in dataset.domains for frame in FRAMES_OF_DOMAIN[domain])


def _stating(dataset: MiniDataset) -> tuple[str, ...]:
    if "size" not in dataset.facts:
        return SURFACES
    return (*PLACED, *DOMAIN_PLACED) if dataset.domains else PLACED
