"""How the tests are run: side by side where that pays, and every process with one thread.

Toys give a second thread nothing to do, and where two processes share the cores, threads wait for each other at every
step: a test of 5 s then took 300. One thread also rounds alike on every machine.
"""

import os
from collections.abc import Iterator

import joblib
import pytest

from unlearn_bench.benchmarks.isolation.fence import ALLOW_VARIABLE

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: here, in the workers, and in what the tests start

_MANY = 30
"""Test files for which it pays to start workers; each imports torch and collects the tests, which takes seconds."""

_MOST = 8
"""Workers, each of which may need 2 GB."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many as cores for a folder with many tests, and none for a few; who wants another number gives `-n`."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist reads it
    narrowed = config.getoption("keyword") or config.getoption("lf")
    folders = [config.invocation_params.dir / word for word in config.args]
    files = sum(len(list(folder.rglob("test_*.py"))) for folder in folders)
    if narrowed or files < _MANY or joblib.cpu_count() == 1:
        return 0
    return min(int(joblib.cpu_count()), _MOST)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """One thread, also after a test that asked for more; before the fixtures of every scope."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _methods_may_write(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tests' methods note what they do below the session's folder.

    For the whole session: the process from which others are forked keeps the environment of the test that began it.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(ALLOW_VARIABLE, str(tmp_path_factory.getbasetemp()))
        yield
