"""Facts about the photographs that the papers use: names, classes, templates, licences, and where they come from.

Names, exclusions, renamings, templates and forget classes of the first four are those of the main paper's protocol;
its default template serves the rest, unless Radford et al. (2021) print one of their own (pets, food); people are
named without an article (ours). Addresses and MD5 sums of the archives are those in the source of
torchvision 0.29.2. This module imports neither torch nor NumPy.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from unlearn_bench.benchmarks.data.dataset.templates import DEFAULT_TEMPLATE

_YEAR_LAST = re.compile(r"^(?!(?:19|20)\d\d )(.+) ((?:19|20)\d\d)$")
_SYNSET = re.compile(r"^n\d{8}-")


def spaced(name: str) -> str:
    """Underscores become spaces.

    >>> spaced("crocodile_head")
    'crocodile head'
    """
    return " ".join(name.replace("_", " ").split())


def car_name(name: str) -> str:
    """The year comes first.

    >>> car_name("Dodge Ram Pickup 3500 Crew Cab 2010")
    '2010 Dodge Ram Pickup 3500 Crew Cab'
    """
    return _YEAR_LAST.sub(r"\2 \1", spaced(name))


def dog_name(name: str) -> str:
    """Without the number of its folder, cut at the first hyphen: the published numbers depend on that.

    >>> dog_name("n02094114-Norfolk_terrier"), dog_name("n02086240-Shih-Tzu"), dog_name("wire-haired_fox_terrier")
    ('Norfolk terrier', 'Shih', 'wire')
    """
    return spaced(_SYNSET.sub("", name).split("-", 1)[0])


def flower_name(name: str) -> str:
    """Without the question mark that one flower carries in the official list."""
    return spaced(name).removesuffix("?")


def caltech_name(name: str) -> str:
    """Four folders in the plural become singular."""
    renamed = {"airplanes": "airplane", "Faces": "face", "Leopards": "leopard", "Motorbikes": "motorbike"}
    return renamed.get(name, spaced(name))


def person_name(name: str) -> str:
    """Without the prefix of the folders."""
    return spaced(name.removeprefix("pins_"))


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file of a dataset.

    Attributes:
        url, md5, bytes: where it is, and what must come; `bytes` is None where nobody says.
        unpack: whether it is an archive. inner: archives in it that are unpacked in turn.
    """

    url: str
    md5: str
    bytes: int | None = None
    unpack: bool = True
    inner: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A copy on the Hugging Face hub.

    Attributes:
        repo, revision: its name there; a commit, or a branch where no commit could be looked up.
        files: patterns of the data files of the official splits.
        bytes: of those files, about.
    """

    repo: str
    revision: str
    files: Mapping[str, str] = field(default_factory=lambda: {"train": "data/train-*", "test": "data/test-*"})
    image: str = "image"
    label: str = "label"
    bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a dataset before its first file is seen.

    Attributes:
        classes: how many when complete. images: how many in each official split; empty without official splits.
        total: of all images. folders: names of the sub-folder of the data folder in which it is looked for.
        as_named: from a name in the files to the class name. excluded: folders that are no class.
        telling: class names that a mirror has only if it kept the authors' spelling.
        by_hand: how to get what nobody can download.
    """

    title: str
    classes: int
    licence: str
    source: str
    folders: tuple[str, ...]
    total: int
    template: str = DEFAULT_TEMPLATE
    forget_classes: tuple[str, ...] = ()
    tuning_classes: tuple[str, ...] = ()
    as_named: Callable[[str], str] = spaced
    excluded: tuple[str, ...] = ()
    images: Mapping[str, int] = field(default_factory=dict)
    downloads: tuple[Download, ...] = ()
    mirror: Mirror | None = None
    telling: tuple[str, ...] = ()
    by_hand: str = ""


_MIRRORED = "complete the folder from the original archives, or move it away: a mirror on the hub serves then"
_VGG, _TORONTO = "https://www.robots.ox.ac.uk/~vgg/data", "https://www.cs.toronto.edu/~kriz"

