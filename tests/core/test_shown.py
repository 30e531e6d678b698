"""What has no shape of its own is shown as its code; all else stays."""

import pytest

from unlearn_bench.errors import InputError
from unlearn_bench.shown import one_line, visible


@pytest.mark.parametrize(
    "text", ["", "digit zero", "naïve café", "数字", "a b  c", "\N{ZERO WIDTH JOINER}", "~|\\`*"]
)
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\r\n", "\\r\\n"),
        ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("\u202egnp", "\\u202egnp"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_does_something_is_shown_as_its_code(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(visible(text)) == shown
    shown.encode()


def test_lines_may_stay() -> None:
    assert visible("a\nb\rc", lines=True) == "a\nb\\rc"
    assert one_line("  a\n\tb \x1b ") == "a b \\x1b"


def test_an_error_is_one_line_whatever_it_names() -> None:
    assert str(InputError("no 'a\nb\x1b[31m'")) == "no 'a\\nb\\x1b[31m'"
