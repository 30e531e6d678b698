"""What a search found is kept, and asked for again only where nothing that decides it has changed."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.support import plan, write_method, write_suite
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.tuning.found import keep_table, kept_table, question
from unlearn_bench.benchmarks.tuning.search import Budget
from unlearn_bench.benchmarks.tuning.space import Space
from unlearn_bench.leaderboards.records.record import Run
from unlearn_bench.methods.base import Range
from unlearn_bench.synthesis.settings import UNTUNED

SPACE = Space(ranges={"x": Range(low=0.0, high=1.0)}, first=({"x": 0.5},))


@pytest.fixture
def asked(tmp_path: Path) -> tuple[Run, Budget]:
    path = write_suite(tmp_path)
    run = plan(path, [write_method(tmp_path, "return clip")], classes=["green"])[0].run
    suite = load_suite(str(path))
    tasks = (("folder:warm", ("green",)), ("folder:cold", ("cyan",)))
    return run, Budget(trials=4, tasks=tasks, synthesis=UNTUNED, suite=suite)


def test_whatever_decides_what_is_found_is_in_its_name(asked: tuple[Run, Budget]) -> None:
    run, budget = asked
    same = question(run, SPACE, budget)
    assert question(run, SPACE, budget) == same
    others = [
        question(replace(run, fingerprint="another model"), SPACE, budget),
        question(replace(run, method_version=2), SPACE, budget),
        question(replace(run, method_file="edited"), SPACE, budget),
        question(replace(run, evaluation=(replace(run.evaluation[0], version="2"),)), SPACE, budget),
        question(replace(run, synthesis={}), SPACE, budget),
        question(run, replace(SPACE, ranges={"x": Range(low=0.0, high=2.0)}), budget),
        question(run, replace(SPACE, first=({"x": 0.25},)), budget),
        question(run, SPACE, replace(budget, trials=5)),
        question(run, SPACE, replace(budget, tasks=budget.tasks[:1])),
    ]
    assert len({same, *others}) == len(others) + 1
    assert question(replace(run, suite="another", model="renamed"), SPACE, budget) == same


def test_what_is_kept_comes_back_and_a_damaged_file_does_not(tmp_path: Path) -> None:
    table = {"source": "tuned", "hyperparameters": {"x": 0.25}}
    said: list[str] = []
    assert kept_table(tmp_path, "mine-0123", said.append) is None
    keep_table(tmp_path, "mine-0123", table)
    assert kept_table(tmp_path, "mine-0123", said.append) == table
    assert said == []
    (file,) = (tmp_path / "found").iterdir()
    for damaged in (file.read_text()[:-9], "[]", "{}", "\x00"):
        file.write_text(damaged)
        assert kept_table(tmp_path, "mine-0123", said.append) is None
        assert f"{str(file)!r} holds no settings that can be read; set aside as 'mine-0123.json.broken" in said[-1]
    assert len(list(file.parent.iterdir())) == 4, "nothing is overwritten"