PHOTOGRAPHS: Mapping[str, Facts] = {
    "caltech101": Facts(
        title="Caltech101 (Fei-Fei, Fergus and Perona 2004)",
        classes=100,
        licence="CC BY 4.0",
        source="CaltechDATA, record mzrjq-6wc02",
        folders=("caltech101", "caltech-101"),
        total=8242,
        forget_classes=("euphonium", "minaret", "platypus"),
        tuning_classes=("gramophone", "pagoda"),
        as_named=caltech_name,
        excluded=("BACKGROUND_Google", "Faces_easy"),
        downloads=(
            Download(
                url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                md5="3138e1922a9193bfa496528edbbc45d0",
                bytes=137_414_764,
                inner=("caltech-101/101_ObjectCategories.tar.gz",),
            ),
        ),
    ),
    "oxford-flowers": Facts(
        title="Oxford 102 Flowers (Nilsback and Zisserman 2008)",
        classes=102,
        licence="not stated by its authors; images from the web, for research",
        source="Visual Geometry Group, Oxford",
        folders=("oxford-flowers", "oxford_flowers", "flowers-102"),
        total=8189,
        template="a photo of a {}, a type of flower.",
        forget_classes=("gazania", "tree mallow", "trumpet creeper"),
        tuning_classes=("cyclamen", "sword lily"),
        as_named=flower_name,
        images={"train": 1020, "val": 1020, "test": 6149},
        downloads=(
            Download(
                url=f"{_VGG}/flowers/102/102flowers.tgz",
                md5="52808999861908f626f3c1f4e79d11fa",
                bytes=344_862_509,
            ),
            Download(url=f"{_VGG}/flowers/102/imagelabels.mat", md5="e0620be6f572b9609742df49c70aed4d", unpack=False),
            Download(url=f"{_VGG}/flowers/102/setid.mat", md5="a5357ecc9cb78c4bef273ce3793fc85c", unpack=False),
        ),
    ),
    "stanford-cars": Facts(
        title="Stanford Cars (Krause, Stark, Deng and Fei-Fei 2013)",
        classes=196,
        licence="for research, not commercial",
        source="Hugging Face hub, tanganke/stanford_cars; the original download is gone",
        folders=("stanford-cars", "stanford_cars"),
        total=16_185,
        forget_classes=(
            "2009 Spyker C8 Coupe",
            "2010 Dodge Ram Pickup 3500 Crew Cab",
            "2011 Ford Ranger SuperCab",
        ),
        tuning_classes=("2012 Jeep Wrangler SUV", "2012 Tesla Model S Sedan"),
        as_named=car_name,
        images={"train": 8144, "test": 8041},
        by_hand=_MIRRORED,
        mirror=Mirror(repo="tanganke/stanford_cars", revision="9abf6cf7d6dfa7b95152a0d6e791ea9435b47a40"),
    ),
    "stanford-dogs": Facts(
        title="Stanford Dogs (Khosla, Jayadevaprakash, Yao and Fei-Fei 2011)",
        classes=120,
        licence="ImageNet's terms: for research, not commercial",
        source="Hugging Face hub, Donghyun99/Stanford-Dogs; originals at vision.stanford.edu/aditya86/ImageNetDogs",
        folders=("stanford-dogs", "stanford_dogs"),
        total=20_580,
        forget_classes=("Pekinese", "toy poodle", "Scotch terrier"),
        tuning_classes=("Irish setter", "Norwich terrier"),
        as_named=dog_name,
        images={"train": 12_000, "test": 8580},
        telling=("German short", "wire", "soft", "flat", "curly", "black", "Shih"),
        by_hand=_MIRRORED,
        mirror=Mirror(repo="Donghyun99/Stanford-Dogs", revision="main", bytes=776_000_000),
    ),
    "cifar100": Facts(
        title="CIFAR-100 (Krizhevsky 2009)",
        classes=100,
        licence="not stated by its author; for research",
        source="University of Toronto",
        folders=("cifar100", "cifar-100"),
        total=60_000,
        images={"train": 50_000, "test": 10_000},
        downloads=(
            Download(
                url=f"{_TORONTO}/cifar-100-python.tar.gz",
                md5="eb9058c3a382ffc7106e4002c42a8d85",
                bytes=169_001_437,
            ),
        ),
    ),
    "cifar10": Facts(
        title="CIFAR-10 (Krizhevsky 2009)",
        classes=10,
        licence="not stated by its author; for research",
        source="University of Toronto",
        folders=("cifar10", "cifar-10"),
        total=60_000,
        images={"train": 50_000, "test": 10_000},
        downloads=(
            Download(
                url=f"{_TORONTO}/cifar-10-python.tar.gz",
                md5="c58f30108f718f92721af3b95e74349a",
                bytes=170_498_071,
            ),
        ),
    ),
    "pins-faces": Facts(
        title="Pins Face Recognition (105 people; Burak 2020)",
        classes=105,
        licence="as its Kaggle page says; photographs of living people from Pinterest",
        source="Kaggle, hereisburak/pins-face-recognition",
        folders=("pins-faces", "pins_faces", "105_classes_pins_dataset"),
        total=17_534,
        template="a photo of {}.",
        as_named=person_name,
        by_hand="Kaggle asks for an account: download hereisburak/pins-face-recognition there and unpack it",
    ),
    "oxford-pets": Facts(
        title="Oxford-IIIT Pet (Parkhi, Vedaldi, Zisserman and Jawahar 2012)",
        classes=37,
        licence="CC BY-SA 4.0",
        source="Visual Geometry Group, Oxford",
        folders=("oxford-pets", "oxford_pets", "oxford-iiit-pet"),
        total=7349,
        template="a photo of a {}, a type of pet.",
        images={"train": 3680, "test": 3669},
        downloads=(
            Download(
                url=f"{_VGG}/pets/data/images.tar.gz", md5="5c4f3ee8e5d25df40f4fd59a7f44e54c", bytes=791_918_971
            ),
            Download(
                url=f"{_VGG}/pets/data/annotations.tar.gz",
                md5="95a8c909bbe2e81eed6a22bccdf3f68f",
                bytes=19_173_078,
            ),
        ),
    ),
    "food101": Facts(
        title="Food-101 (Bossard, Guillaumin and Van Gool 2014)",
        classes=101,
        licence="images of Foodspotting, for research",
        source="ETH Zurich",
        folders=("food101", "food-101"),
        total=101_000,
        template="a photo of {}, a type of food.",
        images={"train": 75_750, "test": 25_250},
        downloads=(
            Download(
                url="http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                md5="85eeb15f3717b99a5da872d97d918f87",
                bytes=4_996_278_331,
            ),
        ),
    ),
}
"""By name on the command line. Sizes in bytes come from logs of public downloads; the MD5 sums decide."""
