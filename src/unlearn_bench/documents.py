"""JSON and TOML of somebody else's: whatever is wrong with a text, reading it raises `ValueError`."""

import json
import tomllib
from typing import Any

_DEEP = "it is nested too deeply to be read"
_LONG = "it holds a number of thousands of digits"


def parse_json(text: str) -> Any:  # noqa: ANN401  (whatever is in it)
    """The data in a JSON text.

    Raises:
        ValueError: it is no JSON, is nested too deeply, holds a number of thousands of digits, or half of a character
            (`\\ud800`), which could never be written to a file again.
    """
    try:
        found = json.loads(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except (json.JSONDecodeError, UnicodeEncodeError):
        raise
    except RecursionError:
        raise ValueError(_DEEP) from None
    except ValueError:
        raise ValueError(_LONG) from None
    return found


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        ValueError: it is no TOML, is nested too deeply, or holds a number of thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError(_DEEP) from None
    except ValueError:
        raise ValueError(_LONG) from None
