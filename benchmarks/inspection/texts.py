"""Class texts as a model reads them: by rows of tokens, since two names may be one text to its tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.clip import Clip

_MORE = " and more words that come after it"


@dataclass(frozen=True, kw_only=True)
class ReadTexts:
    """What a model reads of a dataset's class texts.

    Attributes:
        model: its name. cut: places of the texts that are longer than what it reads.
        equal: places of texts that are one and the same to it, two or more in each group.
    """

    model: str
    cut: tuple[int, ...] = ()
    equal: tuple[tuple[int, ...], ...] = ()


def read_texts(clip: Clip, dataset: Dataset) -> ReadTexts:
    """Tokenize the class texts, and find those that are cut and those that can't be told apart.

    Classes of different domains may share a text: an image is only asked for among those of its own.
    """
    texts = dataset.texts
    rows = _rows(clip, texts)
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    domains = dataset.label_domains or ("",) * len(texts)
    for place, (domain, row) in enumerate(zip(domains, rows, strict=True)):
        groups.setdefault((domain, row), []).append(place)
    equal = tuple(tuple(places) for places in groups.values() if len(places) > 1)
    return ReadTexts(model=clip.name, cut=cut_texts(clip, texts, rows), equal=equal)


def cut_texts(clip: Clip, texts: Sequence[str], rows: Sequence[tuple[int, ...]] | None = None) -> tuple[int, ...]:
    """Places of the texts of whose end the model reads nothing: their tokens are the same without the last word, and
    with more words after it."""
    own = rows or _rows(clip, texts)
    shorter = _rows(clip, [text.rpartition(" ")[0] for text in texts])
    longer = _rows(clip, [text + _MORE for text in texts])
    return tuple(place for place, row in enumerate(own) if row == shorter[place] == longer[place])


def _rows(clip: Clip, texts: Sequence[str]) -> list[tuple[int, ...]]:
    return [tuple(row) for row in clip.tokenize(texts).tolist()] if texts else []
