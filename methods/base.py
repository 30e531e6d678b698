"""What a method is given, and what it gives back."""

from __future__ import annotations  # plans read what methods say of themselves without waiting for torch

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from unlearn_bench.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from unlearn_bench.clip import Clip
    from unlearn_bench.synthesis.images import Synthetic
    from unlearn_bench.training.candidates import Candidates

Access = Literal["ZS", "semi-ZS", "not-ZS"]
"""What a method may see: class names only; real images of the forget set too; real images of the retain set too."""

Kind = Literal["method", "reference", "ablation"]
"""A competitor; a row that shows the scale (nothing done; the best that real retain data can do); a competitor with
other data, which runs only where it is named."""


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One thing to forget or to keep, as words.

    Attributes:
        name: the bare name, unique in a request.
        text: what the classifier uses for it.
        domain: the style of image that it is about ("sketch"), where the task parts domains; else empty.
        class_name: what it shows, whatever the domain; empty where that is the name itself.
    """

    name: str
    text: str
    domain: str = ""
    class_name: str = ""

    def fill(self, template: str) -> str:
        """A template of the method's own, filled with the name; the own text for a class in one domain, since a
        sentence that names no domain would mean the class in all of them."""
        return self.text if self.domain else template.format(self.name)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Real images with what is known of them.

    Attributes:
        pixels: prepared images (N, H, W, 3) uint8 on the CPU; `clip.to_input(pixels[rows])` makes a batch.
        labels: (N,) int64, indices into `request.concepts`.
        texts: N captions.
        domains: N domain names, or empty where the data know no domains.
    """

    pixels: Tensor
    labels: Tensor
    texts: tuple[str, ...]
    domains: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


class Report(Protocol):
    """Takes one line of a run's history: the step's number and named values."""

    def __call__(self, step: int, **values: float | str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to forget and what to keep, with the data that the method's access allows and nothing else.

    Attributes:
        forget: the concepts to forget.
        retain: the other concepts of the same dataset, to keep.
        forget_examples: real images of `forget` (None for ZS).
        retain_examples: real images of `retain` (None for ZS and semi-ZS).
        synthesize: makes (or takes from the cache) the synthetic images of `forget`; its time is recorded apart.
        generator: a CPU random generator for a named purpose; the same purpose always starts the same stream.
        device: where the model is.
        report: writes a step into the run's history.
    """

    forget: tuple[Concept, ...]
    retain: tuple[Concept, ...]
    forget_examples: Examples | None
    retain_examples: Examples | None
    synthesize: Callable[[], Synthetic]
    generator: Callable[[str], torch.Generator]
    device: torch.device
    report: Report

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """All concepts, the forgotten ones first; labels are indices into this."""
        return self.forget + self.retain

    @property
    def candidates(self) -> Candidates:
        """Among which of `concepts` an image of each is told: all, or those of its domain, as in the evaluation."""
        from unlearn_bench.training.candidates import Candidates  # noqa: PLC0415  (it needs torch)

        return Candidates([concept.domain for concept in self.concepts])


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """An unlearning method; the dataclass fields of a subclass are its hyperparameters.

    Class attributes, each a plain literal so that listings need no import:
        name: what `--methods` takes.
        access: what it may see.
        reference: authors, year, title.
        version: raised by hand whenever the same hyperparameters would give another result.
        kind: `method`; `reference` for a row that only shows the scale; `ablation`, which `all` leaves out.
        default: whether `all` stands for it too; a reference that few machines can run is named.
    """

    name: ClassVar[str]
    access: ClassVar[Access]
    reference: ClassVar[str] = ""
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "method"
    default: ClassVar[bool] = True

    @abstractmethod
    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Make `clip` forget. It is the method's own copy: change it in place and return it."""

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """Why the method does not apply to this model and task; None where it does."""
        return None


def lacking_images(request: Request, *sides: Literal["forget", "retain"]) -> str | None:
    """Why a method that trains on real images of these sets can't run; None where they are there."""
    for side in sides:
        examples = request.forget_examples if side == "forget" else request.retain_examples
        if examples is None or not len(examples):
            return f"it needs real images of the {side} set, and there are none"
    return None


Unit = Literal["", "rms"]
"""Of a range: as the hyperparameter itself, or as a share of the root mean square of the model's weights."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values among which tuning may choose: between two ends, or a list of choices.

    Attributes:
        unit: `rms`: the ends are multiples of the root mean square of the model's weights, so that one range serves
            small models and large ones; `at` gives them for a model.
        published: what the method's authors use, where that is not the default; tuning tries it first.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[float, ...] = ()
    unit: Unit = ""
    published: float | None = None

    def __contains__(self, value: float) -> bool:
        return value in self.choices if self.choices else self.low <= value <= self.high

    def __str__(self) -> str:
        return ", ".join(map(repr, self.choices)) if self.choices else f"{self.low!r} to {self.high!r}"

    def at(self, rms: float, *also: float) -> Range:
        """The range for a model whose weights have this root mean square, in the hyperparameter's own unit.

        It is as wide as it takes to hold the published value and `also`.
        """
        if self.choices:
            return self
        size = rms if self.unit == "rms" else 1.0
        held = [*also, *(() if self.published is None else (self.published,))]
        low, high = min([self.low * size, *held]), max([self.high * size, *held])
        return replace(self, low=low, high=high, unit="") if size != 1.0 or self.unit else self


def tunable(
    default: Any,  # noqa: ANN401  (dataclasses.field is typed so, and the annotation beside it says what it is)
    *,
    low: float = 0.0,
    high: float = 0.0,
    log: bool = False,
    choices: Sequence[float] = (),
    unit: Unit = "",
    published: float | None = None,
) -> Any:  # noqa: ANN401
    """A hyperparameter with a default and the range in which `tune` searches it; see `Range`.

    Raises:
        InputError: the default, or the published value, is outside the range: nobody could reach it by tuning, nor
            would tuning start there. With the unit `rms` every model has a range of its own, and holds both.
    """
    found = Range(low=low, high=high, log=log, choices=tuple(choices), unit=unit, published=published)
    for name, value in (("default", default), ("published value", published)):
        if value is not None and value not in found and not unit:
            raise InputError(
                f"the {name} {value!r} of a tunable hyperparameter is not among {found}; give one that is"
            )
    return field(default=default, metadata={"range": found})


def search_space(method: type[Method]) -> dict[str, Range]:
    """The tunable hyperparameters of a method class, by name."""
    return {item.name: item.metadata["range"] for item in fields(method) if "range" in item.metadata}
