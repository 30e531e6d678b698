"""What code from outside may not read: caches, and the folders that the data were named by, options or not."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import NOISE, plan, write_method
from unlearn_bench.benchmarks.referee import workbench
from unlearn_bench.cache import cache_root


@pytest.mark.parametrize("prefix", ["folder", "domains", "captions"])
@pytest.mark.parametrize("options", ["", "?template=a photo of a {}", "?topic=dog&template=a {}"])
def test_folders_of_the_data_are_hidden_from_code_from_outside(
    prefix: str, options: str, tmp_path: Path, suite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    method = write_method(tmp_path, NOISE)
    bench = workbench.Workbench(plan(suite_file, [method])[0].setting)
    bench.setting = replace(bench.setting, datasets=(f"{prefix}:{pictures}{options}",))
    asked: list[dict[str, Any]] = []

    def player_for(_: object, **given: Any) -> object:
        asked.append(given)
        return nullcontext()

    monkeypatch.setattr(workbench, "player_for", player_for)
    bench.player(method)
    bench.player("unlearn_bench.methods.lip:Lip")
    outside, own = asked
    assert {pictures.resolve(), cache_root()} <= set(outside["hidden"])
    assert own["hidden"] == ()
    assert (outside["lasting"], own["lasting"]) == (False, True)
