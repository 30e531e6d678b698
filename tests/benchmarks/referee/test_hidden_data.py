"""What code from outside may not read: caches, and the folders of the data, in whatever way these were named."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import NOISE, WARM, bench_of, colour_image, write_colours, write_method, write_suite
from unlearn_bench.benchmarks.referee import workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.cache import cache_root, data_root


def folder(path: Path) -> str:
    return f"folder:{write_colours(path)}"


def with_template(path: Path) -> str:
    return f"{folder(path)}?template=a photo of a {{}}"


def domains(path: Path) -> str:
    for domain in ("photo", "sketch"):
        write_colours(path / domain)
    return f"domains:{path}?template={{domain}} of a {{}}"


def captions(path: Path) -> str:
    path.mkdir()
    lines = ["image,caption"]
    for number in range(30):
        colour = WARM[number % len(WARM)]
        colour_image(colour, seed=number).save(path / f"{number:02}.png")
        lines.append(f"{number:02}.png,a {colour} wall")
    (path.parent / "captions.txt").write_text("\n".join(lines) + "\n")
    return f"captions:{path}?topic={WARM[0]}"


@pytest.mark.parametrize("make", [folder, with_template, domains, captions])
@pytest.mark.parametrize("linked", [False, True])
def test_folders_of_the_data_are_hidden_from_code_from_outside(
    make: Any, linked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "pictures"
    spec = make(pictures)
    if linked:
        (tmp_path / "store").mkdir()
        pictures.rename(tmp_path / "store" / "pictures")
        pictures.symlink_to(tmp_path / "store" / "pictures", target_is_directory=True)
    suite = write_suite(tmp_path)
    suite.write_text(suite.read_text().replace(f"folder:{tmp_path / 'data' / 'warm'}", spec))
    bench = bench_of(load_suite(str(suite)))
    asked: list[dict[str, Any]] = []

    def player_for(_: object, **given: Any) -> object:
        asked.append(given)
        return nullcontext()

    monkeypatch.setattr(workbench, "player_for", player_for)
    bench.player(write_method(tmp_path, NOISE), hidden=(tmp_path / "out",))
    bench.player("unlearn_bench.methods.lip:Lip")
    outside, own = asked
    expected = {pictures.resolve(), tmp_path / "data" / "cold", tmp_path / "out", cache_root(), data_root()}
    assert set(outside["hidden"]) == expected
    assert own["hidden"] == ()
    assert (outside["lasting"], own["lasting"]) == (False, True)
