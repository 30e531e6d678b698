"""The GPU's measurements run on a processor too, so that nothing is tried for the first time on a lent machine."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.benchmarks.support import NOISE, write_method
from tests.core import tiny
from unlearn_bench.benchmarks.speed import gpu
from unlearn_bench.benchmarks.speed.gpu import PARTS, Extent, equality, main, memory, rate, report, sharing
from unlearn_bench.benchmarks.speed.rehearsal import Noise
from unlearn_bench.benchmarks.suites.suite import load_suite

SMALL = Extent(
    device="cpu",
    models=("mini-rn",),
    batches=(2, 4),
    seconds=0.01,
    images=3,
    copies=2,
    noise=Noise(classes=3, train=4, test=5),
    cells=2,
    jobs=(1,),
)


def test_rates_are_of_the_encoder() -> None:
    with torch.inference_mode():
        assert rate(tiny.resnet(), 4, 0.01, fetched=False) > 0
        assert rate(tiny.transformer(), 4, 0.01, fetched=True) > 0


def test_the_encoder_is_measured_in_every_precision_and_batch() -> None:
    lines = gpu.encoder(SMALL).splitlines()
    assert [[word.strip() for word in line.split("|")[1:4]] for line in lines[2:]] == [
        ["mini-rn", precision, batch] for precision in ("fp32", "bf16") for batch in ("2", "4")
    ]


def test_a_step_of_lip_is_measured() -> None:
    (row,) = memory(SMALL).splitlines()[2:]
    assert [word.strip() for word in row.split("|")[1:4]] == ["mini-rn", "3", "2"]


def test_the_suite_is_rehearsed(tmp_path: Path, suite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_suite(str(suite_file))
    method = write_method(tmp_path, NOISE)
    monkeypatch.setattr(gpu, "load_suite", lambda _: replace(plain, methods=(method,)))
    assert "bare encoder" in PARTS["rehearsal"](SMALL)


def test_a_device_equals_itself_and_cells_are_timed(suite_file: Path) -> None:
    extent = replace(SMALL, small=str(suite_file))
    assert equality(extent).startswith("2 cells compared, 0 numbers drifted")
    (row,) = sharing(extent).splitlines()[2:]
    assert [word.strip() for word in row.split("|")[1:3]] == ["1", "2"]


def test_a_part_that_fails_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Extent) -> str:
        raise RuntimeError("out of something")

    monkeypatch.setitem(gpu.__dict__["PARTS"], "memory", broken)
    told: list[str] = []
    first, second, third = report(SMALL, ["memory", "encoder"], told.append)
    assert first.startswith("# cpu")
    assert "failed: RuntimeError: out of something" in second
    assert "mini-rn" in third
    assert told == ["memory ..", "encoder .."]


def test_an_unknown_part_is_told(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    found = CliRunner().invoke(
        app, ["--parts", "encoder,speed", "--out", str(tmp_path / "gpu.md"), "--device", "cpu"]
    )
    assert found.exit_code == 2
    assert "part 'speed'" in found.output
    assert not (tmp_path / "gpu.md").exists()
