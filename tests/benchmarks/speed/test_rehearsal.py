"""A rehearsal measures what a plan is estimated from, and leaves nothing but its numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.benchmarks.support import CONDITIONS, NOISE, Call, write_method
from unlearn_bench.benchmarks.speed.rehearsal import Noise, app, rehearse, summary, twin
from unlearn_bench.benchmarks.suites.suite import Suite
from unlearn_bench.cache import cache_root
from unlearn_bench.models.open_clip_names import architecture_config, published

SMALL = Noise(classes=3, train=4, test=5)


@pytest.fixture
def plain(suite: Suite, tmp_path: Path) -> Suite:
    """The suite of colours with a method that needs no synthetic image."""
    return replace(suite, methods=(write_method(tmp_path, NOISE),))


def test_noise_is_the_same_again_and_differs_by_row_and_split() -> None:
    index = SMALL.index("train")
    assert index.labels == (0,) * 4 + (1,) * 4 + (2,) * 4
    assert len(SMALL.index("test")) == 15
    assert len(SMALL.index("val")) == 0
    pictures = [SMALL.picture(split, row) for split in ("train", "test") for row in (0, 1)]
    arrays = [np.asarray(picture) for picture in pictures]
    assert (arrays[0] == np.asarray(SMALL.picture("train", 0))).all()
    assert len({array.tobytes() for array in arrays}) == 4
    assert arrays[0].shape == (64, 64, 3)


def test_published_weights_are_rehearsed_as_their_architecture() -> None:
    assert twin("RN50:openai") == "RN50-quickgelu:random"
    assert twin("ViT-B-16:openai") == "ViT-B-16-quickgelu:random"
    assert twin("mini-rn") == "mini-rn"


@pytest.mark.parametrize("spec", ["RN50:openai", "ViT-B-16:openai"])
def test_rates_of_the_twin_are_found_for_the_published_weights(spec: str) -> None:
    """They are kept under the configuration, activation included."""
    found = published(spec)
    assert found is not None
    assert architecture_config(twin(spec).partition(":")[0]) == found.config


def test_what_a_rehearsal_finds(plain: Suite, tmp_path: Path) -> None:
    told: list[str] = []
    rates, architecture = rehearse(plain, plain.models[0], SMALL, CONDITIONS, tmp_path, told=told.append)
    assert architecture == "TwoTowers"
    assert (rates.test, rates.train, rates.forget, rates.precision) == (15, 12, 4, "fp32")
    assert told == ["identity", "mine"] == list(rates.methods)
    assert rates.agreement == 1.0
    assert rates.bare_images_per_s > 0
    assert rates.suite_images_per_s > 0
    assert rates.ascent_seconds > 0
    assert rates.methods["mine"].access == "ZS"
    assert rates.methods["mine"].seconds > 0
    assert rates.methods["mine"].evaluation_seconds > 0
    assert not (cache_root() / "images").exists()  # it had a cache of its own
    assert "same class as in fp32 for 100.0%" in summary(rates)
    assert "| " not in summary(rates)


def test_a_method_that_fails_has_no_rate(suite: Suite, tmp_path: Path) -> None:
    told: list[str] = []
    bad = write_method(tmp_path, 'raise ValueError("no such layer")', name="bad")
    rates, _ = rehearse(suite, suite.models[0], SMALL, CONDITIONS, tmp_path, methods=[bad], told=told.append)
    assert list(rates.methods) == ["identity"]
    assert "bad has no rate: ValueError: no such layer" in told[-1]


def test_a_dry_run_estimates_from_a_rehearsal(suite_file: Path, sweep: Call, tmp_path: Path) -> None:
    spec = write_method(tmp_path, NOISE)
    assert "no estimate: mine never measured here" in sweep("--dry-run").out
    small = ["--classes", "3", "--train", "4", "--test", "5", "--device", "cpu"]
    said = CliRunner().invoke(app, ["--suite", str(suite_file), "--methods", spec, *small])
    assert said.exit_code == 0, said.output
    assert "bare encoder" in said.output
    assert sweep("--dry-run").out.rstrip().endswith("by a rehearsal with random weights")


def test_a_mistake_is_one_line() -> None:
    said = CliRunner().invoke(app, ["--suite", "papre"])
    assert said.exit_code == 2
    assert "unknown suite 'papre'" in said.output
    assert "Traceback" not in said.output
