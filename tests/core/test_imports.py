"""The house rules that a reader relies on: imports run one way, files stay short, nobody prints."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "unlearn_bench"
FOLDERS = ("benchmarks", "leaderboards", "methods", "metrics")
MAY_IMPORT = {
    "benchmarks": {"benchmarks", "leaderboards", "metrics", "methods", "core"},
    "leaderboards": {"leaderboards", "metrics", "core"},
    "metrics": {"metrics", "core"},
    "methods": {"methods", "core"},
    "core": {"core"},
}
BANNED_NAMES = {"utils", "types", "datasets"}
LONGEST = 400


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Dotted name and path of each module; the links inside src are left to the folders they point to."""
    core = root / "src" / PACKAGE
    for path in sorted(core.glob("*.py")):
        yield f"{PACKAGE}.{path.stem}", path
    inner = [folder for folder in sorted(core.iterdir()) if folder.is_dir() and not folder.is_symlink()]
    for folder in inner + [root / name for name in FOLDERS]:
        for path in sorted(folder.rglob("*.py")):
            parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
            yield ".".join([PACKAGE, *parts]), path


def part_of(name: str) -> str:
    """`methods` for unlearn_bench.methods.lip, `core` for what is in no folder."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FOLDERS else "core"


def imported(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module imports, wherever in it, also by `import_module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*package, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def violations(root: Path) -> list[str]:
    """One line for each broken rule."""
    found = []
    for module, path in modules(root):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        found += [f"{module}: called {path.stem}"] * (path.stem in BANNED_NAMES)
        found += [f"{module}: in a package called {name}" for name in BANNED_NAMES & set(module.split(".")[1:-1])]
        length = len(text.splitlines())
        found += [f"{module}: {length} lines"] * (length > LONGEST)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                found.append(f"{module}:{node.lineno}: prints")
        for line, name in imported(module, tree):
            if name.split(".")[0] in FOLDERS:
                found.append(f"{module}:{line}: imports {name} by its bare name")
            elif name.split(".")[0] == PACKAGE and part_of(name) not in MAY_IMPORT[part_of(module)]:
                found.append(f"{module}:{line}: {part_of(module)} imports {name}")
    return found


def test_this_repository_keeps_the_rules() -> None:
    assert violations(ROOT) == []


def test_the_walk_sees_the_repository() -> None:
    names = [name for name, _ in modules(ROOT)]
    assert {"unlearn_bench.clip", "unlearn_bench.methods.base", "unlearn_bench.metrics.base"} <= set(names)
    assert "unlearn_bench.leaderboards.records.record" in names
    assert "unlearn_bench.benchmarks.data.__init__" in names
    assert len(names) == len(set(names)), "a module is seen twice, perhaps through a link"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository that keeps the rules, links included."""
    core = tmp_path / "src" / PACKAGE
    core.mkdir(parents=True)
    (core / "__init__.py").write_text("")
    (core / "clip.py").write_text("import torch\nfrom unlearn_bench.errors import InputError\n")
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (core / name).symlink_to(tmp_path / name, target_is_directory=True)
    (tmp_path / "methods" / "lip.py").write_text("from unlearn_bench.methods.base import Method\n")
    (tmp_path / "leaderboards" / "records.py").write_text("from unlearn_bench.metrics.base import Metric\n")
    (tmp_path / "benchmarks" / "runner.py").write_text(
        "from unlearn_bench import methods\nfrom unlearn_bench.metrics import base\n"
        "import unlearn_bench.leaderboards\n"
    )
    return tmp_path


def test_a_good_tree_passes(tree: Path) -> None:
    assert violations(tree) == []


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("methods/bad.py", "from unlearn_bench.metrics.base import Metric", "methods imports unlearn_bench.metrics"),
        ("methods/bad.py", "from unlearn_bench.benchmarks.data import load", "methods imports unlearn_bench.bench"),
        (
            "methods/bad.py",
            "import unlearn_bench.leaderboards.records.record",
            "methods imports unlearn_bench.leader",
        ),
        ("methods/bad.py", "def f():\n    from unlearn_bench import metrics", "bad:2: methods imports"),
        ("methods/bad.py", "from ..metrics import base", "methods imports unlearn_bench.metrics.base"),
        ("methods/bad.py", "from .. import benchmarks", "methods imports unlearn_bench.benchmarks"),
        ("methods/deep/bad.py", "from ...metrics import base", "methods imports unlearn_bench.metrics.base"),
        ("metrics/bad.py", "from unlearn_bench.methods.base import Method", "metrics imports unlearn_bench.methods"),
        ("metrics/bad.py", "from unlearn_bench.leaderboards import records", "metrics imports unlearn_bench.lead"),
        ("leaderboards/bad.py", "from unlearn_bench.methods import base", "leaderboards imports unlearn_bench.me"),
        ("leaderboards/bad.py", "from unlearn_bench.benchmarks import cli", "leaderboards imports unlearn_bench.b"),
        ("src/unlearn_bench/bad.py", "from unlearn_bench.methods import base", "core imports unlearn_bench.methods"),
        ("src/unlearn_bench/bad.py", "from .benchmarks.mini import train", "core imports unlearn_bench.benchmarks"),
        ("src/unlearn_bench/in/bad.py", "from unlearn_bench import metrics", "core imports unlearn_bench.metrics"),
        (
            "src/unlearn_bench/bad.py",
            "import importlib\nimportlib.import_module('unlearn_bench.metrics.base')",
            "bad:2: core imports unlearn_bench.metrics.base",
        ),
        ("benchmarks/bad.py", "import methods.lip", "imports methods.lip by its bare name"),
        ("benchmarks/bad.py", "from metrics import base", "imports metrics.base by its bare name"),
        ("benchmarks/bad.py", "def f():\n    print('x')", "bad:2: prints"),
        ("benchmarks/bad.py", "x = 1\n" * 401, "bad: 401 lines"),
        ("benchmarks/utils.py", "", "called utils"),
        ("src/unlearn_bench/types.py", "", "called types"),
        ("benchmarks/datasets/__init__.py", "", "in a package called datasets"),
    ],
)
def test_a_planted_violation_is_found(tree: Path, path: str, source: str, expected: str) -> None:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(source)
    found = violations(tree)
    assert len(found) == 1, found
    assert expected in found[0]


def test_what_looks_alike_is_no_violation(tree: Path) -> None:
    (tree / "methods" / "fine.py").write_text(
        "from unlearn_bench.clip import Clip\nfrom .base import Method\nfrom torch import utils\n"
        "import unlearn_bench.metricsish\ntext = 'print(1)'\nrich.print(1)\n" + "x = 1\n" * 300
    )
    assert violations(tree) == []
