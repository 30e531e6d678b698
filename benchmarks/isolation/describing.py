"""What a method from outside says of itself, read in a room of its own: no code of it runs where numbers are made."""

import dataclasses
import inspect
import json
import sys
from collections.abc import Mapping
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any

from unlearn_bench.benchmarks.isolation.fence import Fence, raise_fence
from unlearn_bench.benchmarks.isolation.room import Room
from unlearn_bench.benchmarks.isolation.telling import mirror
from unlearn_bench.benchmarks.isolation.wire import Message, send
from unlearn_bench.cache import cache_root, data_root
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.methods.base import Method, Range
from unlearn_bench.registry import absolute, file_hash, load

_SECONDS = 300.0
_ATTRIBUTES = ("name", "access", "reference", "version", "kind", "default")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where an outside method is, and how the process that asks looks for it."""

    target: str
    path: tuple[str, ...]


def outside_method(target: str) -> type[Method]:
    """A class that says what the method at `target` says of itself, its hyperparameters too, and can't play.

    Values that the method's own class refuses are refused where it plays.

    Raises:
        InputError: it does not import, is no subclass of `Method`, or has hyperparameters that aren't plain data.
    """
    return _described(Place(target=absolute(target), path=tuple(sys.path)), file_hash(target))


@lru_cache(maxsize=64)
def _described(place: Place, _file: str | None) -> type[Method]:
    room = Room(_tell, place, hidden=(cache_root(), data_root()))
    try:
        said = room.next(seconds=_SECONDS, most_bytes=0)
    except CellFailure as error:
        raise InputError(f"method {place.target!r} can't be described ({error})") from error
    finally:
        room.close()
    if said.kind != "method":
        raise InputError(str(said.words.get("reason", f"method {place.target!r} can't be described")))
    return _mirror(said.words)


def _tell(connection: Connection, fence: Fence, place: Place) -> None:
    """In the other process: load the class and say what it is."""
    sys.path[:] = place.path
    raise_fence(fence)
    try:
        found = _description(load(place.target), place.target)
        send(connection, Message(kind="method", words=found))
    except InputError as error:
        send(connection, Message(kind="refused", words={"reason": str(error)}))
    except BaseException as error:  # whatever its file does when it is imported
        said = f"method {place.target!r} can't be described ({type(error).__name__})"
        send(connection, Message(kind="refused", words={"reason": said}))


def _description(kind: object, target: str) -> dict[str, Any]:
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise InputError(f"method {target!r} is not a subclass of unlearn_bench.methods.base.Method")
    if inspect.isabstract(kind):
        lacking = ", ".join(sorted(kind.__abstractmethods__))
        raise InputError(f"method {target!r} can't be made: it is abstract, {lacking} is not there; write it")
    fields = []
    for item in dataclasses.fields(kind):
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise InputError(
                f"method {target!r} can't be made: hyperparameter {item.name!r} has no default; give it one"
            )
        made = item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default
        span = item.metadata.get("range")
        fields.append([item.name, made, dataclasses.asdict(span) if isinstance(span, Range) else None])
    found = {name: getattr(kind, name, None) for name in _ATTRIBUTES}
    found |= {"class": kind.__name__, "doc": kind.__doc__ or "", "fields": fields}
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"method {target!r} has a default that is no plain data ({error}); give numbers and texts"
        ) from error
    return found


def _mirror(said: Mapping[str, Any]) -> type[Method]:
    """A frozen dataclass with the same attributes and fields."""
    fields = []
    for name, default, span in said["fields"]:
        metadata = {} if span is None else {"range": Range(**{**span, "choices": tuple(span["choices"])})}
        fields.append((str(name), _field(default, metadata)))
    attributes = {name: said[name] for name in _ATTRIBUTES if said[name] is not None}
    return mirror(str(said["class"]), str(said["doc"]), attributes=attributes, fields=fields)


def _field(default: object, metadata: Mapping[str, object]) -> Any:  # noqa: ANN401  (as dataclasses.field says)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=_frozen(default), metadata=metadata)


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
