"""What rooms cost is measured on turns that give the same model, whichever way the method plays."""

from pathlib import Path

import torch

from tests.benchmarks.support import NOISE, plan, write_method
from unlearn_bench.benchmarks.isolation.process import end_players
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.speed.rooms import Costs, measure, table, ways


def test_every_way_gives_the_model_that_the_method_makes(tmp_path: Path, suite_file: Path) -> None:
    cell = plan(suite_file, [write_method(tmp_path, NOISE)])[-1]
    bench = open_workbench(cell.setting)
    made = {name: play().state() for name, play in ways(cell, bench).items()}
    end_players()
    assert set(made) == {"here", "lasting", "fresh"}
    original = bench.clip.state()
    assert any(not torch.equal(value, original[name]) for name, value in made["here"].items())
    for found in made.values():
        assert found.keys() == original.keys()
        assert all(torch.equal(value, found[name]) for name, value in made["here"].items())


def test_a_new_room_takes_longer_than_none(tmp_path: Path, suite_file: Path) -> None:
    cell = plan(suite_file, [write_method(tmp_path, NOISE)])[-1]
    found = measure(cell, open_workbench(cell.setting), turns=2)
    end_players()
    assert found.method == "mine"
    assert found.fresh_wall > 0
    assert found.fresh > found.here


def test_more_is_what_the_lasting_room_adds() -> None:
    rows = table([Costs(method="mine", here=0.1, lasting=0.14, fresh=0.9, fresh_wall=1.0)]).splitlines()
    assert rows[-1].split() == ["mine", "100", "140", "40", "900", "1000"]
