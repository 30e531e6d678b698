"""A dry run of the package's own suites waits for no model; one of anything else opens what it plans for."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.support import Call
from unlearn_bench.benchmarks.commands import dry_run
from unlearn_bench.benchmarks.referee.outline import outline_of
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.errors import InputError

SECONDS = 5.0
"""Of the processor; it takes 1.5 on an idle machine."""

_ALONE = """
import sys, time
from unlearn_bench.benchmarks.cli import main
sys.argv = ["unlearn-bench", "run", *{words!r}, "--dry-run"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
heavy = {{"torch", "open_clip", "pandas", "sklearn", "scipy", "matplotlib"}} & set(sys.modules)
print(sorted(heavy), time.process_time(), file=sys.stderr)
"""


def alone(folder: Path, *words: str) -> tuple[str, str, float]:
    """What a dry run in a process of its own prints, which heavy libraries it imported, and its CPU seconds."""
    script = _ALONE.format(words=[*words, "--out", str(folder)])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    heavy, _, seconds = done.stderr.splitlines()[-1].rpartition(" ")
    return done.stdout, heavy, float(seconds)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is asked whether there is a GPU")
@pytest.mark.parametrize(
    ("words", "cells"), [(["--methods", "all"], 240), (["--suite", "mini-full"], 1584), (["--quick"], 80)]
)
def test_what_is_in_the_package_is_planned_without_torch(tmp_path: Path, words: list[str], cells: int) -> None:
    said, heavy, seconds = alone(tmp_path / "none", "--device", "cpu", *words)
    assert said.splitlines()[-1].startswith(f"{cells} cells to run, 0 left out or done in ")
    assert heavy == "[]"
    assert seconds < SECONDS
    assert not (tmp_path / "none").exists()


def test_the_cells_shown_are_those_of_the_sweep(tmp_path: Path) -> None:
    said, _, _ = alone(tmp_path / "none", "--device", "cpu", "--classes", "digit two", "--methods", "lip,retrain")
    suite, choice = load_suite("mini"), Choice(classes=["digit two"], methods=["lip", "retrain"])
    (setting,) = settings_for(suite, choice, device="cpu", skip_bad=False)
    outline = outline_of(setting)
    assert outline is not None
    keys = [cell.run.key for cell in cells_for(suite, choice, outline)]
    assert [line.split(" ")[0] for line in said.splitlines()[:2]] == keys
    assert "referee and player, with model and data open, 1092 MiB" in said


def test_who_brings_something_has_the_model_opened(
    call: Call, suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings, suites and metrics of one's own, and tuning, are asked of the model; the package's own are not."""
    asked: list[str] = []

    def opened(*_: object) -> None:
        asked.append("opened")
        raise InputError("opened")

    monkeypatch.setattr(dry_run, "_opened", opened)
    presets = tmp_path / "mini-rn.toml"
    presets.write_text('[lip]\nsource = "given"\n')
    usual = ("run", "--dry-run", "--device", "cpu", "--methods", "lip", "--classes", "digit two")
    for more in (["--presets", presets], ["--metrics", "accuracy"], ["--tune", "4"], ["--template", "my {}"]):
        assert call(*usual, *more).err.startswith("error: opened"), more
    assert call("run", "--dry-run", "--device", "cpu", "--suite", suite_file).err.startswith("error: opened")
    assert len(asked) == 5
    assert call(*usual).code == 0
    assert len(asked) == 5
