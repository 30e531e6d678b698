"""The embedded `mini-domains`: classes parted by domain, drawn when they are first needed."""

from functools import lru_cache

import numpy as np
from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.dataset.domains import TEMPLATE, make_domain_labels
from unlearn_bench.benchmarks.data.embedded.drawing.captions import SYNONYMS
from unlearn_bench.benchmarks.data.embedded.drawing.domain_sets import MINI_DOMAINS
from unlearn_bench.benchmarks.data.embedded.mini import rendering


class MiniDomains(Dataset):
    """The shapes in three domains, 64 px, one label for each class in each domain."""

    def __init__(self, name: str = MINI_DOMAINS.name) -> None:
        facts, base = MINI_DOMAINS, MINI_DOMAINS.base
        pairs = [(name, domain) for domain in base.domains for name in base.class_names]
        self.domain_labels = make_domain_labels(pairs, of=facts.name)
        self.name, self.template = name, TEMPLATE
        self.class_names = self.domain_labels.names
        self.licence, self.source, self.version = base.licence, base.source, facts.version
        self.forget_classes, self.tuning_classes = facts.forget_classes, facts.tuning_classes
        self.synonyms = {name: SYNONYMS[name] for name in base.class_names if name in SYNONYMS}
        self.rendering = rendering()

    def index(self, split: Split) -> Index:
        """Labels, names and domains of the split's pictures, class by class."""
        places = {name: label for label, name in enumerate(self.class_names)}
        drawn = _places(split)
        return Index(
            labels=tuple(places[f"{name}@{domain}"] for name, domain, _ in drawn),
            names=tuple(f"{self.name}/{split}/{name}/{number}" for name, _, number in drawn),
            domains=tuple(domain for _, domain, _ in drawn),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The picture `row` of the split, RGB, 64 x 64."""
        name, _, number = _places(split)[row]
        return Image.fromarray(_drawn(split, name, number))


@lru_cache(maxsize=4)
def _places(split: Split) -> tuple[tuple[str, str, int], ...]:
    """Class, domain and number of each picture: a class takes the domains in turn."""
    base = MINI_DOMAINS.base
    return tuple(
        (name, base.domains[number % len(base.domains)], number)
        for name in base.class_names
        for number in range(MINI_DOMAINS.images_in(split, name))
    )


def _drawn(split: Split, name: str, number: int) -> np.ndarray:
    from unlearn_bench.benchmarks.data.embedded.drawing.splits import render_image  # noqa: PLC0415  (drawing is rarely needed)

    pixels, _ = render_image(MINI_DOMAINS.base, split, name, number)
    return pixels
