"""Whatever is wrong with a text, reading it raises one kind of error."""

import pytest

from unlearn_bench.documents import parse_json, parse_toml

DEEP = 100_000


def test_what_is_sound_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, null, "\\u00e9", "\\ud83d\\ude00"]}') == {"a": [1, 2.5, None, "é", "😀"]}
    assert parse_toml('a = 1\n[b]\nc = "d"\n') == {"a": 1, "b": {"c": "d"}}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "Expecting property name"),
        ("[" * DEEP, "nested too deeply"),
        ('{"a":' * DEEP, "nested too deeply"),
        ("7" * 5000, "a number of thousands of digits"),
        ('["\\ud800"]', "surrogates not allowed"),
        ('["\\uDFFF"]', "surrogates not allowed"),
    ],
)
def test_json_that_can_not_be(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a", "Expected '='"),
        ("a = " + "[" * DEEP, "nested too deeply"),
        ("a = " + "{b = " * DEEP, "nested too deeply"),
        (f"a = {'7' * 5000}", "a number of thousands of digits"),
    ],
)
def test_toml_that_can_not_be(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse_toml(text)
