"""What a dataset is: pictures by split, with class names, and words about where they come from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.domains import DomainLabels
from unlearn_bench.errors import InputError, unknown

Split = Literal["pretrain", "train", "val", "test"]
"""What images are for: the embedded models' own training; methods; tuning and stopping; tables."""

SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, kw_only=True)
class Index:
    """What is known of a split's pictures before one is opened.

    Attributes:
        labels: of each picture, an index into the dataset's class names.
        names: of each picture, for messages.
        domains: of each picture; empty where the dataset knows no domains.
        captions: of each picture, one or several; empty where the dataset has none.
    """

    labels: tuple[int, ...]
    names: tuple[str, ...]
    domains: tuple[str, ...] = ()
    captions: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file, or a class with so many images, that a dataset does not use, and why."""

    name: str
    reason: str
    count: int = 1


class Dataset(ABC):
    """Pictures by split.

    Attributes:
        name: in records and tables; the same on every machine.
        class_names: in the order of the labels.
        template: the evaluation template, with one `{}` for the class name.
        licence, source: where the pictures come from and on what terms.
        version: hand-raised, or a hash of the content: equal versions have equal pictures.
        forget_classes, tuning_classes: the defaults of a suite that names none.
        rendering: what else decides the pixels (a drawing library's version); it parts caches, not runs.
        threadsafe: whether several threads may ask for pictures at once.
        split_name: which partition into train, val and test this is (`official`, a split file's name, a hash of the
            file names), where a dataset has several; empty where it has one. It is part of `version` too: numbers
            of different partitions never share a row.
        synonyms: other names of classes, by class name, whatever the domain, for metrics that ask under another
            wording.
        domain_labels: of a dataset whose classes are parted by domain, so that `class_names` are like
            `dog@sketch`; else None.
        associations: entity and attribute of each class, where classes are links of both; else empty.
        pictures: the version of the pictures alone, where labels are the user's choice: caches of pictures go by it.
        classified: whether the class texts part the pictures, so that zero-shot accuracy means something.
        layout: how the images lie and were split, in words, where that was found out and not known before.
        left_out: files and classes that are there and not used.
        path: the folder in which the pictures lie, where they are files: methods can't read it, nor what links in it
            lead to.
    """

    name: str
    class_names: tuple[str, ...]
    template: str
    licence: str
    source: str
    version: str
    forget_classes: tuple[str, ...] = ()
    tuning_classes: tuple[str, ...] = ()
    rendering: str = ""
    threadsafe: bool = False
    split_name: str = ""
    synonyms: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    domain_labels: DomainLabels | None = None
    associations: tuple[tuple[str, str], ...] = ()
    pictures: str = ""
    classified: bool = True
    layout: str = ""
    left_out: tuple[LeftOut, ...] = ()
    path: Path | None = None

    @abstractmethod
    def index(self, split: Split) -> Index:
        """Labels, names and domains of the split's pictures."""

    @abstractmethod
    def picture(self, split: Split, row: int) -> Image.Image:
        """The picture `row` of the split.

        Raises:
            BadImageError: the file is not a picture that can be read.
        """

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The evaluation template filled with each class name."""
        return self.texts_in(self.template)

    def texts_in(self, template: str) -> tuple[str, ...]:
        """Another template filled with each class name."""
        if self.domain_labels is not None:
            return self.domain_labels.texts(template)
        if "{domain}" in template:
            raise InputError(
                f"template {template!r} names a domain, and {self.name!r} has none; leave {{domain}} out"
            )
        return tuple(template.format(name) for name in self.class_names)

    def label(self, class_name: str) -> int:
        """The index of a class name, or an error that lists the choices."""
        if class_name not in self.class_names:
            raise unknown(f"class of {self.name!r}", class_name, self.class_names)
        return self.class_names.index(class_name)

    def labels(self, names: Sequence[str]) -> tuple[int, ...]:
        """The labels of a forget set, each once: of classes, or of `dog`, `dog@sketch` and `*@sketch` where there are
        domains.

        Raises:
            InputError: a name that stands for nothing.
        """
        if self.domain_labels is None:
            return tuple(self.label(name) for name in names)
        found = [label for name in names for label in self.domain_labels.labels(name, of=self.name)]
        return tuple(sorted(set(found)))

    def canonical(self, names: Sequence[str]) -> tuple[str, ...]:
        """A forget set as records name it: as given, or, where there are domains, the one shortest way to say it."""
        labels = self.labels(names)
        return tuple(names) if self.domain_labels is None else self.domain_labels.canonical(labels)

    def knows(self, name: str) -> bool:
        """Whether `name` stands for something here that can be forgotten."""
        try:
            self.labels((name,))
        except InputError:
            return False
        return True

    @property
    def label_domains(self) -> tuple[str, ...]:
        """The domain of each label; empty where classes are not parted by domain."""
        return () if self.domain_labels is None else self.domain_labels.domains

    @property
    def choices(self) -> tuple[str, ...]:
        """The class names, for messages: each once, whatever the domain."""
        return self.class_names if self.domain_labels is None else self.domain_labels.class_list


class BadImageError(InputError):
    """A file that should be a picture and can't be read as one."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"image {name!r} can't be read ({reason}); replace it, or pass --skip-bad-images to leave such files out"
        )
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type["BadImageError"], tuple[str, str]]:
        """Rebuild from name and reason, so that the error crosses processes."""
        return BadImageError, (self.name, self.reason)
