"""Where the pictures of a dataset lie, links followed."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks.support import WARM, write_colours
from unlearn_bench.benchmarks.data.dataset.pictures import lies_in
from unlearn_bench.benchmarks.data.dataset.without import WithoutClasses
from unlearn_bench.benchmarks.data.sources import open_dataset


def test_links_are_followed_over_other_links_and_not_up(tmp_path: Path) -> None:
    own, store, far = tmp_path / "a" / "own", tmp_path / "store", tmp_path / "far"
    for folder in (own / "cat", store, far / "deep"):
        folder.mkdir(parents=True)
    (store / "one.png").write_bytes(b"1")
    (own / "cat" / "one.png").symlink_to(store / "one.png")
    (own / "dog").symlink_to(far, target_is_directory=True)
    (far / "deep" / "two.png").symlink_to(store)
    (own / "loop").symlink_to(own, target_is_directory=True)
    (own / "up").symlink_to(tmp_path, target_is_directory=True)
    (own / "root").symlink_to("/", target_is_directory=True)
    (own / "broken").symlink_to(tmp_path / "nothing")
    assert set(lies_in(own)) == {own, far, store, store / "one.png", tmp_path / "nothing"}
    through = tmp_path / "through"
    through.symlink_to(own, target_is_directory=True)
    assert lies_in(through) == lies_in(own)


def test_what_holds_this_program_is_no_folder_of_pictures(tmp_path: Path) -> None:
    for name, place in {
        "all": Path(__file__).parents[3],
        "own": Path(sys.prefix),
        "base": Path(sys.base_prefix),
    }.items():
        (tmp_path / name).symlink_to(place.resolve(), target_is_directory=True)
    assert lies_in(tmp_path) == (tmp_path,)
    assert lies_in(tmp_path / "nothing") == (tmp_path / "nothing",)


@pytest.mark.parametrize("form", ["folder:{}", "domains:{}"])
def test_datasets_of_files_say_where_they_lie(tmp_path: Path, form: str) -> None:
    warm = write_colours(tmp_path / "warm", WARM)
    folder = warm if form.startswith("folder") else tmp_path / "domains"
    if folder != warm:
        for domain in ("photo", "sketch"):
            (folder / domain).parent.mkdir(exist_ok=True)
            (folder / domain).symlink_to(warm, target_is_directory=True)
    dataset = open_dataset(form.format(folder))
    assert dataset.path == folder.resolve()
    assert warm.resolve() in lies_in(dataset.path)
    if folder == warm:
        assert WithoutClasses(dataset, [dataset.class_names[0]]).path == dataset.path


def test_drawn_ones_lie_nowhere() -> None:
    assert open_dataset("mini-digits").path is None
