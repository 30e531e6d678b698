"""Tuning classes: none that is reported, two of each dataset, of which the model knows something."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.support import COLD, WARM, Call, bench_of, write_colours, write_suite
from tests.benchmarks.tuning.support import CLASSES, TUNING, tunable_method
from unlearn_bench.benchmarks.data.dataset.base import Index
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.tuning.classes import spread, tuning_tasks
from unlearn_bench.benchmarks.tuning.settings import validation
from unlearn_bench.errors import InputError


def test_the_suites_own_one_dataset_after_the_other(tmp_path: Path) -> None:
    suite = load_suite(str(write_suite(tmp_path, classes=CLASSES, tuning=TUNING)))
    found = tuning_tasks(suite, bench_of(suite))
    assert list(found.tasks) == [
        ("folder:warm", ("green",)),
        ("folder:cold", ("yellow",)),
        ("folder:warm", ("blue",)),
        ("folder:cold", ("magenta",)),
    ]
    assert not found.withheld
    assert not found.unknown


def test_spreading_takes_one_of_each_dataset_first() -> None:
    tasks = [("a", ("1",)), ("a", ("2",)), ("b", ("3",)), ("a", ("4",))]
    assert spread(tasks) == [("a", ("1",)), ("b", ("3",)), ("a", ("2",)), ("a", ("4",))]


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ({**TUNING, "folder:cold": ["yellow"]}, "'folder:cold' has 1 tuning classes .*; name at least two"),
        ({**TUNING, "folder:cold": ["yellow", "cyan"]}, "tuning classes are reported ones too: folder:cold/cyan"),
        ({**TUNING, "folder:cold": ["yellow", "cyna"]}, "unknown class of 'folder:cold' 'cyna'"),
    ],
)
def test_classes_that_do_not_fit(tuning: dict[str, list[str]], message: str, tmp_path: Path) -> None:
    suite = load_suite(str(write_suite(tmp_path, classes=CLASSES, tuning=tuning)))
    with pytest.raises(InputError, match=message):
        tuning_tasks(suite, bench_of(suite))


@pytest.fixture
def six(tmp_path: Path) -> tuple[Suite, Workbench]:
    """A dataset of six colours beside one of three; nobody names tuning classes."""
    folder = write_colours(write_colours(tmp_path / "six", WARM), COLD)
    suite = replace(load_suite(str(write_suite(tmp_path))), datasets=(f"folder:{folder}",))
    return suite, bench_of(suite)


def test_none_that_is_going_to_be_reported(six: tuple[Suite, Workbench]) -> None:
    suite, bench = six
    own = bench.evaluated["folder:six"].dataset
    for wanted in ([own.tuning_classes[0]], list(own.tuning_classes), ["red", "green"]):
        found = tuning_tasks(suite, bench, Choice(classes=[f"folder:six/{name}" for name in wanted]))
        names = [name for _, (name,) in found.tasks]
        assert len(names) == 2
        assert not set(names) & set(wanted)
    with pytest.raises(InputError, match=r"has 1 tuning classes \(5 of its 6 are reported\)"):
        tuning_tasks(suite, bench, Choice(classes=[f"folder:six/{name}" for name in own.class_names[:5]]))


def test_with_few_classes_some_are_withheld_from_the_report(tmp_path: Path) -> None:
    """Of three classes all are reported by default: two of them are taken away, where that was allowed."""
    suite = load_suite(str(write_suite(tmp_path)))
    bench = bench_of(suite)
    with pytest.raises(InputError, match="has 0 tuning classes"):
        tuning_tasks(suite, bench)
    found = tuning_tasks(suite, bench, withhold=True)
    assert set(found.withheld) == set(found.tasks)
    assert {dataset: sum(name == dataset for name, _ in found.tasks) for dataset, _ in found.tasks} == {
        "folder:warm": 2,
        "folder:cold": 2,
    }
    with pytest.raises(InputError, match="has 0 tuning classes"):  # these were asked for by name
        tuning_tasks(suite, bench, Choice(classes=["red", "green", "blue"]), withhold=True)


def test_two_classes_are_too_few_to_withhold_any(tmp_path: Path) -> None:
    folder = write_colours(tmp_path / "two", ("red", "green"))
    suite = replace(load_suite(str(write_suite(tmp_path))), datasets=(f"folder:{folder}",))
    with pytest.raises(InputError, match="has 0 tuning classes"):
        tuning_tasks(suite, bench_of(suite), withhold=True)


def _deaf_to(names: set[str], bench: Workbench) -> None:
    """Swap the pictures' labels so that the model gets every image of these classes wrong."""
    item = bench.evaluated["folder:six"]
    wrong = {item.dataset.label(name): item.dataset.label("yellow") for name in names}
    images = item.images
    texts = dict(enumerate(item.before.embedded.texts))
    for label, other in wrong.items():
        rows = images.labels == label
        item.before.embedded.images[rows] = texts[other]


