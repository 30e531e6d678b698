"""A short run of the random kill points, and that they would notice a loss."""

from pathlib import Path

import pytest

from tests.benchmarks.sweep.kill_points import LostError, _check, kill_forget, kill_sweep
from tests.leaderboards.examples import record, run
from unlearn_bench.leaderboards.records.storage import CELLS, write_record


@pytest.mark.slow
@pytest.mark.large
def test_a_sweep_that_is_killed_at_random_loses_nothing(tmp_path: Path) -> None:
    told = kill_sweep(tmp_path, kills=3, seed=20261127)
    assert told.records == 6
    assert told.killed + told.late == 3


@pytest.mark.slow
@pytest.mark.large
def test_forget_that_is_killed_at_random_can_be_repeated(tmp_path: Path) -> None:
    told = kill_forget(tmp_path, kills=2, seed=20261127)
    assert told.killed + told.late == 2


def test_a_loss_would_be_noticed(tmp_path: Path) -> None:
    paths = [write_record(tmp_path, record(run(seed=seed))) for seed in range(3)]
    before = {path.name: path.read_bytes() for path in paths}
    _check(before, tmp_path, where="here")
    paths[0].unlink()
    with pytest.raises(LostError, match="gone or changed"):
        _check(before, tmp_path, where="here")
    (tmp_path / CELLS / "torn.json").write_text("{")
    with pytest.raises(LostError, match="2 records, 1 torn"):
        _check({}, tmp_path, where="here")
