"""What is registered is found without importing it; what is named is loaded or explained."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from unlearn_bench import registry
from unlearn_bench.errors import InputError

SOURCE = '''
"""A module that must not be imported."""
raise RuntimeError("imported")

class Base:
    """No name, so not registered."""
    name: str

class First(Base):
    """The first one.

    More.
    """
    name = "first"
    access: str = "ZS"
    version = 2
    bounds = (0.0, None)
    computed = len("x")

class Second(Base):
    name: str = "second"
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "players.py").write_text(SOURCE)
    monkeypatch.setattr(registry, "_FOLDER", tmp_path)
    return tmp_path / "methods"


def outside(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(registry, "installed_points", lambda group, _: [p for p in points if p.group == group])


def test_reads_classes_without_importing(folder: Path) -> None:
    found = registry.catalogue("methods")
    assert sorted(found) == ["first", "second"]
    assert found["first"].target == "unlearn_bench.methods.players:First"
    assert found["first"].summary == "The first one."
    assert found["first"].facts == {"access": "ZS", "version": 2, "bounds": (0.0, None)}
    assert found["second"].summary == ""


def test_listing_imports_no_torch() -> None:
    program = (
        "import sys\n"
        "from unlearn_bench.registry import catalogue\n"
        "from unlearn_bench.models.names import list_models\n"
        "catalogue('methods'), catalogue('metrics'), list_models()\n"
        "heavy = {'torch', 'open_clip', 'numpy', 'pandas'} & sys.modules.keys()\n"
        "sys.exit(', '.join(sorted(heavy)) or None)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_every_registered_name_loads() -> None:
    for package in ("methods", "metrics"):
        for name, entry in registry.catalogue(package).items():
            loaded = registry.load(entry.target)
            assert getattr(loaded, "name", None) == name
            assert entry.summary, f"{name} has no docstring"


def test_entry_points_are_added(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="third", value="their.package:Third", group="unlearn_bench.methods")
    outside(monkeypatch, point)
    found = registry.catalogue("methods")["third"]
    assert found.target == "their.package:Third"
    assert found.summary == "from an installed package"


def test_an_entry_point_may_not_take_a_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside(monkeypatch, EntryPoint(name="first", value="their:First", group="unlearn_bench.methods"))
    with pytest.raises(InputError, match=r"'first' of the entry point 'their:First' is taken by"):
        registry.catalogue("methods")


def test_find(folder: Path) -> None:
    assert registry.find("methods", "first", kind="method").target.endswith(":First")
    assert registry.find("methods", "my/file.py:Mine", kind="method").target == "my/file.py:Mine"
    with pytest.raises(InputError, match="unknown method 'frist'; known: first, second; did you mean 'first'"):
        registry.find("methods", "frist", kind="method")


def test_loads_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine:\n    rate: float = 2.0\n"
    )
    loaded = registry.load(f"{path}:Mine")
    assert isinstance(loaded, type)
    assert loaded().rate == 2.0
    assert registry.load(f"{path}:Mine") is loaded, "the second time is the same module"


def test_two_plug_ins_of_one_file_name_stay_apart(tmp_path: Path) -> None:
    for folder, value in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plug.py").write_text(f"value = {value}\n")
    assert [registry.load(f"{tmp_path / name / 'plug.py'}:value") for name in "ab"] == [1, 2]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_library\n", "ModuleNotFoundError"),
        ("raise ValueError('boom')\n", "ValueError: boom"),
    ],
)
def test_a_plug_in_that_does_not_import(tmp_path: Path, source: str, expected: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source)
    before = set(sys.modules)
    with pytest.raises(InputError, match="does not import") as caught:
        registry.load(f"{path}:Mine")
    assert expected in str(caught.value)
    assert not [name for name in set(sys.modules) - before if "plugin" in name]
    path.write_text("Mine = 1\n")
    assert registry.load(f"{path}:Mine") == 1, "mended, it loads"


def test_a_plug_in_that_is_not_there(tmp_path: Path) -> None:
    for function in (registry.load, registry.file_hash):
        with pytest.raises(InputError, match="no plug-in file"):
            function(f"{tmp_path}/none.py:Mine")


def test_a_missing_attribute_names_the_others(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Mine:\n    pass\n_hidden = 1\n")
    with pytest.raises(InputError, match=r"'Mien'; known: Mine; did you mean 'Mine'"):
        registry.load(f"{tmp_path}/mine.py:Mien")


def test_an_entry_point_that_does_not_import() -> None:
    with pytest.raises(InputError, match=r"module 'no_such_package.inner' does not import"):
        registry.load("no_such_package.inner:Mine")


def test_file_hash_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("value = 1\n")
    first = registry.file_hash(f"{path}:value")
    assert first is not None
    assert len(first) == 16
    assert registry.file_hash(f"{path}:other") == first
    path.write_text("value = 2\n")
    assert registry.file_hash(f"{path}:value") != first
    assert registry.file_hash("unlearn_bench.methods.lip:Lip") is None


def test_path_targets() -> None:
    assert registry.is_path_target("a/b.py:C")
    assert not registry.is_path_target("lip")
    assert not registry.is_path_target("package.module:Class")
