"""How a record looks as JSON, and how it is read back without trusting the file."""

import base64
import binascii
import dataclasses
import json
import reprlib
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast, get_args

from unlearn_bench.leaderboards.records.record import EvaluationSet, Record, Run, Status, completed, stated
from unlearn_bench.metrics.base import Bounds, Measurement, excess
from unlearn_bench.registry import catalogue

FORMAT = 1
"""Raised when the meaning of a field changes: older files are then named and set aside, not misread."""

_STATUSES: tuple[str, ...] = get_args(Status)
_NUMBER = (int, float, type(None))
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "suite": str,
    "model": str,
    "fingerprint": str,
    "method": str,
    "method_version": int,
    "method_file": (str, type(None)),
    "access": str,
    "kind": str,
    "hyperparameters": dict,
    "dataset": str,
    "forget": list,
    "evaluation": list,
    "metrics": dict,
    "synthesis": dict,
    "train_split": str,
    "seed": int,
    "variant": dict,
    "precision": str,
    "split_name": str,
    "name": str,
    "version": (str, int),
    "split": str,
    "template": str,
    "control": bool,
    "metric": str,
    "group": str,
    "before": _NUMBER,
    "after": _NUMBER,
    "n": int,
    "outcomes": str,
}


_LARGEST_WHOLE = 2**63
"""No count, version or seed reaches it; a number of hundreds of digits can't be computed with."""

_SHOWN = 200
"""Letters of a list of names in a message."""

_EXACT: Mapping[str, Collection[type]] = {
    "metric": {str},
    "version": {int},
    "dataset": {str},
    "group": {str},
    "before": {float, int, type(None)},
    "after": {float, int, type(None)},
    "n": {int},
    "outcomes": {str},
}
"""Of a measurement's fields, the very types."""

_MEASURED = tuple(item.name for item in dataclasses.fields(Measurement))
_REPEATED = ("metric", "dataset", "group")
"""Words that thousands of measurements have in common, each of which is kept once."""


class MalformedRecordError(ValueError):
    """The data are no complete record of this format; the message says what is wrong with them."""


def compact(value: object) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, tuples as lists.

    >>> compact({"b": (1, 2), "a": None})
    '{"a":null,"b":[1,2]}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=list, ensure_ascii=False)


def to_json(record: Record) -> dict[str, object]:
    """A record as plain JSON data, with the format's number and the run's key first."""
    return {
        "format": FORMAT,
        "key": record.run.key,
        "status": record.status,
        "reason": record.reason,
        "run": {**stated(record.run), "evaluation": [stated(item) for item in record.run.evaluation]},
        "measurements": [{name: getattr(item, name) for name in _MEASURED} for item in record.measurements],
        "preset": dict(record.preset),
        "provenance": dict(record.provenance),
    }


def from_json(data: object) -> Record:
    """The record that `to_json` wrote.

    Raises:
        MalformedRecordError: a field is missing, unknown or of another type, the format is another one, or the
            key is not the key of the run (somebody edited the file).
    """
    outer = _mapping(data, "the record")
    if outer.get("format") != FORMAT:
        raise MalformedRecordError(
            f"format {reprlib.repr(outer.get('format'))}, and this version reads format {FORMAT}"
        )
    missing = {"key", "status", "reason", "run", "measurements", "preset", "provenance"} - outer.keys()
    if missing:
        raise MalformedRecordError(f"no {', '.join(sorted(missing))}")
    if outer["status"] not in _STATUSES:
        raise MalformedRecordError(f"status {reprlib.repr(outer['status'])}, and it is one of {', '.join(_STATUSES)}")
    run = read_run(_mapping(outer["run"], "run"))
    if outer["key"] != run.key:
        raise MalformedRecordError(f"key {reprlib.repr(outer['key'])} is not the key of its run ({run.key})")
    return Record(
        run=run,
        status=cast("Status", outer["status"]),
        reason=str(outer["reason"]),
        measurements=tuple(_measurement(item) for item in _sequence(outer["measurements"], "measurements")),
        preset=_mapping(outer["preset"], "preset"),
        provenance=_mapping(outer["provenance"], "provenance"),
    )


def read_run(data: Mapping[str, Any]) -> Run:
    """A run from its fields as JSON gives them (lists for tuples); errors as in `from_json`."""
    checked = _fields(Run, completed(data, Run))
    forget = checked["forget"]
    if not all(isinstance(name, str) for name in forget):
        raise MalformedRecordError(f"forget is {reprlib.repr(forget)}, and it is a list of class names")
    sets = [
        EvaluationSet(**_fields(EvaluationSet, completed(_mapping(item, "evaluation"), EvaluationSet)))
        for item in checked["evaluation"]
    ]
    return Run(**{**checked, "forget": tuple(forget), "evaluation": tuple(sets)})


