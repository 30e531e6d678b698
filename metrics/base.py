"""What a metric sees and what it says."""

from __future__ import annotations  # tables read measurements without waiting for torch

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, TypeVar, get_args

from unlearn_bench.errors import CellFailure, InputError

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn_bench.metrics.further import Models

Given = TypeVar("Given")

Once: TypeAlias = "Callable[[str, Callable[[], Tensor]], Tensor]"
"""What was computed before under this purpose, or what the function gives now."""

Need = Literal["train", "models", "reference"]
"""Evidence that is made only where a metric of the run asks for it; a field of `Evidence` of the same name."""

NEEDS: tuple[Need, ...] = get_args(Need)

Feature = Literal["captions", "domains", "associations"]
"""What some datasets have and others lack: captions of their pictures; classes that are parted by domain; classes
that are links of an entity with an attribute."""

FEATURES: tuple[Feature, ...] = get_args(Feature)

Direction = Literal["lower", "higher", "neither"]
"""Which way is better for the one who wants to forget the target and keep the rest; `neither`: for reading only."""

Bounds: TypeAlias = tuple[float | None, float | None]
"""The least and the greatest possible value; None: no bound."""

_ROUNDING = 1e-4
"""By how much a sum of fp32 numbers may pass a bound."""

_LARGEST = 1e100
"""What no metric comes near, and whose square is still a number: beyond it, means and intervals overflow."""


def excess(value: float | None, bounds: Bounds = (None, None)) -> str:
    """What is wrong with a measured number, in a few words; empty for one that may be, and for None.

    >>> excess(0.5, (0.0, 1.0)), excess(57.0, (0.0, 1.0)), excess(float("inf"))
    ('', 'over 1', 'not finite')
    """
    if value is None:
        return ""
    low, high = bounds
    if not -_LARGEST <= value <= _LARGEST:
        return "not finite" if isinstance(value, float) and not math.isfinite(value) else f"beyond {_LARGEST:g}"
    if low is not None and value < low - _ROUNDING:
        return f"under {low:g}"
    if high is not None and value > high + _ROUNDING:
        return f"over {high:g}"
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One number, before and after forgetting.

    Attributes:
        metric: the metric's name. version: of its definition.
        dataset: where it was measured; empty if not on a dataset.
        group: which part of it (target, other, all, ..).
        before, after: None where the quantity is undefined or has no such side; the table then shows a gap.
        n: how many images (queries, tensors ..) the number is over.
        outcomes: for rates, what happened to each image, as `shared.outcomes` packs it; else empty.
    """

    metric: str
    version: int
    dataset: str
    group: str
    before: float | None
    after: float | None
    n: int
    outcomes: str = ""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What one model makes of one dataset, L2-normalised, fp32, on the CPU.

    Attributes:
        images: (N, D). texts: (C, D), the evaluation template filled with each class name.
        inner: (N, ..), what enters the image tower's last stage, in fp32, where it is at hand: who trains that stage
            on these images need not run the tower again. None elsewhere.
        image_domains: (N,) int64, text_domains: (C,) int64, where classes are parted by domain: an image's candidates
            are the texts of its own domain. None: all texts are.
    """

    images: Tensor
    texts: Tensor
    image_domains: Tensor | None = None
    text_domains: Tensor | None = None
    inner: Tensor | None = None

    def parted(self, labels: Tensor, domains: Tensor | None) -> Embedded:
        """The same with the candidates of images with these labels (N,), given the labels' domains (C,), if any."""
        if domains is None:
            return self
        return replace(self, image_domains=domains[labels], text_domains=domains)

    def at(self, rows: Tensor) -> Embedded:
        """The same with these images only; `rows` are numbers, or (N,) bool."""
        domains = None if self.image_domains is None else self.image_domains[rows]
        inner = None if self.inner is None else self.inner[rows]
        return replace(self, images=self.images[rows], image_domains=domains, inner=inner)


@dataclass(frozen=True, kw_only=True)
class Captions:
    """The captions of one dataset's images, which have one or several each, as two models embed them.

    Attributes:
        image: (M,) int64, whose caption it is. text: (M,) int64, which of the T different texts it is.
        texts: the T texts. before, after: (T, D), L2-normalised, fp32, on the CPU.
    """

    image: Tensor
    text: Tensor
    texts: tuple[str, ...]
    before: Tensor
    after: Tensor


