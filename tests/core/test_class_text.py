"""Classes read in their text: what is plain is found, what is not is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from unlearn_bench import class_text
from unlearn_bench.class_text import ClassText, Default, NotPlainError, read_class

BASE = '''
from unlearn_bench.root import Root, tunable

CHOICES: tuple[float, ...] = (0.5, 1.0)
FIRST = 0.5

class Base(Root):
    """Of it others are made."""

    name = "base"
    version: ClassVar[int] = 2
    unset: ClassVar[str]
    rate: float = tunable(FIRST, choices=CHOICES, log=True)
    steps: int = 10

    def unlearn(self):
        steps = 3
'''

CHILD = '''
from unlearn_bench.rooms.base import Base as Above

class Child(Above):
    """It has more.

    And says so.
    """

    name = "child"
    steps: int = -1
    counts: tuple[int, ...] = ()

class Grandchild(Child):
    reach: float = 1e-3
'''


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with two modules, in place of this one."""
    monkeypatch.setattr(class_text, "_FOLDER", tmp_path)
    class_text._tree.cache_clear()
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "base.py").write_text(BASE)
    (tmp_path / "child.py").write_text(CHILD)
    yield tmp_path
    class_text._tree.cache_clear()


def read(target: str) -> ClassText:
    return read_class(target, root="unlearn_bench.root:Root")


def test_attributes_and_fields_of_a_class() -> None:
    found = read("unlearn_bench.rooms.base:Base")
    assert (found.name, found.doc) == ("Base", "Of it others are made.")
    assert found.attributes == {"name": "base", "version": 2}
    assert found.fields == {
        "rate": Default(value=0.5, maker="tunable", options={"choices": (0.5, 1.0), "log": True}),
        "steps": Default(value=10),
    }


def test_what_a_base_says_is_kept_or_replaced_in_its_place() -> None:
    found = read("unlearn_bench.child:Grandchild")
    assert (found.name, found.doc) == ("Grandchild", "")
    assert found.attributes == {"name": "child", "version": 2}
    assert list(found.fields) == ["rate", "steps", "counts", "reach"]
    assert [found.fields[name].value for name in ("steps", "counts", "reach")] == [-1, (), 1e-3]
    assert read("unlearn_bench.child:Child").doc.startswith("It has more.")


@pytest.mark.parametrize(
    "text",
    [
        "class Other: pass",
        "class Odd: name = 'odd'",
        "class Odd(Root, object): name = 'odd'",
        "class Odd(made()): name = 'odd'",
        "class Odd(Elsewhere): name = 'odd'",
        "from other.package import Elsewhere\nclass Odd(Elsewhere): name = 'odd'",
        "from unlearn_bench.root import Root\nclass Odd(Root):\n    rate: float",
        "from unlearn_bench.root import Root\nclass Odd(Root):\n    rate: float = 2 * RATE",
        "from unlearn_bench.root import Root\nclass Odd(Root):\n    rate: float = RATE",
        "from unlearn_bench.root import Root\nRATE = made()\nclass Odd(Root):\n    rate: float = RATE",
        "from unlearn_bench.root import Root\nclass Odd(Root):\n    rate: float = tunable(0.5, low=LOW)",
        "from unlearn_bench.root import Root\nclass Odd(Root):\n    rate: float = tunable(default=0.5)",
        "from unlearn_bench.root import Root\nclass Odd(Root):\n    rate: float = some.tunable(0.5)",
        "from unlearn_bench.root import Root\nclass Odd(Root):\n    version: ClassVar[int] = made()",
        "from unlearn_bench.root import Root\nclass Odd(Root):\n    version = made()",
    ],
)
def test_what_has_to_be_computed_is_refused(package: Path, text: str) -> None:
    (package / "odd.py").write_text(text)
    with pytest.raises(NotPlainError):
        read("unlearn_bench.odd:Odd")


@pytest.mark.parametrize("target", ["unlearn_bench.nowhere:Odd", "torch.nn:Module"])
def test_a_module_that_is_not_in_the_package_is_refused(target: str) -> None:
    with pytest.raises(NotPlainError):
        read(target)
