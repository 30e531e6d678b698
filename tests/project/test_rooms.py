"""The rooms of the house: each folder has one role, says it, stays small, and imports only from rooms below it."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.core.test_imports import PACKAGE, ROOT, imported, modules

CONTRACTS = {"methods.base": "methods.base", "metrics.base": "metrics.base", "metrics.further": "metrics.base"}
"""Modules that what is in `shared` extends: a floor of their own below it, though they lie beside the plug-ins."""

ROOMS = (
    "",
    "downloads",
    "models.quick",
    "models",
    "models.exchange",
    "training",
    "synthesis",
    "methods.base",
    "methods.shared",
    "methods",
    "metrics.base",
    "metrics.shared",
    "metrics",
    "leaderboards.records",
    "leaderboards.statistics",
    "leaderboards.reported",
    "leaderboards.tables",
    "leaderboards.brief",
    "leaderboards.page",
    "leaderboards",
    "leaderboards.published",
    "benchmarks.data.dataset",
    "benchmarks.data.layouts",
    "benchmarks.data.embedded.drawing",
    "benchmarks.data.embedded",
    "benchmarks.data.fetching",
    "benchmarks.data",
    "benchmarks.images",
    "benchmarks.inspection",
    "benchmarks.suites",
    "benchmarks.presets",
    "benchmarks.isolation",
    "benchmarks.referee",
    "benchmarks.engines",
    "benchmarks.sweep",
    "benchmarks.tuning",
    "benchmarks.forgetting",
    "benchmarks.checkup",
    "benchmarks.commands",
    "benchmarks.speed",
    "benchmarks.mini",
    "benchmarks",
)
"""From the ground up: a room imports from itself and from those before it. The first is the core itself."""

LISTS = ("methods", "metrics")
"""Flat lists of plug-ins: one file each, as many as there are."""

MOST_MODULES = 16
"""In any other folder, `__init__` not counted."""


def room_of(module: str) -> str:
    """`benchmarks.sweep` for unlearn_bench.benchmarks.sweep.plan; a contract is a room of its own."""
    name = module.removeprefix(f"{PACKAGE}.")
    return CONTRACTS.get(name, name.rpartition(".")[0])


def target_of(name: str, known: Mapping[str, Path]) -> str | None:
    """The module that an import of `name` reaches, which may be a thing in it; None for a package as such."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def found_wrong(root: Path) -> list[str]:
    """One line for each import against the order, each room that is too large or not in the list."""
    known = {name: path for name, path in modules(root) if path.stem != "__init__"}
    wrong = [f"{name}: room {room_of(name)!r} is not in the list" for name in known if room_of(name) not in ROOMS]
    for folder in sorted({path.parent for path in known.values()}):
        count = sum(path.parent == folder for path in known.values())
        if folder.relative_to(root).as_posix() not in LISTS and count > MOST_MODULES:
            wrong.append(f"{folder.relative_to(root)}: {count} modules, at most {MOST_MODULES}")
    for name, path in known.items():
        for line, other in imported(name, ast.parse(path.read_text(encoding="utf-8"))):
            target = target_of(other, known)
            here, there = room_of(name), room_of(target) if target else ""
            if here in ROOMS and there in ROOMS and ROOMS.index(there) > ROOMS.index(here):
                wrong.append(f"{name}:{line}: {here!r} imports {target} from a room above it")
    return wrong


def test_this_repository_keeps_the_order() -> None:
    assert found_wrong(ROOT) == []


def test_every_room_of_the_list_is_there() -> None:
    rooms = {room_of(name) for name, path in modules(ROOT) if path.stem != "__init__"}
    assert rooms == set(ROOMS)


def test_every_folder_says_in_one_sentence_what_lives_there() -> None:
    for name, path in modules(ROOT):
        if path.stem == "__init__":
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            assert said, name
            assert said.endswith("."), name
            assert "\n" not in said, name


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A repository with three rooms that keep the order."""
    for place, text in {
        "src/unlearn_bench/clip.py": "import torch\n",
        "methods/base.py": "from unlearn_bench.clip import Clip\n",
        "methods/shared/common.py": "from unlearn_bench.methods.base import Method\n",
        "methods/lip.py": "from unlearn_bench.methods.shared import common\n",
        "metrics/base.py": "",
        "leaderboards/records/record.py": "from unlearn_bench.metrics.base import Metric\n",
        "benchmarks/referee/cell.py": "from unlearn_bench.leaderboards.records.record import Record\n",
        "benchmarks/sweep/plan.py": "from unlearn_bench.benchmarks.referee.cell import Cell\n",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    return tmp_path


def test_a_good_house_passes(house: Path) -> None:
    assert found_wrong(house) == []


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        (
            "benchmarks/referee/cell.py",
            "from unlearn_bench.benchmarks.sweep import plan",
            "'benchmarks.referee' imports",
        ),
        ("benchmarks/referee/cell.py", "from ..sweep.plan import cells_for", "from a room above"),
        ("methods/shared/common.py", "from unlearn_bench.methods.lip import Lip", "'methods.shared' imports"),
        ("methods/base.py", "import unlearn_bench.methods.shared.common", "'methods.base' imports"),
        ("benchmarks/attic/box.py", "", "'benchmarks.attic' is not in the list"),
    ],
)
def test_a_planted_wrong_is_found(house: Path, place: str, text: str, said: str) -> None:
    (house / place).parent.mkdir(parents=True, exist_ok=True)
    (house / place).write_text(text)
    (wrong,) = found_wrong(house)
    assert said in wrong


def test_a_room_may_not_fill_up_but_a_list_of_plug_ins_may(house: Path) -> None:
    for number in range(MOST_MODULES + 1):
        (house / "methods" / f"m{number}.py").write_text("")
        (house / "benchmarks" / "sweep" / f"m{number}.py").write_text("")
    (wrong,) = found_wrong(house)
    assert wrong == f"benchmarks/sweep: {MOST_MODULES + 2} modules, at most {MOST_MODULES}"
