"""The project's own tools tell a mistake of their user as the command line does: one line, exit code 2."""

from importlib import import_module

import pytest
import typer
from typer.testing import CliRunner

MISTAKES = {
    "speed.breakdown": ("--suite", "papre"),
    "speed.gpu": ("--parts", "papre"),
    "speed.rehearsal": ("--suite", "papre"),
    "speed.rooms": ("--methods", "papre"),
    "speed.search_against_all": ("--methods", "papre"),
    "speed.steps_against_passes": ("--suite", "papre"),
    "speed.sweep_against_loop": ("--methods", "papre"),
    "mini.reference": ("papre",),
    "mini.train": ("--model", "papre", "--out", "papre"),
    "tuning.attack_strengths": ("--suite", "papre"),
    "tuning.ends": ("--methods", "papre"),
    "tuning.limits": ("papre",),
    "publish": ("papre",),
}


@pytest.mark.parametrize("tool", MISTAKES)
def test_a_mistake_is_one_line(tool: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    app = typer.Typer()
    app.command()(import_module(f"unlearn_bench.benchmarks.{tool}").main)
    said = CliRunner().invoke(app, list(MISTAKES[tool]))
    assert said.exit_code == 2, said.output
    assert said.stderr.startswith("error: "), said.output
    assert "papre" in said.stderr
    assert said.stderr.count("\n") == 1
