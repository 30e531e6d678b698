"""The public laws: an honest plug-in keeps them, and each kind of dishonest one is told which it breaks."""

import textwrap
from pathlib import Path
from typing import TypedDict

import pytest

from tests.benchmarks.support import NOISE, write_colours, write_method, write_model
from unlearn_bench.benchmarks.checks import LAWS, LawBrokenError, check_method, open_case
from unlearn_bench.errors import CellFailure, InputError


class Where(TypedDict):
    """The arguments of `check_method` that say on what a method is tried."""

    model: str
    dataset: str


@pytest.fixture
def place(tmp_path: Path) -> Where:
    """The colour model and folder, in the arguments of `check_method`."""
    return {"model": write_model(tmp_path), "dataset": f"folder:{write_colours(tmp_path / 'own')}"}


@pytest.mark.parametrize("access", ["ZS", "semi-ZS", "not-ZS"])
def test_an_honest_method_keeps_every_law(access: str, place: Where, tmp_path: Path) -> None:
    body = NOISE.replace("return clip", "")
    sees = {"ZS": "None", "semi-ZS": "request.forget_examples", "not-ZS": "request.retain_examples"}[access]
    check_method(
        write_method(tmp_path, body + f"assert {sees} is None or len({sees})\nreturn clip", access=access), **place
    )


def test_each_law_that_holds_is_said_until_one_does_not(place: Where, tmp_path: Path) -> None:
    said: list[str] = []
    check_method(write_method(tmp_path, NOISE), **place, say=said.append)
    assert [line.split(":")[0] for line in said[:-1]] == [f"ok  {law.__name__.replace('_', ' ')}" for law in LAWS]
    assert said[2].endswith("The returned state fits a fresh original strictly, and is finite.")
    assert said[-1] == f"mine keeps all {len(LAWS)} laws on colours with folder:own"
    said.clear()
    with pytest.raises(LawBrokenError):
        check_method(write_method(tmp_path, "pass", name="lazy"), **place, say=said.append)
    assert [line.split(":")[0] for line in said] == ["ok  it is a frozen dataclass", "ok  it says whether it applies"]


def test_laws_are_printed_where_nobody_says_otherwise(
    place: Where, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_method(write_method(tmp_path, NOISE), **place)
    assert len(capsys.readouterr().out.splitlines()) == len(LAWS) + 1


DISHONEST = {
    "global-randomness": ("clip.module.text[2].weight.data += torch.rand(3, 3); return clip", "global random stream"),
    "not-repeatable": (
        "type(self).n = getattr(type(self), 'n', 0) + 1\nclip.module.text[2].weight.data += self.n; return clip",
        "differs between two equal requests",
    ),
    "returns-nothing": ("pass", "unlearn returned a NoneType, not the clip"),
    "edits-the-request": ("request.retain_examples.pixels.zero_(); return clip", "edited the request"),
}


@pytest.mark.parametrize("case", DISHONEST)
def test_dishonest_methods(case: str, place: Where, tmp_path: Path) -> None:
    body, message = DISHONEST[case]
    with pytest.raises(LawBrokenError, match=message):
        check_method(write_method(tmp_path, body, access="not-ZS"), **place)


def test_changing_the_original(place: Where, tmp_path: Path) -> None:
    body = """
    import gc
    from unlearn_bench.benchmarks.referee.workbench import Workbench
    for bench in (item for item in gc.get_objects() if type(item) is Workbench):
        if hasattr(bench.clip.module, "text"):  # not that of an earlier test
            bench.clip.module.text[2].weight.data += 1
    return clip
    """
    with pytest.raises(LawBrokenError, match="changed the original model"):
        check_method(write_method(tmp_path, body), **place)
    case = open_case(write_method(tmp_path, "return clip", name="honest"), **place)
    assert case.bench.is_untouched()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@dataclass(frozen=True, kw_only=True)\n", "", "is not decorated with @dataclass"),
        ("strength: float = 0.5", "strength: object = Path('x')", "are not plain data"),
    ],
)
def test_hyperparameters(old: str, new: str, message: str, place: Where, tmp_path: Path) -> None:
    spec = write_method(tmp_path, "return clip")
    path = Path(spec.rpartition(":")[0])
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(LawBrokenError, match=message):
        check_method(spec, **place)


@pytest.mark.parametrize("answer", ["True", "' '"])
def test_skips_need_a_reason(answer: str, place: Where, tmp_path: Path) -> None:
    spec = write_method(tmp_path, "return clip")
    path = Path(spec.rpartition(":")[0])
    more = f"\ndef skip(self, clip, request):\n    return {answer}\n"
    path.write_text(path.read_text() + textwrap.indent(more, "    "))
    with pytest.raises(LawBrokenError, match="give None or a reason"):
        check_method(spec, **place)


def test_one_class_only(place: Where, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too many"):
        check_method(write_method(tmp_path, "(only,) = request.forget\nreturn clip"), **place)


def test_values_that_are_not_finite(place: Where, tmp_path: Path) -> None:
    body = "clip.module.text[2].weight.data[0, 0] = float('nan'); return clip"
    with pytest.raises(CellFailure, match="not finite"):
        check_method(write_method(tmp_path, body), **place)


def test_laws_say_what_they_ask() -> None:
    assert len({law.__name__ for law in LAWS}) == len(LAWS)
    assert all(law.__doc__ for law in LAWS)


def test_a_method_that_is_not_there() -> None:
    with pytest.raises(InputError, match="unknown method 'lipp'"):
        check_method("lipp")
