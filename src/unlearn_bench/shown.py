"""Names of other people's on a screen: what has no shape of its own is shown as its code, and does nothing."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # ESC, with which a terminal takes orders, carriage returns, bells
    "\u2028\u2029"  # line ends
    "\u202a-\u202e\u2066-\u2069"  # what turns the direction of the text that comes after
    "\ud800-\udfff]"  # halves of characters, which no file takes
)


def visible(text: str, *, lines: bool = False) -> str:
    r"""The text with control characters, and what turns its direction, as their codes.

    Args:
        lines: line feeds stay.

    >>> print(visible("red\x1b[2J"))
    red\x1b[2J
    >>> print(visible("one\ntwo"), visible("one\ntwo", lines=True))
    one\ntwo one
    two
    >>> print(visible("caf\udce9"))  # a file's name, of which a byte is no UTF-8
    caf\xe9
    """
    return _UNSEEN.sub(lambda found: found[0] if lines and found[0] == "\n" else _code(found[0]), text)


def one_line(text: str) -> str:
    r"""The text with each run of white space as one space, and the rest as `visible` shows it.

    >>> one_line(" a\r\n\tb\x07")
    'a b\\x07'
    """
    return visible(" ".join(text.split()))


def _code(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # as Python names a byte that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def console_of(*, stderr: bool = False) -> "Console":
    """A screen that shows names as they are: neither as markup, nor with a picture for `:bomb:`."""
    from rich.console import Console  # noqa: PLC0415  (much of the package shows nothing)

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
