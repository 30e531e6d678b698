"""What the mini datasets show, as data: class names, templates, domains, and the rule that chooses what is
forgotten.

The rule never looks at what a method does. With the n class names of a dataset sorted, the forget classes stand in
the middle of each third (positions n // 6, n // 2, 5 n // 6), and the tuning classes, which no table uses, at the
boundaries between the thirds (n // 3, 2 n // 3). A class that the models know too well or too little before any
forgetting (`out_of_band`: accuracy on val outside .45 to .95 for one of them) is passed over for the nearest name
that is free, the later of two equally near: there would be nothing to see on it.

This module imports neither torch nor NumPy, so that the command line can list datasets at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Split = Literal["pretrain", "train", "val", "test"]
SPLITS: tuple[Split, ...] = ("pretrain", "train", "val", "test")

DOMAINS = ("photo", "sketch", "painting")


@dataclass(frozen=True, kw_only=True)
class MiniClass:
    """One class.

    Args:
        name: what templates are filled with.
        composed: the name is made of parts that other classes share (colour and shape), so that a model can
            recognise the class without having seen it.
    """

    name: str
    composed: bool = False


@dataclass(frozen=True, kw_only=True)
class MiniDataset:
    """A rendered dataset of the suite, described.

    Args:
        name: registered name.
        classes: in the order of the labels, which is the order of the sorted names.
        template: evaluation template with one `{}`.
        domains: rendering styles, or empty where there is only one.
        facts: what else is drawn at random and can be stated in a caption: attribute name to its values.
        pretrain_per_class: images per class for training the mini models.
        forget_test_images: test images for each forget class.
        out_of_band: classes that are never forgotten, since a model's accuracy on them leaves no room.
        licence, source: of the material that the images are made from.
        version: raised by hand when the pixels change.
    """

    name: str
    classes: tuple[MiniClass, ...]
    template: str
    facts: Mapping[str, tuple[str, str]]
    domains: tuple[str, ...] = ()
    pretrain_per_class: int = 180
    forget_test_images: int = 100
    out_of_band: tuple[str, ...] = ()
    licence: str
    source: str
    version: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return tuple(each.name for each in self.classes)

    @property
    def forget_classes(self) -> tuple[str, ...]:
        """The ones in the middle of each third of the sorted names, by the module's rule."""
        return self._chosen()[:3]

    @property
    def tuning_classes(self) -> tuple[str, ...]:
        """The ones at the boundaries between the thirds, by the module's rule."""
        return self._chosen()[3:]

    def _chosen(self) -> tuple[str, ...]:
        names, n = sorted(self.class_names), len(self.classes)
        chosen: list[str] = []
        for middle in (n // 6, n // 2, 5 * n // 6, n // 3, 2 * n // 3):
            free = [i for i, name in enumerate(names) if name not in self.out_of_band and name not in chosen]
            _, place = min((abs(i - middle), -i) for i in free)
            chosen.append(names[-place])
        return tuple(chosen)

    def images_in(self, split: Split, name: str) -> int:
        """How many images of class `name` the split holds."""
        if split == "pretrain":
            return self.pretrain_per_class
        if split == "test":
            return self.forget_test_images if name in self.forget_classes else 25
        return {"train": 20, "val": 24}[split]

    def domain_of(self, index: int) -> str:
        """Of image `index` of a class: they take the domains in turn, so that every class is balanced over them.

        "" where there is one domain.
        """
        return self.domains[index % len(self.domains)] if self.domains else ""

    def contents(self, split: Split) -> tuple[tuple[int, str], ...]:
        """Label and domain of each image of the split in its order, class by class, without drawing one."""
        return tuple(
            (label, self.domain_of(index))
            for label, name in enumerate(self.class_names)
            for index in range(self.images_in(split, name))
        )


def _atomic(*names: str) -> tuple[MiniClass, ...]:
    return tuple(MiniClass(name=name) for name in sorted(names))


COLOURS = ("blue", "orange", "purple", "red")
COLOURED_FORMS = ("circle", "ellipse", "hexagon")
PLAIN_FORMS = ("crescent", "cross", "heart", "ring", "star", "teardrop")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = "abcdefhiklmnopquvy"
TEXTURES = (
    "basket weave",
    "bricks",
    "checkerboard",
    "cracks",
    "diamonds",
    "grid",
    "honeycomb",
    "marble",
    "plaid",
    "polka dots",
    "ripples",
    "scales",
    "speckles",
    "spiral",
    "stripes",
    "waves",
    "wood grain",
    "zigzag",
)
ICONS = ("arrow", "cup", "fish", "flag", "house", "ladder", "mushroom", "sailboat", "tree", "umbrella")

_COMPOSED = tuple(f"{colour} {form}" for colour in COLOURS for form in COLOURED_FORMS)
_DRAWN = "drawn by this project"
_PLACED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"size": ("small", "large"), "background": ("dark", "light")}
)

DATASETS: Mapping[str, MiniDataset] = MappingProxyType(
    {
        "mini-digits": MiniDataset(
            name="mini-digits",
            classes=_atomic(*(f"digit {name}" for name in DIGITS)),
            template="a photo of a {}, a handwritten number.",
            facts=_PLACED,
            pretrain_per_class=200,
            forget_test_images=50,
            out_of_band=("digit four", "digit six", "digit zero"),
            licence="CC BY 4.0",
            source="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning "
            "Repository, 1998 (its test set, as scikit-learn ships it: sklearn.datasets.load_digits)",
            version="1",
        ),
        "mini-shapes": MiniDataset(
            name="mini-shapes",
            classes=tuple(
                sorted(
                    (*(MiniClass(name=name, composed=True) for name in _COMPOSED), *_atomic(*PLAIN_FORMS)),
                    key=lambda each: each.name,
                )
            ),
            template="a photo of a {}.",
            domains=DOMAINS,
            facts=_PLACED,
            out_of_band=(
                "crescent",
                "cross",
                "orange circle",
                "purple circle",
                "red circle",
                "red hexagon",
                "ring",
            ),
            licence="MIT",
            source=_DRAWN,
            version="1",
        ),
        "mini-letters": MiniDataset(
            name="mini-letters",
            classes=_atomic(*(f"letter {letter}" for letter in LETTERS)),
            template="a photo of a {}.",
            domains=DOMAINS,
            facts=_PLACED,
            out_of_band=("letter e", "letter l", "letter y"),
            licence="MIT; typefaces: DejaVu Fonts License (Bitstream Vera), SIL OFL 1.1 (STIX), "
            "BaKoMa Fonts Licence (Computer Modern)",
            source="typefaces that ship with matplotlib: DejaVu Sans, Sans Mono and Serif, STIX General, "
            "Computer Modern (BaKoMa)",
            version="1",
        ),
        "mini-textures": MiniDataset(
            name="mini-textures",
            classes=_atomic(*TEXTURES),
            template="a photo of a {} texture.",
            facts=MappingProxyType({"scale": ("fine", "coarse"), "tone": ("cool", "warm")}),
            out_of_band=("diamonds", "grid", "ripples", "stripes"),
            licence="MIT",
            source="computed by this project",
            version="1",
        ),
        "mini-icons": MiniDataset(
            name="mini-icons",
            classes=_atomic(*ICONS),
            template="a drawing of a {}.",
            facts=_PLACED,
            forget_test_images=25,
            licence="MIT",
            source=_DRAWN,
            version="1",
        ),
    }
)

SUITE = ("mini-digits", "mini-shapes", "mini-letters", "mini-textures")
CONTROL = "mini-icons"