def test_a_class_that_the_model_gets_all_wrong_is_passed_over(six: tuple[Suite, Workbench]) -> None:
    suite, bench = six
    first = tuning_tasks(suite, bench, Choice(classes=["red"])).tasks
    _deaf_to({first[0][1][0]}, bench)
    second = tuning_tasks(suite, bench, Choice(classes=["red"])).tasks
    assert first[0] not in second
    assert len(second) == 2
    _deaf_to({"green", "blue", "cyan", "magenta"}, bench)
    assert tuning_tasks(suite, bench, Choice(classes=["red"])).tasks == (("folder:six", ("yellow",)),)
    with pytest.raises(InputError, match="gets every class of folder:six all wrong that is not reported"):
        tuning_tasks(suite, bench, Choice(classes=["red", "yellow"]))


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Six colours with train, val and test, of which two have no val images."""
    root = tmp_path / "six"
    for part in ("train", "test"):
        write_colours(root / part, (*WARM, *COLD), count=4)
    write_colours(root / "val", ("blue", "cyan", "green", "magenta"), count=3)
    return root


def validated(suite: Suite, root: Path) -> tuple[Suite, Workbench]:
    own = replace(suite, datasets=(f"folder:{root}",))
    (setting,) = settings_for(own, Choice(), device="cpu", skip_bad=False)
    return own, open_workbench(validation(setting))


def test_classes_without_validation_images_do_not_serve(tmp_path: Path, split: Path) -> None:
    suite, bench = validated(load_suite(str(write_suite(tmp_path))), split)
    found = tuning_tasks(suite, bench, Choice(classes=["blue"]))
    assert len(found.tasks) == 2
    assert not {name for _, (name,) in found.tasks} & {"blue", "red", "yellow"}
    (line,) = found.warnings()
    assert line.startswith(
        "folder:six: 2 classes without validation images ('red', 'yellow'): no trial measures them"
    )
    with pytest.raises(InputError, match=r"has 1 tuning classes \(3 of its 6 are reported, 2 have no validation"):
        tuning_tasks(suite, bench, Choice(classes=["blue", "cyan", "green"]))
    named = replace(suite, tuning={"folder:six": ("magenta", "red")})
    with pytest.raises(InputError, match="tuning class 'red' of 'folder:six' has no validation images"):
        tuning_tasks(named, bench, Choice(classes=["blue"]))


def test_it_is_said_before_the_search(tmp_path: Path, split: Path, call: Call) -> None:
    suite, folder = write_suite(tmp_path), tmp_path / "presets"
    folder.mkdir()
    spec = tunable_method(tmp_path)
    given = ["tune", "--suite", suite, "--data", f"folder:{split}", "--methods", spec, "--classes", "blue"]
    said = call(*given, "--trials", 1, "--jobs", 1, "--device", "cpu", "--out", folder)
    assert said.code == 0, said
    lines = said.err.splitlines()
    (place,) = [place for place, line in enumerate(lines) if "2 classes without validation images" in line]
    assert not [line for line in lines[:place] if "trial" in line and "measures" not in line]
    assert [path.name for path in folder.iterdir()] == ["colours_model.toml"], "called as the model is"


def test_a_dataset_without_validation_images_is_refused(tmp_path: Path, split: Path) -> None:
    suite, bench = validated(load_suite(str(write_suite(tmp_path))), split)
    dataset = bench.evaluated["folder:six"].dataset
    plain = dataset.index
    dataset.index = lambda split: plain(split) if split != "val" else Index(labels=(), names=())  # type: ignore[method-assign]
    with pytest.raises(InputError, match="has no images in its split 'val', on which trials are measured"):
        tuning_tasks(suite, bench, Choice(classes=["blue"]))
