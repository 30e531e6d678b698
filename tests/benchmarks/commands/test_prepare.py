"""`prepare`: what it shows, what it downloads, what it says where it can't."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from rich.console import Console
from safetensors.torch import save

from tests.benchmarks.support import Call, is_one_error
from tests.core import tiny
from tests.core.hub import block_network, place, serving, use_cache, use_server
from unlearn_bench.benchmarks.commands import prepare
from unlearn_bench.benchmarks.commands.prepare import disks_for, existing
from unlearn_bench.benchmarks.data import sources
from unlearn_bench.benchmarks.data.fetching.progress import following, size_text
from unlearn_bench.downloads.assets import Asset, Availability, Fetched
from unlearn_bench.errors import InputError

RN50, VIT = "timm/resnet50_clip.openai", "timm/vit_base_patch16_clip_224.openai"
SAFE = "open_clip_model.safetensors"


class Pictures(Asset):
    """A dataset that lies in one file, and comes from nowhere."""

    def __init__(self, name: str, folder: Path, *, size: int | None = 3000, fails: Exception | None = None) -> None:
        self.name, self.kind, self.source, self.licence = name, "images", "example.org", "CC BY 4.0"
        self.target, self.size, self.fails = folder / name / "all.tar", size, fails
        self.fetched = 0

    def availability(self) -> Availability:
        state: Literal["present", "missing"] = "present" if self.target.is_file() else "missing"
        note = "" if state == "present" else "by hand: ask example.org"
        return Availability(state=state, path=str(self.target), bytes=self.size, note=note)

    def fetch(self, progress: Fetched) -> None:
        self.fetched += 1
        if self.fails is not None:
            raise self.fails
        progress(0, self.size)
        self.target.parent.mkdir(parents=True)
        self.target.write_bytes(b"\0" * (self.size or 5))
        progress(self.size or 5, self.size)


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return use_cache(monkeypatch, tmp_path)


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Pictures]:
    """Datasets `flowers` and `dogs`; all other names need nothing."""
    found = {name: Pictures(name, tmp_path / "images") for name in ("flowers", "dogs")}
    monkeypatch.setattr(sources, "asset_of", found.get)
    return found


@pytest.fixture
def suite(tmp_path: Path, pictures: dict[str, Pictures]) -> Path:
    path = tmp_path / "photos.toml"
    path.write_text('models = ["RN50:openai", "mini-rn"]\ndatasets = ["flowers", "mini-icons"]\ncontrol = ["dogs"]\n')
    return path


@pytest.fixture
def content() -> bytes:
    return save(tiny.resnet().state())


def rows(text: str) -> dict[str, list[str]]:
    """The plain table's rows by name."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("---"))
    body = [re.split(r"\s{2,}", line.strip()) for line in lines[start + 1 :]]
    return {row[0]: row[1:] for row in body if len(row) == 8}


