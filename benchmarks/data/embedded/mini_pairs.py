"""The embedded `mini-pairs`: images with a caption each, drawn when they are first needed."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import MiniDataset
from unlearn_bench.benchmarks.data.embedded.drawing.pair_sets import MINI_PAIRS
from unlearn_bench.benchmarks.data.embedded.mini import rendering

_PARTIAL = 4  # one caption of so many leaves a fact out


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """The image `number` of a class of a base, with its caption."""

    base: MiniDataset
    topic: str
    number: int
    domain: str
    caption: str


class MiniPairs(Dataset):
    """Shapes and letters with captions that name domain, size and background; topics are the classes. 64 px."""

    def __init__(self, name: str = MINI_PAIRS.name) -> None:
        facts = MINI_PAIRS
        self.name, self.template, self.class_names = name, facts.template, facts.topics
        self.licence, self.version = facts.licence, facts.version
        self.source = "; ".join(dict.fromkeys(base.source for base in facts.bases))
        self.forget_classes, self.tuning_classes = facts.forget_classes, facts.tuning_classes
        self.rendering = rendering()

    def index(self, split: Split) -> Index:
        """Topics, names, domains and captions of the split's pictures."""
        pairs = _pairs(split)
        places = {topic: label for label, topic in enumerate(self.class_names)}
        return Index(
            labels=tuple(places[pair.topic] for pair in pairs),
            names=tuple(f"{self.name}/{split}/{pair.topic}/{pair.number}" for pair in pairs),
            domains=tuple(pair.domain for pair in pairs),
            captions=tuple((pair.caption,) for pair in pairs),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The picture `row` of the split, RGB, 64 x 64."""
        from unlearn_bench.benchmarks.data.embedded.drawing.splits import render_image  # noqa: PLC0415  (drawing is rarely needed)

        pair = _pairs(split)[row]
        pixels, _ = render_image(pair.base, split, pair.topic, pair.number)
        return Image.fromarray(pixels)


@lru_cache(maxsize=4)
def _pairs(split: Split) -> tuple[_Pair, ...]:
    return tuple(
        pair for base in MINI_PAIRS.bases for topic in base.class_names for pair in _of_topic(base, split, topic)
    )


def _of_topic(base: MiniDataset, split: Split, topic: str) -> list[_Pair]:
    """For each combination of facts the first images that have it, in the order of their numbers."""
    from unlearn_bench.benchmarks.data.embedded.drawing.splits import facts_of  # noqa: PLC0415  (drawing is rarely needed)

    each = MINI_PAIRS.per_combination[split]
    total = each * len(base.domains) * int(np.prod([len(values) for values in base.facts.values()]))
    taken: Counter[tuple[str, ...]] = Counter()
    found: list[_Pair] = []
    number = 0
    while len(found) < total:
        facts = facts_of(base, split, topic, number)
        combination = tuple(facts[name] for name in sorted(facts))
        if taken[combination] < each:
            taken[combination] += 1
            caption = _caption(base, split, topic, number)
            found.append(_Pair(base=base, topic=topic, number=number, domain=facts["domain"], caption=caption))
        number += 1
    return found


def _caption(base: MiniDataset, split: Split, topic: str, number: int) -> str:
    """One of the captions that are true of the image: of four such draws, three among those that state every fact."""
    from unlearn_bench.benchmarks.data.embedded.drawing.canvas import stream  # noqa: PLC0415  (drawing is rarely needed)
    from unlearn_bench.benchmarks.data.embedded.drawing.captions import captions_of  # noqa: PLC0415
    from unlearn_bench.benchmarks.data.embedded.drawing.splits import facts_of  # noqa: PLC0415

    facts = facts_of(base, split, topic, number)
    rng = stream("mini-pairs", base.name, split, topic, number)
    stated = len(facts) - int(rng.randint(_PARTIAL) == 0)
    fitting = [
        caption.text
        for caption in captions_of(base, topic)
        if len(caption.facts) == stated and caption.true_of(topic, facts)
    ]
    return fitting[int(rng.randint(len(fitting)))]
