"""What a worker keeps from cell to cell: the original model, the images, and what the model made of them before."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

import torch
from torch import Tensor

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.dataset.pictures import lies_in
from unlearn_bench.benchmarks.images.image_cache import PreparedImages, prepared_images
from unlearn_bench.benchmarks.isolation.play import Opening
from unlearn_bench.benchmarks.isolation.process import Player, player_for
from unlearn_bench.benchmarks.referee.embedding import Before, agreement, embed_before, embed_texts
from unlearn_bench.benchmarks.referee.outline import Listed, listed
from unlearn_bench.benchmarks.referee.setting import Setting, as_split
from unlearn_bench.cache import cache_root, data_root
from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Concept
from unlearn_bench.metrics.base import Captions, Embedded
from unlearn_bench.models.sources import open_model, with_weights
from unlearn_bench.registry import is_own


class Evaluated(Listed):
    """A dataset on which every run is measured; images and embeddings are made when first asked."""

    def __init__(self, bench: "Workbench", spec: str, *, control: bool) -> None:
        super().__init__(bench.setting, spec, control=control)
        self._bench = bench
        self._texts: dict[str, Tensor] = {}  # by template

    @cached_property
    def concepts(self) -> tuple[Concept, ...]:
        """What can be forgotten, in the order of the labels."""
        own, domain_labels = self.dataset, self.dataset.domain_labels
        plain = [Concept(name=name, text=text) for name, text in zip(own.class_names, own.texts, strict=True)]
        if domain_labels is None:
            return tuple(plain)
        parts = zip(plain, domain_labels.classes, domain_labels.domains, strict=True)
        return tuple(replace(concept, class_name=name, domain=domain) for concept, name, domain in parts)

    @cached_property
    def images(self) -> PreparedImages:
        """The test images as the model takes them."""
        setting = self._bench.setting
        found = self._bench.images(self.dataset, setting.test_split)
        return found.first(setting.per_class) if setting.per_class else found

    @cached_property
    def train(self) -> PreparedImages:
        """The images that methods may be given."""
        return self._bench.images(self.dataset, self._bench.setting.train_split)

    @cached_property
    def shots(self) -> PreparedImages:
        """The same for audits, who do without where the dataset has none: then no images."""
        if len(self.dataset.index(as_split(self._bench.setting.train_split))):
            return self.train
        shown = self.images
        return replace(
            shown, pixels=shown.pixels[:0], labels=shown.labels[:0], names=(), domains=(), captions=(), content=""
        )

    @cached_property
    def before(self) -> Before:
        """What the original model makes of the test images."""
        bench = self._bench
        return embed_before(
            bench.clip,
            self.images,
            self.dataset.texts,
            fingerprint=bench.fingerprint,
            precision=bench.setting.precision,
        )

    @cached_property
    def agreement(self) -> float:
        """How often the original model names the same class in the sweep's precision and in fp32."""
        bench = self._bench
        if bench.setting.precision == "fp32":
            return 1.0
        return agreement(bench.clip, self.images, self.before.embedded)

    @cached_property
    def train_before(self) -> Before:
        """What the original model makes of the images that methods may be given."""
        bench = self._bench
        return embed_before(
            bench.clip,
            self.train,
            self.dataset.texts,
            fingerprint=bench.fingerprint,
            precision=bench.setting.precision,
        )

    @cached_property
    def captions(self) -> Captions | None:
        """The captions of the test images, embedded by the original model; None where there are none."""
        if not self.images.captions:
            return None
        places = {text: None for texts in self.images.captions for text in texts}
        numbers = {text: place for place, text in enumerate(places)}
        before = embed_texts(self._bench.clip, tuple(numbers))
        pairs = [(row, numbers[text]) for row, texts in enumerate(self.images.captions) for text in texts]
        image, text = torch.tensor(pairs, dtype=torch.int64).T.contiguous()
        return Captions(image=image, text=text, before=before, after=before, texts=tuple(numbers))

    def captions_of(self, unlearned: Clip) -> Captions | None:
        """The same with what `unlearned` makes of them."""
        own = self.captions
        return None if own is None else replace(own, after=embed_texts(unlearned, own.texts))

    def before_in(self, template: str) -> Embedded:
        """The test images against texts in another template."""
        return self.parted(self.in_template(self.before, template), self.images.labels)

    def in_template(self, before: Before, template: str) -> Embedded:
        """Any of its images against texts in another template; the embedded texts are kept."""
        own = before.embedded
        if template not in self._texts:
            same = template == self.dataset.template
            texts = own.texts if same else embed_texts(self._bench.clip, self.dataset.texts_in(template))
            self._texts[template] = texts
        return replace(own, texts=self._texts[template])

    def parted(self, embedded: Embedded, labels: Tensor) -> Embedded:
        """`embedded`, with what says which classes are candidates for images with these labels."""
        domain_labels = self.dataset.domain_labels
        if domain_labels is None:
            return embedded
        domains = torch.tensor([domain_labels.domain_list.index(name) for name in domain_labels.domains])  # (C,)
        return embedded.parted(labels, domains)

    @cached_property
    def class_of(self) -> Tensor | None:
        """(C,) int64, a number for the class of each label whatever the domain; None where there are no domains."""
        domain_labels = self.dataset.domain_labels
        if domain_labels is None:
            return None
        return torch.tensor([domain_labels.class_list.index(name) for name in domain_labels.classes])


