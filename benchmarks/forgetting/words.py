"""Forgetting by words alone: no dataset, so a method that needs none, and evidence that the model itself gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from PIL import Image
from torch import Tensor, nn

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.dataset.templates import DEFAULT_TEMPLATE, check_template
from unlearn_bench.benchmarks.images.synthetic_cache import synthetic_images
from unlearn_bench.benchmarks.isolation.measuring import Load
from unlearn_bench.benchmarks.isolation.play import Task
from unlearn_bench.benchmarks.isolation.wire import bytes_of
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.methods.base import Concept
from unlearn_bench.registry import absolute
from unlearn_bench.synthesis.images import Synthetic
from unlearn_bench.synthesis.settings import SynthesisSettings

SYNTHETIC = "synthetic images"
_WORDS = "words"

_IMAGES = 8
"""Synthetic images of each concept on which is measured."""

_KEPT = 6
"""Of so many kept concepts images are made, evenly from the list: each takes seconds."""


class Words(Dataset):
    """Concepts without pictures: those to forget first, then those to keep, then those that were forgotten before.

    The last are neither to be forgotten again nor to be kept; an image may still be taken for one of them.

    Raises:
        InputError: nothing to forget or to keep.
    """

    name = _WORDS
    licence, source, version = "none", "words of the user's", "1"

    def __init__(
        self, forget: Sequence[str], keep: Sequence[str], *, before: Sequence[str] = (), template: str = ""
    ) -> None:
        self.forget = tuple(dict.fromkeys(forget))
        asked = {name.casefold() for name in self.forget}
        self.before = tuple(dict.fromkeys(name for name in before if name.casefold() not in asked))
        lowered = asked | {name.casefold() for name in self.before}
        self.keep = tuple(dict.fromkeys(name for name in keep if name.casefold() not in lowered))
        if not self.forget or not self.keep:
            raise InputError(
                f"{len(self.forget)} concepts to forget and {len(self.keep)} others to keep; at least one of each is "
                "needed: --concepts NAME, and one name a line in the file of --keep"
            )
        self.class_names = (*self.forget, *self.keep, *self.before)
        self.template = template or DEFAULT_TEMPLATE
        check_template(self.template, of=self.name)

    def without_twins(self, equal: Sequence[Sequence[int]]) -> "Words":
        """The same without names, other than those to forget, that are one text with a name before them.

        Args:
            equal: places of the names that are one text to the model, group by group.
        """
        twins = {place for group in equal for place in group[1:] if place >= len(self.forget)}
        gone = {self.class_names[place] for place in twins}
        keep, before = ([name for name in names if name not in gone] for names in (self.keep, self.before))
        return Words(self.forget, keep, before=before, template=self.template)

    def index(self, split: Split) -> Index:  # noqa: ARG002
        """No pictures in any split."""
        return Index(labels=(), names=())

    def picture(self, split: Split, row: int) -> Image.Image:
        """There is none."""
        raise InputError(f"words have no pictures (split {split}, row {row})")


@dataclass(frozen=True, kw_only=True)
class Found:
    """One thing that was measured: a share or a distance, before and after, over n."""

    metric: str
    dataset: str
    group: str
    before: float | None
    after: float
    n: int

    def __str__(self) -> str:
        before = "" if self.before is None else f"{self.before:.3f} before, "
        return f"{self.group}, {self.metric} on {self.dataset}: {before}{self.after:.3f} after ({self.n})"


def read_keep(path: Path | None) -> tuple[str, ...]:
    """Names to keep, one a line, `#` begins a remark; without a file the thousand classes of ImageNet.

    Raises:
        InputError: no such file, or one that is no text.
    """
    if path is None:
        return tuple(IMAGENET_CLASSNAMES)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"names to keep {str(path)!r} can't be read ({error}); give one name a line, UTF-8"
        ) from error
    return tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def unlearn_words(
    bench: Workbench,
    words: Words,
    method: str,
    hyperparameters: Mapping[str, Any],
    *,
    settings: SynthesisSettings,
    seed: int,
    timeout_s: float = 0.0,
) -> Clip | str:
    """The model without the concepts, rebuilt from its tensors; or why the method does not apply.

    The method plays in a process of its own, with a copy of the model, the texts, and synthetic images if it asks.

    Args:
        method: where its class is loaded from. hyperparameters: of it.
        timeout_s: of the method, synthesis left out; 0: as long as it takes.

    Raises:
        CellFailure: the method raised something, ended its process or took too long; what came back is no model of
            this architecture; or images can't be made.
    """
    concepts = tuple(Concept(name=name, text=text) for name, text in zip(words.class_names, words.texts, strict=True))
    count, kept = len(words.forget), len(words.forget) + len(words.keep)
    task = Task(
        method_target=absolute(method),
        hyperparameters=hyperparameters,
        seed=(seed, _WORDS, *words.forget),
        forget=concepts[:count],
        retain=concepts[count:kept],
    )
    hearing = _Hearing(clip=bench.clip, words=words, settings=settings, seed=seed)
    load = Load(torch.get_num_threads())
    most = bytes_of(bench.clip.state())
    with bench.player(task.method_target) as player:
        played = player.play(task, hearing, load, most_bytes=most, timeout_s=timeout_s)
    if played.changed is None:
        return played.skipped
    with torch.no_grad():
        return bench.clip.with_state(played.whole(bench.clip.state()))


@dataclass(frozen=True, kw_only=True)
class _Hearing:
    """Who answers a method that forgets words."""

    clip: Clip
    words: Words
    settings: SynthesisSettings
    seed: int

    def report(self, step: int, **values: float | str) -> None:
        """What a method says of its steps is not kept."""

    def synthesize(self) -> Synthetic:
        """Images of the concepts to forget."""
        return _images(self.clip, self.words, range(len(self.words.forget)), settings=self.settings, seed=self.seed)


@torch.no_grad()
def measured(
    original: Clip, start: Clip, unlearned: Clip, words: Words, *, settings: SynthesisSettings, seed: int
) -> Iterator[Found | str]:
    """What synthetic images and the texts say, group by group; a text says what could not be measured.

    Args:
        original: makes the images, of another seed than those that a method is given. It has forgotten nothing yet: a
            model that has could make no image of what it forgot.
        start: the model that the request began with: the numbers of before. unlearned: those of after.
    """
    before, after = (_unit(clip.embed_texts(words.texts)) for clip in (start, unlearned))
    moved = 1 - (before * after).sum(dim=1)  # (C,)
    for group, places in _groups(words):
        yield Found(
            metric="text moved, 1 - cosine",
            dataset="class texts",
            group=group,
            before=None,
            after=float(moved[places].mean()),
            n=len(places),
        )
    few = replace(settings, images_per_class=min(_IMAGES, settings.images_per_class))
    for group, places in _groups(words):
        shown = places if group != "kept" else places[:: max(1, len(places) // _KEPT)][:_KEPT]
        images, labels, lacking = [], [], []
        for place in shown:
            try:
                with torch.enable_grad():
                    made = _images(original, words, [place], settings=few, seed=seed + 1)
            except CellFailure:
                lacking.append(words.class_names[place])
                continue
            images.append(made.unit)
            labels += [place] * len(made)
        if lacking:
            yield f"{group}: of {', '.join(lacking)} no synthetic images could be made"
        if images:
            shares = [
                _accuracy(clip, texts, torch.cat(images), labels)
                for clip, texts in ((start, before), (unlearned, after))
            ]
            yield Found(
                metric="accuracy",
                dataset=SYNTHETIC,
                group=group,
                before=shares[0],
                after=shares[1],
                n=len(labels),
            )


def _accuracy(clip: Clip, texts: Tensor, unit: Tensor, labels: Sequence[int]) -> float:
    """The share of the images (N, 3, S, S) that the model takes for what they were made of, among all the texts."""
    embedded = _unit(clip.encode_images(clip.normalise(unit.to(clip.device))))
    return float(((embedded @ texts.T).argmax(dim=1).cpu() == torch.tensor(labels)).double().mean())


def _groups(words: Words) -> list[tuple[str, list[int]]]:
    """Places of the concepts that are forgotten now, that are kept, and that were forgotten before, where there are
    any."""
    first, last = len(words.forget), len(words.forget) + len(words.keep)
    groups = {
        "forgotten": range(first),
        "kept": range(first, last),
        "forgotten before": range(last, len(words.class_names)),
    }
    return [(group, list(places)) for group, places in groups.items() if places]


def _images(clip: Clip, words: Words, targets: Sequence[int], *, settings: SynthesisSettings, seed: int) -> Synthetic:
    return synthetic_images(
        clip,
        fingerprint=clip.fingerprint(),
        dataset=words.name,
        texts=words.texts,
        targets=tuple(targets),
        settings=settings,
        seed=seed,
    ).synthetic


def _unit(embeddings: Tensor) -> Tensor:
    return nn.functional.normalize(embeddings, dim=-1)
