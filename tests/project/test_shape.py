"""Rules about the repository as a whole."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("benchmarks", "leaderboards", "methods", "metrics", "src/unlearn_bench")
_ADDRESS = re.compile(r"https?://[^\s\"']*(?:pypi|simple/|registry|mirror)", re.IGNORECASE)


def _python(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).rglob("*.py") if not any(part.is_symlink() for part in path.parents)]


def _lines(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def test_there_are_four_lines_of_test_for_five_of_source() -> None:
    source = _lines([path for folder in SOURCES for path in _python(folder)])
    assert _lines(_python("tests")) >= 0.8 * source


def test_no_file_is_longer_than_400_lines() -> None:
    long = [str(path) for folder in (*SOURCES, "tests") for path in _python(folder) if _lines([path]) > 400]
    assert long == []


@pytest.mark.parametrize("folder", [*SOURCES, "tests", ".ci", ".github"])
def test_no_registry_address_and_no_home_path_is_written_down(folder: str) -> None:
    for path in (ROOT / folder).rglob("*"):
        if path.is_file() and path.suffix in {".py", ".toml", ".md", ".yml", ".json", ".csv", ""}:
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert not _ADDRESS.search(text), path
            assert str(Path.home()) + "/" not in text, path


@pytest.mark.parametrize("package", ["methods", "metrics"])
def test_each_method_and_metric_has_a_test_file_of_its_own(package: str) -> None:
    for path in _python(package):
        has_class = re.search(r"^    name(: ClassVar\[str\])? = ", path.read_text(encoding="utf-8"), re.MULTILINE)
        if has_class:
            assert (ROOT / "tests" / package / f"test_{path.stem}.py").is_file(), path
