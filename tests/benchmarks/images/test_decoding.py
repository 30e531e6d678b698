"""`prepare --decode`: caches are built ahead, checked, and used by the run that follows."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.benchmarks.support import NOISE, Call, write_colours, write_method, write_model
from unlearn_bench.benchmarks.data.layouts.folder import FolderDataset
from unlearn_bench.benchmarks.images.decoding import decode


@pytest.fixture
def model(tmp_path: Path) -> str:
    return write_model(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return f"folder:{write_colours(tmp_path / 'data' / 'own')}"


def caches(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "images").glob("*.npy"))


def test_both_splits_are_decoded_and_the_disk_is_named_first(
    call: Call, model: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = call("prepare", "--model", model, "--data", folder, "--decode")
    assert said.code == 0, said.err
    assert "24 images at 8 px take 5 kB in " in said.out
    assert "folder:own train: 12 images, content " in said.out
    assert "folder:own test: 12 images, content " in said.out
    assert said.out.index("take 5 kB") < said.out.index("train: 12")
    assert len(caches(tmp_path)) == 2

    def picture(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(FolderDataset, "picture", picture)
    again = call("prepare", "--model", model, "--data", folder, "--decode")
    assert again.out == said.out
    ran = call(
        "run", "--model", model, "--data", folder, "--methods", write_method(tmp_path, NOISE), "--classes", "red",
        "--jobs", 1, "--device", "cpu",
    )  # fmt: skip
    assert "1 ok, 0 skipped, 0 failed" in ran.out


def test_a_changed_cache_is_made_again(call: Call, model: str, folder: str, tmp_path: Path) -> None:
    first = call("prepare", "--model", model, "--data", folder, "--decode")
    path = caches(tmp_path)[0]
    content = bytearray(path.read_bytes())
    content[-2] ^= 255
    path.write_bytes(bytes(content))
    assert call("prepare", "--model", model, "--data", folder, "--decode").out == first.out
    assert len(sorted(path.parent.glob("*.broken"))) == 1


def test_without_the_option_and_in_a_dry_run_nothing_is_decoded(
    call: Call, model: str, folder: str, tmp_path: Path
) -> None:
    assert call("prepare", "--model", model, "--data", folder).code == 0
    assert call("prepare", "--model", model, "--data", folder, "--decode", "--dry-run").code == 0
    assert caches(tmp_path) == []


def test_a_bad_picture_is_one_line(call: Call, model: str, folder: str, tmp_path: Path) -> None:
    for path in (tmp_path / "data" / "own" / "red").iterdir():
        path.write_bytes(b"x")
    said = call("prepare", "--model", model, "--data", folder, "--decode")
    assert said.code == 2
    *progress, last = said.err.splitlines()
    assert last.startswith("error: image ")
    assert all(line.startswith("folder:own train, images: ") for line in progress)
    assert "red/0" in said.err


@pytest.mark.parametrize("terminal", [True, False])
def test_models_that_prepare_alike_decode_once(terminal: bool, folder: str) -> None:
    lines: list[str] = []
    console = Console(force_terminal=terminal, quiet=not terminal)
    decode(["RN50:random", "RN50:random-1"], [folder], console, lines.append)
    assert len(lines) == 3
    assert lines[0].startswith("24 images at 224 px take 4 MB in ")
