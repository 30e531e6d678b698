"""The gate fails when one of its steps fails, beside others too: tried with a `uv` that does as it is told."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.test_shape import ROOT

STEPS = {
    "set-up": "sync",
    "lint": "ruff check",
    "format": "ruff format",
    "types": "run --quiet mypy",
    "tests": "run --quiet pytest -q$",
    "large": "-m large",
    "build": "build ",
    "environment": "venv ",
    "constraints": "export ",
    "installation": "pip install ",
    "installed list": "list methods",
    "installed run": "run --methods identity",
    "published": "-m published",
}
"""What each step of the gate calls, as a regular expression."""

# It notes what it is called with, and fails where that matches $FAIL. An environment's script does the same.
STAND_IN = """#!/usr/bin/env bash
echo "$*" >>"$NOTED"
if [ -n "$FAIL" ] && grep -qE -- "$FAIL" <<<"$*"; then
    echo "as told: $*" >&2
    exit 3
fi
if [ "$1" = venv ]; then
    mkdir -p "${@: -1}/bin"
    cp "$0" "${@: -1}/bin/unlearn-bench"
fi
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the gate is a script of bash's")


def gate(folder: Path, *, fail: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """How the gate ends where calls that match `fail` fail, and what was called."""
    stand_in = folder / "bin" / "uv"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}",
        "NOTED": str(folder / "noted"),
        "FAIL": fail,
        "TMPDIR": str(folder),
    }
    done = subprocess.run(
        ["bash", str(ROOT / ".ci" / "run")], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert not list(folder.glob("tmp.*")), "nothing is left behind"
    return done, (folder / "noted").read_text()


def test_it_passes_and_every_step_is_called(tmp_path: Path) -> None:
    done, noted = gate(tmp_path, fail="")
    assert done.returncode == 0, done.stderr
    for pattern in STEPS.values():
        assert subprocess.run(["grep", "-qE", "--", pattern], input=noted, text=True, check=False).returncode == 0
    assert len(noted.splitlines()) == len(STEPS), "a step that is not among STEPS"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_fails_the_gate(step: str, tmp_path: Path) -> None:
    done, _ = gate(tmp_path, fail=STEPS[step])
    assert done.returncode != 0
    assert "as told: " in done.stdout + done.stderr, "what the step said is shown"
    assert "== done" not in done.stdout
