"""What has no shape of its own is shown as its code; all else stays."""

import os
import re
from pathlib import Path

import pytest

from unlearn_bench import shown
from unlearn_bench.errors import InputError
from unlearn_bench.shown import console_of, one_line, visible


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


def test_a_screen_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console_of().print("a :bomb: [red]x[/red]", soft_wrap=True)
    console_of(stderr=True).print("a :bomb:", soft_wrap=True)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("a :bomb: [red]x[/red]\n", "a :bomb:\n")


def test_all_screens_are_made_in_one_place() -> None:
    package = Path(shown.__file__).parent
    files = [Path(folder) / name for folder, _, names in os.walk(package, followlinks=True) for name in names]
    sources = {path.name: path.read_text("utf-8") for path in files if path.suffix == ".py"}
    assert {name for name, text in sources.items() if re.search(r"\bConsole\(", text)} == {"shown.py"}
