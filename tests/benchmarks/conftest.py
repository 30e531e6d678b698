"""Each test has a cache of its own, and no workbench left over from the one before."""

import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend.context import set_start_method

from tests.benchmarks.support import NOISE, Call, Said, ready, write_method, write_suite
from unlearn_bench.benchmarks.cli import main
from unlearn_bench.benchmarks.isolation.fence import ALLOW_VARIABLE
from unlearn_bench.benchmarks.isolation.process import end_players
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.leaderboards.published.places import published_records

READ_ONCE = lru_cache(maxsize=3)(published_records)
"""The published records, for all tests of a process: to read them takes seconds, and every estimate asks for them."""


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("unlearn_bench.benchmarks.commands.dry_run.published_records", READ_ONCE)
    monkeypatch.setattr("unlearn_bench.benchmarks.tuning.cost.published_records", READ_ONCE)
    open_workbench.cache_clear()
    yield
    open_workbench.cache_clear()
    end_players()


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods may write into their own folder alone, in this test."""
    ready()  # before: it would hand the stricter environment to the workers of later tests
    monkeypatch.delenv(ALLOW_VARIABLE)


@pytest.fixture
def pool() -> Iterator[None]:
    """Workers that are forked from a process which has the imports done; they are gone after the test."""
    set_start_method("forkserver", force=True)
    yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)
    set_start_method("loky", force=True)


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's datasets are looked for; not there yet."""
    folder = tmp_path / "data"
    monkeypatch.setenv("UNLEARN_BENCH_DATA", str(folder))
    return folder


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """A suite over two folders of colours and a model that tells them apart."""
    return write_suite(tmp_path)


@pytest.fixture
def suite(suite_file: Path) -> Suite:
    return load_suite(str(suite_file))


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Call the console script's function in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["unlearn-bench", *(str(item) for item in arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code=int(str(code or 0)), out=said.out, err=said.err)

    return run


@pytest.fixture
def sweep(call: Call, suite_file: Path, tmp_path: Path) -> Call:
    """`run` on the colours: one method, one cell at a time, into `out`."""
    spec = write_method(tmp_path, NOISE)
    usual: dict[object, object] = {
        "--suite": suite_file,
        "--methods": spec,
        "--jobs": 1,
        "--device": "cpu",
        "--out": tmp_path / "out",
    }

    def run(*more: object) -> Said:
        flags = [item for item in more if item in {"--dry-run", "--fresh", "--keep", "--open", "--skip-bad-images"}]
        words = [item for item in more if item not in flags]
        given = usual | {words[place]: words[place + 1] for place in range(0, len(words), 2)}
        return call("run", *(item for pair in given.items() for item in pair), *flags)

    return run
