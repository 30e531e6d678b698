"""Both ways embed the same number of copies, in passes of the sizes that are compared."""

import pytest
from torch import Tensor

from tests.methods.support import colours
from unlearn_bench.benchmarks.speed.perturbed import SIZES, cpu_seconds, main


def test_one_by_one_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = colours()
    passes: list[int] = []
    original = clip.encode_images

    def spy(inputs: Tensor) -> Tensor:
        passes.append(len(inputs))
        return original(inputs)

    monkeypatch.setattr(clip, "encode_images", spy)
    found = cpu_seconds(clip, size=4, copies=20, turns=1)
    assert min(found) > 0
    assert passes == [4] * 20 + [64, 16]


def test_a_row_for_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    main(copies=1, turns=1)
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [int(row.split("|")[1]) for row in rows] == list(SIZES)
