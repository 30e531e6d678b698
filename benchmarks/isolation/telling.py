"""Classes that say what methods and metrics say of themselves, and can't play: for plans, which run nothing."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from unlearn_bench.class_text import Default, NotPlainError, read_class
from unlearn_bench.methods.base import Method, Request, tunable
from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.registry import load

if TYPE_CHECKING:
    from unlearn_bench.clip import Clip

_METHOD, _METRIC = f"{Method.__module__}:{Method.__name__}", f"{Metric.__module__}:{Metric.__name__}"


def told_method(target: str) -> type[Method]:
    """What the text of one of the package's own methods says of it; the class itself where the text does not say all.

    torch is imported only for the latter. Values that the class refuses are refused where it plays.
    """
    try:
        return _method(target)
    except NotPlainError:
        return cast("type[Method]", load(target))


def told_metric(target: str) -> type[Metric]:
    """The same of one of the package's own metrics."""
    try:
        return _metric(target)
    except NotPlainError:
        return cast("type[Metric]", load(target))


def mirror(
    name: str, doc: str, *, attributes: Mapping[str, object], fields: Sequence[tuple[str, Any]]
) -> type[Method]:
    """A method with these attributes and fields (name, and what `dataclasses.field` gives) that can't play."""
    typed = [(field, Any, made) for field, made in fields]
    made = dataclasses.make_dataclass(
        name, typed, bases=(_Elsewhere,), namespace=dict(attributes), frozen=True, kw_only=True
    )
    made.__doc__ = doc
    return made


@lru_cache(maxsize=128)
def _method(target: str) -> type[Method]:
    said = read_class(target, root=_METHOD)
    fields = [(name, _field(default)) for name, default in said.fields.items()]
    return mirror(said.name, said.doc, attributes=said.attributes, fields=fields)


def _field(default: Default) -> Any:  # noqa: ANN401  (as dataclasses.field says)
    if not default.maker:
        return dataclasses.field(default=default.value)
    if default.maker != tunable.__name__:
        raise NotPlainError(default.maker)
    return tunable(default.value, **cast("dict[str, Any]", default.options))


@lru_cache(maxsize=128)
def _metric(target: str) -> type[Metric]:
    said = read_class(target, root=_METRIC)
    return type(said.name, (_Unmeasured,), {**said.attributes, "__doc__": said.doc})


class _Elsewhere(Method):
    """A method whose code is not here."""

    def unlearn(self, clip: "Clip", request: Request) -> "Clip":
        """It plays elsewhere."""
        raise NotImplementedError


class _Unmeasured(Metric):
    """A metric whose code is not here."""

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """It is measured elsewhere."""
        raise NotImplementedError
