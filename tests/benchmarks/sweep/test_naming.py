"""Names with commas, slashes, plus and at signs in them: every class that there is can be said."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.benchmarks.support import NOISE, Call, colour_image, is_one_error, write_colours, write_method, write_model
from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.sources import named_apart, open_dataset
from unlearn_bench.benchmarks.sweep.tasks import find_classes
from unlearn_bench.errors import InputError

NAMES = {
    "tench, Tinca tinca": "a",
    "tv/monitor": "b",
    "C++": "c",
    "C": "d",
    "mail@home": "e",
    "salt": "f",
    "pepper": "g",
    "salt+pepper": "h",
}


@pytest.fixture
def datasets(tmp_path: Path) -> Mapping[str, Dataset]:
    import json

    for place, folder in enumerate(NAMES.values()):
        (tmp_path / "own" / folder).mkdir(parents=True)
        for number in range(3):
            colour_image("red", place).save(tmp_path / "own" / folder / f"{number}.png")
    (tmp_path / "own" / "classnames.json").write_text(json.dumps({folder: name for name, folder in NAMES.items()}))
    dataset = open_dataset(f"folder:{tmp_path / 'own'}")
    return {dataset.name: dataset}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["tench, Tinca tinca"], [("tench, Tinca tinca",)]),
        (["salt,tench, Tinca tinca,pepper"], [("salt",), ("tench, Tinca tinca",), ("pepper",)]),
        (['salt,"tench, Tinca tinca"'], [("salt",), ("tench, Tinca tinca",)]),
        (["salt", "tench, Tinca tinca"], [("salt",), ("tench, Tinca tinca",)]),
        (["tv/monitor"], [("tv/monitor",)]),
        (["folder:own/tv/monitor"], [("tv/monitor",)]),
        (["C++"], [("C++",)]),
        (["C+++C"], [("C++", "C")]),
        (["C++++C"], None),
        (["salt+C"], [("salt", "C")]),
        (["salt+pepper"], [("salt+pepper",)]),
        (["pepper+salt"], [("pepper", "salt")]),
        (["mail@home"], [("mail@home",)]),
        (["salt+tench, Tinca tinca"], [("salt", "tench, Tinca tinca")]),
        (
            ["folder:own/C++, folder:own/tench, Tinca tinca+tv/monitor"],
            [("C++",), ("tench, Tinca tinca", "tv/monitor")],
        ),
    ],
)
def test_every_class_can_be_said(
    given: list[str], expected: list[tuple[str, ...]] | None, datasets: Mapping[str, Dataset]
) -> None:
    if expected is None:
        with pytest.raises(InputError, match="unknown class ''"):
            find_classes(given, datasets)
        return
    assert find_classes(given, datasets) == [("folder:own", names) for names in expected]


def test_the_error_says_how(datasets: Mapping[str, Dataset]) -> None:
    with pytest.raises(InputError, match=r"unknown class 'tench'; .*or --classes once for each"):
        find_classes(["tench, Tinca"], datasets)


def test_an_at_sign_in_a_class_where_domains_are(tmp_path: Path) -> None:
    for domain in ("art", "photo"):
        write_colours(tmp_path / "own" / domain, ["red", "blue"])
        (tmp_path / "own" / domain / "red").rename(tmp_path / "own" / domain / "red@home")
    dataset = open_dataset(f"domains:{tmp_path / 'own'}")
    datasets = {dataset.name: dataset}
    assert find_classes(["red@home"], datasets) == [("domains:own", ("red@home",))]
    assert dataset.labels(["red@home@art"]) == (1,)
    assert find_classes(["red@home@art"], datasets) == [("domains:own", ("red@home@art",))]
    assert find_classes(["*@art"], datasets) == [("domains:own", ("*@art",))]


def test_what_would_be_said_alike_is_refused(tmp_path: Path) -> None:
    for domain in ("art", "photo"):
        write_colours(tmp_path / "own" / domain, ["red", "blue"])
        (tmp_path / "own" / domain / "blue").rename(tmp_path / "own" / domain / "red@art")
    with pytest.raises(InputError, match="has a class 'red@art', and a class of a domain that is said so"):
        open_dataset(f"domains:{tmp_path / 'own'}")


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    found = [open_dataset(f"folder:{write_colours(tmp_path / place / 'own')}") for place in ("a", "b", "a/x")]
    named_apart(found)
    assert [dataset.name for dataset in found] == ["folder:a/own", "folder:b/own", "folder:x/own"]
    same = [open_dataset(f"folder:{tmp_path / 'a' / 'own'}") for _ in range(2)]
    named_apart(same)
    assert [dataset.name for dataset in same] == ["folder:own", "folder:own"]  # named twice, which is refused
    assert open_dataset(f"folder:{tmp_path / 'a' / 'own'}?name=mine").name == "folder:mine"


def test_a_run_and_forget_take_such_names(call: Call, tmp_path: Path) -> None:
    write_colours(tmp_path / "own", ["red", "green", "blue"])
    (tmp_path / "own" / "classnames.json").write_text('{"red": "red, dark", "green": "green+", "blue": "blue/sky"}')
    model, spec = write_model(tmp_path), write_method(tmp_path, NOISE)
    usual = ("--model", model, "--data", f"folder:{tmp_path / 'own'}", "--device", "cpu")
    said = call(
        *("run", *usual, "--methods", spec, "--metrics", "accuracy,average-score", "--jobs", 1, "--out", "out"),
        *("--classes", "red, dark,blue/sky", "--classes", "green+"),
    )
    assert said.code == 0, said
    assert "3 ok, 0 skipped, 0 failed" in said.out
    done = call("forget", *usual, "--method", spec, "--classes", "red, dark", "--out", "gone")
    assert done.code == 0, done
    assert "target red, dark: accuracy" in done.out
    is_one_error(
        call("forget", *usual, "--method", spec, "--classes", "red", "--out", "gone2"),
        "unknown class 'red'",
        "--classes once for each",
    )
    chosen = call("leaderboard", "out", "--classes", '"red, dark"', "--records", "some.csv")
    assert chosen.code == 0, chosen


def test_every_command_that_meets_bad_images_can_leave_them_out(call: Call, tmp_path: Path) -> None:
    """The error advises --skip-bad-images: what advises it has it."""
    root = write_colours(tmp_path / "own")
    dataset = open_dataset(f"folder:{root}")
    for split in ("train", "val", "test"):
        (root / dataset.index(split).names[0]).write_bytes(b"no picture")
    usual = ("--model", write_model(tmp_path), "--data", f"folder:{root}", "--device", "cpu")
    spec = write_method(tmp_path, NOISE)
    for command in (
        ("forget", *usual, "--method", spec, "--classes", "red", "--out", tmp_path / "gone"),
        ("tune", *usual, "--methods", "lip", "--classes", "red", "--trials", 1, "--out", tmp_path / "lip.toml"),
        ("prepare", *usual[:-2], "--decode"),
    ):
        is_one_error(call(*command), "can't be read", "--skip-bad-images")
    assert (
        call(*("forget", *usual, "--method", spec, "--classes", "red", "--out", "gone"), "--skip-bad-images").code
        == 0
    )
    assert call("prepare", *usual[:-2], "--decode", "--skip-bad-images").code == 0
