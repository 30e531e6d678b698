"""Messages for names that nobody registered."""

import pytest

from unlearn_bench.errors import CellFailure, InputError, unknown


def test_lists_choices_and_the_nearest() -> None:
    assert str(unknown("method", "LIPP", ["lip", "emb"])) == (
        "unknown method 'LIPP'; known: emb, lip; did you mean 'lip'?"
    )


def test_no_suggestion_when_nothing_is_near() -> None:
    assert str(unknown("suite", "zzzz", ["mini", "paper"])) == "unknown suite 'zzzz'; known: mini, paper"


def test_nothing_known() -> None:
    assert str(unknown("suite", "mini", [])) == "unknown suite 'mini'; known: none"


@pytest.mark.parametrize(("asked", "meant"), [("rn50:OPENAI", "RN50:openai"), ("Mini-rm", "mini-rn")])
def test_case_does_not_matter_and_the_real_spelling_is_shown(asked: str, meant: str) -> None:
    assert str(unknown("model", asked, ["RN50:openai", "mini-rn"])).endswith(f"did you mean {meant!r}?")


def test_the_two_kinds_are_apart() -> None:
    assert not issubclass(InputError, CellFailure)
    assert not issubclass(CellFailure, InputError)
    assert isinstance(unknown("model", "x", []), InputError)
