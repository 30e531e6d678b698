"""The speed benchmark compares like with like: the same cells, the same numbers, caches of their own."""

import os
from pathlib import Path

import pytest
import torch

from tests.benchmarks.support import CONDITIONS, NOISE, calls, counting, plan, write_method
from tests.core import tiny
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.speed.sweep_against_loop import (
    EncoderClock,
    agreement,
    empty_cache,
    shared,
    straightforward,
)
from unlearn_bench.cache import ENVIRONMENT_VARIABLE, cache_root
from unlearn_bench.models.open_clip_model import OpenClip


def test_both_ways_measure_the_same(tmp_path: Path, suite_file: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    cells = plan(suite_file, [write_method(tmp_path, counting(NOISE, notes))])[:3]
    slow, fast = straightforward(cells, CONDITIONS), shared(cells, CONDITIONS)
    assert [record.status for record in (*slow, *fast)] == ["ok"] * 6
    assert [record.run.key for record in slow] == [record.run.key for record in fast]
    assert len(calls(notes)) == 6  # each way carried out each cell once
    assert agreement(slow, fast).startswith("largest difference of an accuracy 0.0000 over ")


def test_a_difference_would_be_seen(tmp_path: Path, suite_file: Path) -> None:
    weak = write_method(tmp_path, NOISE)
    strong = write_method(tmp_path, NOISE.replace("self.strength", "50 * self.strength"), name="strong")
    one, other = (straightforward(plan(suite_file, [spec])[:2], CONDITIONS) for spec in (weak, strong))
    assert not agreement(one, other).startswith("largest difference of an accuracy 0.0000")


def test_an_empty_cache_is_left_as_it_was_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "mine"))
    with empty_cache() as folder:
        assert cache_root() == folder
        assert list(folder.iterdir()) == []
    assert cache_root() == tmp_path / "mine"
    assert not folder.exists()
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    with empty_cache():
        pass
    assert ENVIRONMENT_VARIABLE not in os.environ


def test_the_clock_counts_encoders_and_lets_go() -> None:
    open_workbench.cache_clear()
    clip, clock = tiny.resnet(), EncoderClock()
    original = OpenClip.run_image_stages
    with clock.counting():
        clip.encode_images(torch.zeros(2, 3, clip.image_size, clip.image_size))
        seen = clock.seconds
    assert seen > 0
    assert OpenClip.run_image_stages is original
    clip.encode_images(torch.zeros(2, 3, clip.image_size, clip.image_size))
    assert clock.seconds == seen