class Workbench:
    """The original model and the evaluation sets of one setting."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        for split in (setting.train_split, setting.test_split):
            as_split(split)  # a misspelt one shall not wait for the first cell
        clip = open_model(setting.model)
        self.clip: Clip = (with_weights(clip, Path(setting.weights)) if setting.weights else clip).to(setting.device)
        self.fingerprint = self.clip.fingerprint()
        self.pristine = {name: value.clone() for name, value in self.clip.state().items()}
        self.evaluated = listed(setting, lambda spec, control: Evaluated(self, spec, control=control))

    @property
    def name(self) -> str:
        """The model's own."""
        return self.clip.name

    @property
    def architecture(self) -> str:
        """The model's, in words."""
        return self.clip.architecture

    def images(self, dataset: Dataset, split: str) -> PreparedImages:
        """A split as the model takes it."""
        return prepared_images(dataset, as_split(split), self.clip, skip_bad=self.setting.skip_bad)

    def is_untouched(self) -> bool:
        """Whether the original model is bit-identical to what it was when it was opened."""
        return all(torch.equal(value, self.pristine[name]) for name, value in self.clip.state().items())

    def restore(self) -> None:
        """Put the original tensors back, after a metric wrote to them."""
        with torch.no_grad():
            for name, value in self.clip.state().items():
                value.copy_(self.pristine[name])

    @cached_property
    def _data(self) -> tuple[Path, ...]:
        """Where pictures lie."""
        folders = [item.dataset.path for item in self.evaluated.values()]
        return tuple(place for folder in (data_root(), *folders) if folder is not None for place in lies_in(folder))

    def player(self, method_target: str, *, hidden: tuple[Path, ...] = ()) -> AbstractContextManager[Player]:
        """A process for one method's turn: a new one for code from outside, a lasting one for the project's own.

        Code from outside can read neither caches nor data, nor what is `hidden` besides; the project's own may.

        Raises:
            CellFailure: it does not come up.
        """
        setting = self.setting
        opening = Opening(
            model=setting.model, weights=setting.weights, device=setting.device, threads=torch.get_num_threads()
        )
        own = is_own(method_target)
        away = () if own else (cache_root(), *self._data, *hidden)
        return player_for(opening, hidden=away, lasting=own)


@lru_cache(maxsize=1)
def open_workbench(setting: Setting) -> Workbench:
    """The workbench of a setting; a worker that lives long opens it once."""
    return Workbench(setting)
