"""Finding what is registered without importing it, and loading what was chosen.

A class in this project's folders is registered by being there: a file whose class sets `name` to a literal.
Reading the source with `ast` keeps `list` and `--help` free of torch. Other packages register by entry point,
and a file outside any package is named as `path/to/file.py:Attribute`.
"""

import ast
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from unlearn_bench.errors import InputError, unknown

_FOLDER = Path(__file__).parent
_PLUGINS = ("methods", "metrics")
"""The folders that are lists of plug-ins; models and datasets of others come by entry point alone."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One registered thing: its name, where it is loaded from, and the class attributes that are literals.

    Attributes:
        summary: the first line of its docstring. about: all of it. idea: the first line of its file's docstring.
    """

    name: str
    target: str
    summary: str = ""
    about: str = ""
    idea: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


def catalogue(package: str) -> dict[str, Entry]:
    """What entry points of `unlearn_bench.PACKAGE` register and, of methods and metrics, the folder of that name."""
    found = _in_folder(package) if package in _PLUGINS else {}
    for point in installed_points(f"unlearn_bench.{package}", tuple(sys.path)):
        if point.name in found:
            raise InputError(
                f"the name {point.name!r} of the entry point {point.value!r} is taken by "
                f"{found[point.name].target!r}; rename one of them"
            )
        source = point.dist.name if point.dist else "an installed package"
        found[point.name] = Entry(name=point.name, target=point.value, summary=f"from {source}")
    return found


@lru_cache(maxsize=16)
def installed_points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001
    """The entry points of a group in the packages on that path: looked up once, since every cell asks."""
    return tuple(entry_points(group=group))


def find(package: str, name: str, *, kind: str) -> Entry:
    """The entry called `name`, or one for `file.py:Attribute`; for others an error with the choices."""
    if is_path_target(name):
        return Entry(name=name, target=name)
    known = catalogue(package)
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]


def is_path_target(name: str) -> bool:
    """Whether `name` is of the form `path/to/file.py:Attribute`."""
    return ".py:" in name


def is_own(target: str) -> bool:
    """Whether it is this project's code, and not somebody else's."""
    return not is_path_target(target) and target.startswith("unlearn_bench.")


def absolute(target: str) -> str:
    """The same target for a process with another current folder."""
    if not is_path_target(target):
        return target
    path, _, attribute = target.rpartition(":")
    return f"{Path(path).absolute()}:{attribute}"


def load(target: str) -> object:
    """Import `package.module:Attribute` or `path/to/file.py:Attribute` and return the attribute.

    Raises:
        InputError: the file is not there, does not import, or lacks the attribute.
    """
    source, _, attribute = target.rpartition(":")
    module = _load_file(Path(source)) if is_path_target(target) else _import_module(source)
    try:
        return getattr(module, attribute)
    except AttributeError:
        public = sorted(name for name in vars(module) if not name.startswith("_"))
        raise unknown(f"attribute of {source!r}", attribute, public) from None


def file_hash(target: str) -> str | None:
    """A hash of the file behind `file.py:Attribute` (it enters the run's key); None for installed code."""
    if not is_path_target(target):
        return None
    path = Path(target.rpartition(":")[0])
    if not path.is_file():
        raise InputError(f"no plug-in file at {str(path)!r}; give path/to/file.py:Name")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"module {name!r} does not import ({error}); install what it needs, or mend its entry point"
        ) from error


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"no plug-in file at {str(path)!r}; give path/to/file.py:Name")
    resolved = path.resolve()
    name = f"unlearn_bench_plugin_{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise InputError(f"plug-in {str(path)!r} is not a Python file; give path/to/file.py:Name")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while the class is made
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a file that ends the process when it is read
        del sys.modules[name]
        raise InputError(
            f"plug-in {str(path)!r} does not import ({type(error).__name__}: {error}); mend it and run again"
        ) from error
    return module


def _in_folder(package: str) -> dict[str, Entry]:
    entries = {}
    for path in sorted((_FOLDER / package).glob("*.py")):
        found = path.stat()
        for entry in _in_file(path, package, found.st_mtime_ns, found.st_size):
            entries[entry.name] = entry
    return entries


@lru_cache(maxsize=256)
def _in_file(path: Path, package: str, changed: int, size: int) -> tuple[Entry, ...]:  # noqa: ARG001
    """The entries of a file as it is at that time and of that size: parsed once, since every cell asks."""
    entries = []
    module = ast.parse(path.read_text(encoding="utf-8"))
    idea = (ast.get_docstring(module) or "").split("\n", 1)[0]
    for node in module.body:
        if not isinstance(node, ast.ClassDef):
            continue
        facts = _literals(node)
        name = facts.pop("name", None)
        if isinstance(name, str):
            about = ast.get_docstring(node) or ""
            target = f"unlearn_bench.{package}.{path.stem}:{node.name}"
            summary = about.split("\n", 1)[0]
            entries.append(Entry(name=name, target=target, summary=summary, about=about, idea=idea, facts=facts))
    return tuple(entries)


def _literals(node: ast.ClassDef) -> dict[str, object]:
    facts = {}
    for statement in node.body:
        target: ast.expr
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        else:
            continue
        if isinstance(target, ast.Name):
            try:
                facts[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
    return facts
