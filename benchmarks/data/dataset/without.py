"""A dataset without some of its classes: they are neither asked for nor candidates."""

import hashlib
import json
from collections.abc import Sequence

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.dataset.domains import make_domain_labels
from unlearn_bench.errors import InputError


class WithoutClasses(Dataset):
    """The pictures of all other classes of `dataset`, numbered anew; the version says which are gone.

    Raises:
        InputError: a class that is none, or fewer than two classes left.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str]) -> None:
        gone = set(dataset.labels(names))
        kept = [label for label in range(len(dataset.class_names)) if label not in gone]
        if len(kept) < 2:
            raise InputError(
                f"without {', '.join(names)}, which was forgotten before, {dataset.name!r} has {len(kept)} classes; "
                "two are needed"
            )
        self._dataset, self._places = dataset, {label: place for place, label in enumerate(kept)}
        self.name, self.template, self.path = dataset.name, dataset.template, dataset.path
        self.licence, self.source, self.rendering = dataset.licence, dataset.source, dataset.rendering
        self.threadsafe, self.split_name, self.classified = (
            dataset.threadsafe,
            dataset.split_name,
            dataset.classified,
        )
        self.class_names = tuple(dataset.class_names[label] for label in kept)
        digest = hashlib.sha256(json.dumps(sorted(dataset.class_names[label] for label in gone)).encode())
        self.version = f"{dataset.version}+without-{digest.hexdigest()[:8]}"
        own = dataset.domain_labels
        if own is not None:
            pairs = [(own.classes[label], own.domains[label]) for label in kept]
            left = {domain for _, domain in pairs}
            phrases = {domain: phrase for domain, phrase in own.phrases.items() if domain in left}
            self.domain_labels = make_domain_labels(pairs, of=self.name, phrases=phrases)
        self.synonyms = {name: words for name, words in dataset.synonyms.items() if name not in names}

    def index(self, split: Split) -> Index:
        """What is known of the pictures that are left."""
        whole, rows = self._dataset.index(split), self._rows(split)
        return Index(
            labels=tuple(self._places[whole.labels[row]] for row in rows),
            names=tuple(whole.names[row] for row in rows),
            domains=tuple(whole.domains[row] for row in rows) if whole.domains else (),
            captions=tuple(whole.captions[row] for row in rows) if whole.captions else (),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The picture of the row among those that are left."""
        return self._dataset.picture(split, self._rows(split)[row])

    def _rows(self, split: Split) -> list[int]:
        return [row for row, label in enumerate(self._dataset.index(split).labels) if label in self._places]
