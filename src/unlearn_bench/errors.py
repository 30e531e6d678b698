"""The two ways in which things go wrong: the user can mend it (exit 2), or one cell failed (a record)."""

import difflib
from collections.abc import Iterable

from unlearn_bench.shown import visible

_LONGEST = 100
"""Letters of a name in a message; nobody reads five thousand."""

_MOST = 30
"""Choices that a message lists; of a thousand classes it gives some, and the nearest."""


class InputError(Exception):
    """Something that the user gave can't be used; the message is one line: what, expected, came, to do."""

    def __str__(self) -> str:
        return visible(super().__str__())


class CellFailure(Exception):  # noqa: N818  (it becomes a record, and reads as what it is there)
    """One cell of a sweep can't be finished; the message becomes the reason in its `failed` record."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that nobody registered, with the choices, or the first of many, and the nearest one.

    >>> str(unknown("method", "lipp", ["lip", "emb"]))
    "unknown method 'lipp'; known: emb, lip; did you mean 'lip'?"
    >>> str(unknown("class", "doc", [f"c{number:02d}" for number in range(40)]))[-12:]
    'c29, 10 more'
    """
    choices = sorted(known)
    name = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}.."
    some = choices if len(choices) <= _MOST else [*choices[:_MOST], f"{len(choices) - _MOST} more"]
    message = f"unknown {kind} {name!r}; known: {', '.join(some) or 'none'}"
    lowered = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    return InputError(f"{message}; did you mean {lowered[near[0]]!r}?" if near else message)