def test_dry_run_shows_and_downloads_nothing(
    call: Call, suite: Path, pictures: dict[str, Pictures], hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = block_network(monkeypatch)
    said = call("prepare", "--suite", suite, "--dry-run")
    assert said.code == 0, said.err
    table = rows(said.out)
    assert list(table) == ["RN50:openai", "flowers", "dogs"]
    kind, state, size, free, source, licence, where = table["RN50:openai"]
    assert (kind, state, size) == ("weights", "missing", "408 MB")
    assert free == size_text(shutil.disk_usage(hub.parents[1]).free) or free.endswith(("GB", "MB"))
    assert (source, licence) == ("https://huggingface.co/timm/resnet50_clip.openai", "MIT")
    assert where == str(hub / "models--timm--resnet50_clip.openai")
    assert table["dogs"][:3] == ["images", "missing", "3 kB"]
    assert "nothing to fetch for: mini-rn, mini-icons" in said.out
    assert "3 to fetch; disk needed: 408 MB at " in said.out
    assert "dogs: by hand: ask example.org" in said.out
    assert tried == []
    assert [item.fetched for item in pictures.values()] == [0, 0]


def test_it_downloads_what_is_missing_and_then_touches_no_network(
    call: Call,
    suite: Path,
    pictures: dict[str, Pictures],
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving() as server:
        use_server(monkeypatch, server.address)
        server.add_to_hub(RN50, SAFE, content)
        server.add_to_hub(RN50, "README.md", b"---\nlicense: mit\n---\n")
        said = call("prepare", "--suite", suite)
        assert said.code == 0, said.err
        assert said.out.index("disk needed: ") < said.out.index("RN50:openai: here and checked, ")
        assert f"here and checked, {size_text(len(content))}, licence mit, at " in said.out
        assert said.out.endswith("everything is here\n")
        assert f"RN50:openai: {size_text(len(content))} of {size_text(len(content))}" in said.err.splitlines()
        assert "flowers: 3 kB of 3 kB" in said.err.splitlines()
    tried = block_network(monkeypatch)
    again = call("prepare", "--suite", suite)
    assert (again.code, again.err, tried) == (0, "", [])
    assert again.out.endswith("everything is here\n")
    assert {row[1] for row in rows(again.out).values()} == {"present"}
    assert [item.fetched for item in pictures.values()] == [1, 1]


def test_what_can_not_be_fetched_is_one_line_each_and_the_rest_comes(
    call: Call, suite: Path, pictures: dict[str, Pictures], monkeypatch: pytest.MonkeyPatch
) -> None:
    block_network(monkeypatch)
    pictures["flowers"].fails = OSError(28, "No space left on device")
    said = call("prepare", "--suite", suite)
    assert said.code == 1
    reasons = [line for line in said.err.splitlines() if not line.startswith("dogs")]
    assert len(reasons) == 2
    assert reasons[0].startswith("RN50:openai: the weights of 'RN50:openai' can't be fetched (")
    assert reasons[1] == "flowers: OSError: [Errno 28] No space left on device"
    assert pictures["dogs"].availability().state == "present"
    assert "dogs: here and checked, 3 kB, licence CC BY 4.0" in said.out
    assert "still missing: RN50:openai, flowers" in said.out
    assert f"RN50:openai: by hand: `hf download {RN50} {SAFE}`" in said.out
    assert "flowers: by hand: ask example.org" in said.out
    assert "everything is here" not in said.out


def test_a_wrong_file_is_named(
    call: Call, content: bytes, monkeypatch: pytest.MonkeyPatch, pictures: dict[str, Pictures]
) -> None:
    with serving() as server:
        use_server(monkeypatch, server.address)
        server.add_to_hub(RN50, SAFE, content, etag="0" * 64)
        said = call("prepare", "--model", "RN50")
    assert said.code == 1
    assert "wrong checksum" in said.err
    assert f"{'0' * 64}.broken" in said.err


def test_a_supply_that_stays_incomplete(call: Call, suite: Path, pictures: dict[str, Pictures]) -> None:
    pictures["dogs"].fetch = lambda progress: None  # type: ignore[method-assign]
    said = call("prepare", "--data", "dogs")
    assert said.code == 1
    assert said.err == "dogs: fetched, yet not complete\n"


def test_a_disk_that_has_not_enough(
    call: Call, suite: Path, pictures: dict[str, Pictures], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = block_network(monkeypatch)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000_000))
    said = call("prepare", "--suite", suite)
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert line.startswith("error: not enough disk at ")
    assert "408 MB needed, 100 MB free" in line
    assert "HF_HOME" in line
    assert tried == []
    assert [item.fetched for item in pictures.values()] == [0, 0]
    assert call("prepare", "--suite", suite, "--dry-run").code == 0


def test_what_is_here_of_a_stopped_download_needs_no_more_disk(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"\0" * 400)
    availabilities = [
        Availability(state="partial", path=str(tmp_path / "part"), bytes=1000),
        Availability(state="missing", path=str(tmp_path / "not" / "here"), bytes=50),
        Availability(state="missing", path=str(tmp_path / "unknown"), bytes=None),
        Availability(state="partial", path=str(tmp_path / "part"), bytes=10),
    ]
    (disk,) = disks_for(availabilities)
    assert disk.needed == 600 + 50
    assert disk.free > 0
    assert existing(tmp_path / "not" / "here" / "at" / "all") == tmp_path


def test_sizes_that_nobody_knows_are_said(
    call: Call, pictures: dict[str, Pictures], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures["dogs"].size = None
    said = call("prepare", "--data", "dogs, flowers", "--dry-run")
    assert "and dogs, whose size is not known beforehand" in said.out
    assert rows(said.out)["dogs"][2] == "not known"


CHOICES: dict[str, tuple[tuple[str, ...], list[str], list[str]]] = {
    "model alone": (("--model", "ViT-B-16:openai,mini-vit"), ["ViT-B-16:openai"], ["mini-vit"]),
    "data alone": (("--data", "dogs,dogs,mini-digits"), ["dogs"], ["mini-digits"]),
    "both": (("--model", "mini-rn", "--data", "dogs"), ["dogs"], ["mini-rn"]),
    "suite's data": (("--suite", "SUITE", "--model", "mini-vit"), ["flowers", "dogs"], ["mini-vit", "mini-icons"]),
    "suite's models": (("--suite", "SUITE", "--data", "dogs"), ["RN50:openai", "dogs"], ["mini-rn"]),
    "twice": (("--model", "RN50,RN50:openai,RN50:random"), ["RN50:openai"], ["RN50:random"]),
}


@pytest.mark.parametrize("case", CHOICES)
def test_what_is_named_replaces_the_suites(case: str, call: Call, suite: Path, pictures: dict[str, Pictures]) -> None:
    arguments, names, without = CHOICES[case]
    said = call("prepare", *[str(suite) if item == "SUITE" else item for item in arguments], "--dry-run")
    assert said.code == 0, said.err
    assert list(rows(said.out)) == names
    assert f"nothing to fetch for: {', '.join(without)}\n" in said.out


def test_nothing_named_is_the_papers_suite(monkeypatch: pytest.MonkeyPatch, pictures: dict[str, Pictures]) -> None:
    asked = []

    def load(name: str) -> SimpleNamespace:
        asked.append(name)
        return SimpleNamespace(models=("mini-rn",), datasets=("dogs",), control=("flowers",))

    monkeypatch.setattr(prepare, "load_suite", load)
    found, without = prepare.wanted(None, None, None)
    assert (asked, list(found), without) == (["paper"], ["dogs", "flowers"], ["mini-rn"])


def test_the_embedded_suite_needs_nothing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = block_network(monkeypatch)
    said = call("prepare", "--suite", "mini")
    assert said.code == 0, said.err
    assert "nothing to fetch for: mini-rn" in said.out
    assert said.out.endswith("everything is here\n")
    assert tried == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--suite", "papr"), "unknown suite 'papr'"),
        (("--model", "RN5"), "did you mean 'RN50'?"),
        (("--model", "RN50:opnai"), "did you mean 'openai'?"),
        (("--data", "mini-digitz"), "unknown dataset 'mini-digitz'"),
        (("--data", "folder:/nowhere"), "/nowhere"),
        (("--model", ","), "nothing to prepare"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments: tuple[str, ...], part: str, call: Call) -> None:
    is_one_error(call("prepare", *arguments), part)


def test_a_partial_file_is_shown_with_its_remedy(call: Call, hub: Path, content: bytes) -> None:
    place(hub, VIT, SAFE, content, blob="0" * 64)
    said = call("prepare", "--model", "ViT-B-16", "--dry-run")
    assert rows(said.out)["ViT-B-16:openai"][1] == "partial"
    assert "ViT-B-16:openai: its checksum does not fit" in said.out


def test_on_a_terminal_there_are_a_table_and_a_bar(
    call: Call, pictures: dict[str, Pictures], monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminal(**more: bool) -> Console:
        stderr = more.pop("stderr", False)
        return Console(file=sys.stderr if stderr else sys.stdout, force_terminal=True, width=200, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare, "console_of", terminal)
    said = call("prepare", "--data", "dogs")
    assert said.code == 0, said.err
    assert "│ dogs" in said.out
    assert "3 kB of 3 kB" in said.err


def test_plain_lines_are_few() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    with following(console, "[x]") as tell:
        for here in range(0, 1001, 10):
            tell(here, 1000)
        tell(1000, 1000)
    assert console.export_text().splitlines() == ["[x]: 0 B of 1 kB", "[x]: 1 kB of 1 kB"]


@pytest.mark.parametrize("total", [None, 10])
def test_lines_without_a_total(total: int | None) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    with following(console, "dogs") as tell:
        tell(5, total)
    assert console.export_text() == ("dogs: 5 B\n" if total is None else "dogs: 5 B of 10 B\n")


def test_an_error_passes_through_the_bar() -> None:
    console = Console(width=80, force_terminal=True, file=io.StringIO())
    with pytest.raises(InputError, match="gone"), following(console, "dogs"):
        raise InputError("gone")


def test_help_imports_nothing_heavy() -> None:
    lines = [
        "import sys",
        "from typer.testing import CliRunner",
        "from unlearn_bench.benchmarks.cli import app",
        "said = CliRunner().invoke(app, ['prepare', '--help'])",
        "assert 'Example: unlearn-bench prepare' in said.output, said.output",
        "heavy = {'torch', 'open_clip', 'huggingface_hub', 'numpy', 'pandas', 'rich.progress'} & sys.modules.keys()",
        "sys.exit(f'imported {heavy}' if heavy else 0)",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
