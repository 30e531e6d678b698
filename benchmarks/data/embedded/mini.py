"""The embedded datasets: drawn when they are first needed, from seeds, by `unlearn_bench.benchmarks.mini`."""

import hashlib
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.embedded.drawing import concepts
from unlearn_bench.benchmarks.data.embedded.drawing.captions import SYNONYMS


class MiniDataset(Dataset):
    """One of the embedded datasets, 64 px, by its name in `concepts.DATASETS`."""

    def __init__(self, name: str) -> None:
        facts = concepts.DATASETS[name]
        self.name = name
        self.class_names = facts.class_names
        self.template = facts.template
        self.licence, self.source, self.version = facts.licence, facts.source, facts.version
        self.forget_classes, self.tuning_classes = facts.forget_classes, facts.tuning_classes
        self.synonyms = {name: SYNONYMS[name] for name in self.class_names if name in SYNONYMS}
        self.rendering = rendering()

    def index(self, split: Split) -> Index:
        """Labels, names and domains of the split's pictures."""
        found = concepts.DATASETS[self.name].contents(split)
        names = tuple(f"{self.name}/{split}/{row}" for row in range(len(found)))
        domains = tuple(domain for _, domain in found if domain)
        return Index(labels=tuple(label for label, _ in found), names=names, domains=domains)

    def picture(self, split: Split, row: int) -> Image.Image:
        """The picture `row` of the split, RGB, 64 x 64."""
        return Image.fromarray(_rendered(self.name, split)[row])

    @cached_property
    def composed(self) -> tuple[bool, ...]:
        """For each class whether its name is made of parts that other classes share."""
        return tuple(item.composed for item in concepts.DATASETS[self.name].classes)


@lru_cache(maxsize=1)
def rendering() -> str:
    """What draws the pictures: the libraries' versions, which change antialiasing, and this project's own code.

    No cache outlives a change of either, also where somebody forgot to raise a dataset's version.
    """
    digest = hashlib.sha256(f"pillow-{PIL.__version__}-numpy-{np.__version__}".encode())
    for path in sorted(Path(concepts.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=2)
def _rendered(name: str, split: Split) -> np.ndarray:
    """The pixels of a split: a pure function of its arguments, kept while a cache is being built."""
    from unlearn_bench.benchmarks.data.embedded.drawing.splits import render_split  # noqa: PLC0415  (drawing is rarely needed)

    return render_split(name, split).pixels
