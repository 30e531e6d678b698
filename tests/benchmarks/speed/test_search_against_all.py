"""Both searches try the same settings first, and are timed on the same classes."""

from dataclasses import replace
from pathlib import Path

from tests.benchmarks.support import HERE, bench_of, calls, counting, write_suite
from tests.benchmarks.tuning.support import CLASSES, TUNING, TURN, tunable_method, tuned
from unlearn_bench.benchmarks.speed.search_against_all import straightforward
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.benchmarks.tuning.classes import tuning_tasks
from unlearn_bench.benchmarks.tuning.search import Budget
from unlearn_bench.synthesis.settings import UNTUNED


def test_the_straightforward_search_tries_every_setting_on_every_class(tmp_path: Path) -> None:
    path = write_suite(tmp_path, classes=CLASSES, tuning=TUNING)
    noted = tmp_path / "calls"
    noted.mkdir()
    spec = tunable_method(tmp_path, counting(TURN, noted))
    suite = load_suite(str(path))
    bench = bench_of(suite)
    budget = Budget(trials=3, tasks=tuning_tasks(suite, bench).tasks, synthesis=UNTUNED, suite=suite)
    plain = straightforward(load_method(spec), bench, budget, out=tmp_path / "plain", engine=HERE)
    assert [trial.classes for trial in plain] == [4, 4, 4]
    assert len(calls(noted)) == 12
    (race,) = tuned(path, [spec], tmp_path / "race", trials=3)
    assert race.trials[0].hyperparameters == plain[0].hyperparameters
    assert replace(race.trials[0], classes=4) == replace(plain[0], classes=4)
    assert len(calls(noted)) - 12 <= 12
