"""What the training command learns from: rendered images, their captions, and which caption is true of
which image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearn_bench.benchmarks.data.embedded.drawing.association_sets import MINI_ASSOCIATIONS
from unlearn_bench.benchmarks.data.embedded.drawing.captions import captions_of, image_facts
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, MiniDataset
from unlearn_bench.benchmarks.data.embedded.drawing.splits import MiniImages, render_split
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.models.embedded import tokenizer

FACTS = ("domain", "size", "background", "scale", "tone")
_VALUES: Mapping[str, int] = {
    value: number
    for number, value in enumerate(
        ("photo", "sketch", "painting", "small", "large", "dark", "light", "fine", "coarse", "cool", "warm")
    )
}
_UNSTATED = -1


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Images and captions of the pretraining, as tensors.

    Args:
        pixels: (N, 3, 64, 64) uint8.
        image_codes: (N, 6) int64: class number, then the facts in the order of `FACTS`; -1 where there is
        none. tokens: (M, L) int64, cut to the longest caption.
        caption_codes: (M, 6) int64, coded like images; -1 where the caption states nothing.
        first, count: (C,) int64: the captions of class c are rows first[c] to first[c] + count[c] - 1.
    """

    pixels: Tensor
    image_codes: Tensor
    tokens: Tensor
    caption_codes: Tensor
    first: Tensor
    count: Tensor


def truth(caption_codes: Tensor, image_codes: Tensor) -> Tensor:
    """Which captions are true of which images.

    Args:
        caption_codes: (M, 6) int64.
        image_codes: (N, 6) int64.

    Returns:
        (N, M) bool: the class agrees, and so does every fact that the caption states.
    """
    stated, had = caption_codes[None, :, :], image_codes[:, None, :]
    return ((stated == _UNSTATED) | (stated == had)).all(dim=-1)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What a model shall never see: images of a class with these facts, and captions that state all of them.

    Without facts that is the class; with one it is a link of the class with a value, and of both alone all is seen.
    """

    dataset: str
    name: str
    facts: Mapping[str, str]

    def holds(self, name: str, facts: Mapping[str, str]) -> bool:
        """Whether an image, or a caption, of class `name` with these facts is left out."""
        return name == self.name and self.facts.items() <= facts.items()


def parse_without(without: Sequence[str]) -> tuple[LeftOut, ...]:
    """`mini-shapes/red circle`, or a class of `mini-associations`, checked.

    Raises:
        InputError: no slash, no such dataset or no such class.
    """
    links = MINI_ASSOCIATIONS
    known = {**{name: dataset.class_names for name, dataset in DATASETS.items()}, links.name: links.class_names}
    left_out = []
    for text in without:
        dataset, slash, name = text.partition("/")
        if not slash:
            raise InputError(f"--without {text!r} names no class; write it like 'mini-shapes/red circle'")
        if dataset not in known:
            raise unknown("mini dataset", dataset, known)
        if name not in known[dataset]:
            raise unknown(f"class of {dataset}", name, known[dataset])
        if dataset == links.name:
            entity, value = links.associations[links.class_names.index(name)]
            left_out.append(LeftOut(dataset=links.base.name, name=entity, facts={links.attribute: value}))
        else:
            left_out.append(LeftOut(dataset=dataset, name=name, facts={}))
    return tuple(left_out)


def corpus(without: Sequence[LeftOut] = (), *, limit: int | None = None) -> Corpus:
    """All datasets' pretrain images and captions.

    Args:
        without: of what neither images nor captions are taken.
        limit: at most so many images per class (for trials).
    """
    pixels: list[NDArray[np.uint8]] = []
    image_codes: list[list[int]] = []
    texts: list[str] = []
    caption_codes: list[list[int]] = []
    spans: list[tuple[int, int]] = []
    for dataset in DATASETS.values():
        images = render_split(dataset.name, "pretrain", limit=limit)
        gone = [item for item in without if item.dataset == dataset.name]

        def seen(name: str, facts: Mapping[str, str], gone: Sequence[LeftOut] = gone) -> bool:
            return not any(item.holds(name, facts) for item in gone)

        for label, name in enumerate(dataset.class_names):
            facts = {int(row): _facts(dataset, images, int(row)) for row in np.flatnonzero(images.labels == label)}
            chosen = [row for row, of in facts.items() if seen(name, of)]
            captions = [caption for caption in captions_of(dataset, name) if seen(name, caption.facts)]
            if not chosen or not captions:
                continue
            number = len(spans)
            pixels.append(images.pixels[chosen])
            image_codes += [_code(number, facts[row]) for row in chosen]
            spans.append((len(texts), len(captions)))
            texts += [caption.text for caption in captions]
            caption_codes += [_code(number, caption.facts) for caption in captions]
    tokens = tokenizer()(texts)
    return Corpus(
        pixels=torch.from_numpy(np.concatenate(pixels)).permute(0, 3, 1, 2).contiguous(),
        image_codes=torch.tensor(image_codes),
        tokens=tokens[:, : int((tokens != 0).sum(dim=1).max())],
        caption_codes=torch.tensor(caption_codes),
        first=torch.tensor([first for first, _ in spans]),
        count=torch.tensor([count for _, count in spans]),
    )


def _facts(dataset: MiniDataset, images: MiniImages, index: int) -> Mapping[str, str]:
    return image_facts(images.domains[index] if dataset.domains else "", images.attributes[index])


def _code(number: int, facts: Mapping[str, str]) -> list[int]:
    return [number, *(_VALUES[facts[fact]] if fact in facts else _UNSTATED for fact in FACTS)]


def draw_captions(corpus_: Corpus, rows: Tensor, generator: torch.Generator) -> Tensor:
    """For each image in `rows` (B,) a caption that is true of it, evenly over all that are: (B,) int64.

    Draws again where a caption is false; after 64 rounds every image has one, since most captions state
    little.
    """
    codes = corpus_.image_codes[rows]
    first, count = corpus_.first[codes[:, 0]], corpus_.count[codes[:, 0]]
    chosen = torch.full_like(rows, -1)
    for _ in range(64):
        draws = first + (torch.rand(len(rows), generator=generator) * count).long()
        stated = corpus_.caption_codes[draws]
        holds = ((stated == _UNSTATED) | (stated == codes)).all(dim=-1)
        chosen = torch.where((chosen < 0) & holds, draws, chosen)
        if bool((chosen >= 0).all()):
            break
    return chosen