def _measurement(data: object) -> Measurement:
    """As `_checked_measurement`; what is plainly as it should be, as nearly all is, in a fraction of the time."""
    if not isinstance(data, dict) or data.keys() != _EXACT.keys():
        return _checked_measurement(data)
    for name, value in data.items():
        if type(value) not in _EXACT[name]:
            return _checked_measurement(data)
    metric, version, before, after, n = data["metric"], data["version"], data["before"], data["after"], data["n"]
    low, high = _limits(metric, version)
    sound = (before is None or low <= before <= high) and (after is None or low <= after <= high)
    if not sound or not 0 <= n < _LARGEST_WHOLE or version not in range(-_LARGEST_WHOLE, _LARGEST_WHOLE):
        return _checked_measurement(data)
    found = Measurement(
        metric=sys.intern(metric),
        version=version,
        dataset=sys.intern(data["dataset"]),
        group=sys.intern(data["group"]),
        before=before,
        after=after,
        n=n,
        outcomes=data["outcomes"],
    )
    if found.outcomes:
        _check_outcomes(found)
    return found


@lru_cache(maxsize=1024)
def _limits(metric: str, version: int) -> tuple[float, float]:
    """Between these, a number may be for certain."""
    known, (low, high) = declared().get(metric, (version, (None, None)))
    low, high = (low, high) if known == version else (None, None)
    return -1e100 if low is None else low, 1e100 if high is None else high


def _checked_measurement(data: object) -> Measurement:
    checked = _fields(Measurement, data)
    if not isinstance(checked["version"], int):
        raise MalformedRecordError(
            f"version of {checked['metric']!r} is {reprlib.repr(checked['version'])}, not a number"
        )
    found = Measurement(**{**checked, **{name: sys.intern(checked[name]) for name in _REPEATED}})
    version, bounds = declared().get(found.metric, (found.version, (None, None)))
    for side, value in (("before", found.before), ("after", found.after)):
        if wrong := excess(value, bounds if version == found.version else (None, None)):
            raise MalformedRecordError(f"{_said(found)} is {_number(value)} {side} forgetting, {wrong}")
    if found.n < 0:
        raise MalformedRecordError(f"{_said(found)} is over {found.n} images")
    if found.outcomes:
        _check_outcomes(found)
    return found


def _check_outcomes(item: Measurement) -> None:
    """What each image came to is there for both sides, and for as many images as are said."""
    if item.before is None or item.after is None:
        raise MalformedRecordError(f"{_said(item)} has no number on one side, though it says of each image")
    try:
        size = len(base64.b64decode(item.outcomes, validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size != 2 * -(-item.n // 8):
        raise MalformedRecordError(f"{_said(item)} does not say what each of its {item.n} images came to")


def _said(item: Measurement) -> str:
    return " ".join(part for part in (item.metric, item.dataset, item.group) if part)


def _number(value: float | None) -> str:
    return f"a number of {len(str(value))} digits" if isinstance(value, int) and len(str(value)) > 20 else str(value)


@lru_cache(maxsize=1)
def declared() -> Mapping[str, tuple[int, Bounds]]:
    """Version and bounds of each metric whose class says them as literals: what numbers are checked against."""
    return {
        name: (cast("int", entry.facts.get("version", 1)), cast("Bounds", entry.facts["bounds"]))
        for name, entry in catalogue("metrics").items()
        if "bounds" in entry.facts
    }


def _fields(kind: type[Run | EvaluationSet | Measurement], data: object) -> dict[str, Any]:
    """The fields of a dataclass, all there, none unknown, each of its type."""
    found = _mapping(data, kind.__name__.lower())
    names = kind.__dataclass_fields__.keys()
    if found.keys() != names:
        wrong = ", ".join(sorted(found.keys() ^ names))[:_SHOWN]
        raise MalformedRecordError(f"{kind.__name__.lower()} has missing or unknown fields: {wrong}")
    for name, value in found.items():
        wanted = _TYPES[name]
        truth_for_number = isinstance(value, bool) and wanted is not bool
        if truth_for_number or not isinstance(value, wanted):
            raise MalformedRecordError(f"{name} is {reprlib.repr(value)}, a {type(value).__name__}")
        if isinstance(value, int) and wanted is int and not -_LARGEST_WHOLE <= value < _LARGEST_WHOLE:
            raise MalformedRecordError(f"{name} is a whole number of {len(str(value))} digits")
    return dict(found)


def _mapping(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedRecordError(f"{what} is a {type(value).__name__}, not an object")
    return value


def _sequence(value: object, what: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise MalformedRecordError(f"{what} is a {type(value).__name__}, not a list")
    return value