@dataclass(frozen=True, kw_only=True)
class DatasetEvidence:
    """One evaluated dataset, seen by the original and by the unlearned model.

    Attributes:
        labels: (N,) int64, indices into `class_names`.
        domains: N names, or empty.
        class_of: (C,) int64, where classes are parted by domain (`class_names` are like `dog@sketch`): a number for
            the class whatever the domain. None elsewhere.
        captions: of the images; None where the dataset has none.
        associations: C pairs of an entity and its attribute, where classes are such links; else empty.
        control: whether it is a control set: concepts unrelated to any task, outside the score.
    """

    name: str
    class_names: tuple[str, ...]
    labels: Tensor
    domains: tuple[str, ...]
    control: bool
    before: Embedded
    after: Embedded
    class_of: Tensor | None = None
    captions: Captions | None = None
    associations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class SyntheticEvidence:
    """The synthetic images of the forget set, embedded by both models, with the class texts of the own dataset.

    Attributes:
        labels: (M,) int64, indices into the own dataset's class names.
        before, after: `images` (M, D) and `texts` (C, D).
    """

    labels: Tensor
    before: Embedded
    after: Embedded


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the run took.

    Attributes:
        seconds: by part: `method`, `synthesis`, `evaluation`, and `audit` where a metric needed further evidence.
        peak_memory_bytes: of the device, or the process's growth of resident memory on a CPU.
    """

    seconds: Mapping[str, float]
    peak_memory_bytes: int


def every_time(_: str, compute: Callable[[], Tensor]) -> Tensor:
    """Keep nothing: what `Evidence.once` is where there is no place for it."""
    return compute()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the referee saw in one run.

    Attributes:
        dataset: the forget set's own dataset, a key of `datasets`.
        forget: indices of the forgotten classes in it.
        datasets: every evaluated dataset by name, in the suite's order, control sets last.
        logit_scale, logit_bias: of the original model.
        synthetic: None where the run made no synthetic images.
        original, unlearned: the two states; `trainable` names the tensors that are parameters, not buffers.
        seed: the run's seed, for the metrics that draw (a query image).
        train: the own dataset's training images, embedded by both models; None unless a metric needs it.
        models: both models with images and words to try them on; None unless a metric needs it.
        once: keeps what depends on nothing but the original model and the own dataset's images and words. Its purpose
            names the metric, its version, and whatever else decides the tensor (the run's seed).
        reference: for each dataset, what a model that was trained without the forget set takes its test images for,
            (N,) int64; empty where no such model is known, None unless a metric needs it.
    """

    dataset: str
    forget: tuple[int, ...]
    datasets: Mapping[str, DatasetEvidence]
    logit_scale: float
    logit_bias: float
    synthetic: SyntheticEvidence | None
    original: Mapping[str, Tensor]
    unlearned: Mapping[str, Tensor]
    trainable: tuple[str, ...]
    cost: Cost
    seed: int
    train: DatasetEvidence | None = None
    models: Models | None = None
    reference: Mapping[str, Tensor] | None = None
    once: Once = every_time

    @property
    def own(self) -> DatasetEvidence:
        """The forget set's own dataset."""
        return self.datasets[self.dataset]


class Metric(ABC):
    """One quantity. Class attributes are plain literals, so that listings need no import.

    name: what suites name it by. version: raised by hand when the definition changes. unit: of the numbers.
    direction: which way is better. bounds: the least and the greatest possible value (None: no bound).
    default: whether `all` stands for it too: always, never (a suite names it), or for what is forgotten in a dataset
    that has such a feature.
    needs: the further evidence that it reads, out of `NEEDS`; nobody pays for what no metric of the run needs.
    needs_classes: whether it asks which class text is nearest. Such a metric never sees datasets whose class texts do
    not part the images, and says nothing of a task from one.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    unit: ClassVar[str]
    direction: ClassVar[Direction]
    bounds: ClassVar[Bounds]
    default: ClassVar[bool | Feature] = True
    needs: ClassVar[tuple[Need, ...]] = ()
    needs_classes: ClassVar[bool] = True

    @abstractmethod
    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """The numbers, one for each dataset and group; a pure function of the evidence."""

    def given(self, evidence: Given | None, need: Need) -> Given:
        """A field of the evidence that this metric needs.

        Raises:
            InputError: it was not made.
        """
        if evidence is None:
            raise InputError(
                f"metric {self.name!r} needs the evidence {need!r} and was not given it; let {type(self).__name__} "
                f'declare `needs = ("{need}",)`, and measure through the referee'
            )
        return evidence

    def say(
        self,
        *,
        before: float | None,
        after: float | None,
        n: int,
        dataset: str = "",
        group: str = "",
        outcomes: str = "",
    ) -> Measurement:
        """A measurement that carries this metric's name and version.

        Raises:
            CellFailure: a number that is not finite, or out of the metric's bounds: its record could not be read.
        """
        for side, value in (("before", before), ("after", after)):
            if wrong := excess(value, self.bounds):
                raise CellFailure(
                    f"metric {self.name!r} found {value} {side} forgetting, {group or dataset}: {wrong}"
                )
        return Measurement(
            metric=self.name,
            version=self.version,
            dataset=dataset,
            group=group,
            before=before,
            after=after,
            n=n,
            outcomes=outcomes,
        )
