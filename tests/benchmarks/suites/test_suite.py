"""Suites and presets as data: what is read, and how each mistake in a file is told."""

from pathlib import Path

import pytest

from unlearn_bench.benchmarks.presets.preset import build_method, presets_for
from unlearn_bench.benchmarks.suites.suite import Suite, known_suites, load_suite
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_methods, load_metrics, load_player
from unlearn_bench.errors import InputError

FULL = """
summary = "small"
models = ["mini-rn"]
datasets = ["mini-digits", "mini-shapes"]
control = ["mini-icons"]
methods = ["lip"]
metrics = ["accuracy"]
seeds = [0, 7]
train_split = "val"
test_split = "val"
[classes]
mini-digits = ["one", ["two", "three"]]
[tuning]
mini-digits = ["four", "five"]
"""


def written(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_everything_is_read(tmp_path: Path) -> None:
    assert load_suite(written(tmp_path, FULL)) == Suite(
        file=tmp_path / "own.toml",
        name="own",
        summary="small",
        models=("mini-rn",),
        datasets=("mini-digits", "mini-shapes"),
        control=("mini-icons",),
        methods=("lip",),
        metrics=("accuracy",),
        seeds=(0, 7),
        train_split="val",
        test_split="val",
        classes={"mini-digits": (("one",), ("two", "three"))},
        tuning={"mini-digits": ("four", "five")},
    )


def test_embedded_suites() -> None:
    known = known_suites()
    assert set(known) >= {"mini", "mini-full"}
    assert all(known.values())
    mini, full = load_suite("mini"), load_suite("mini-full")
    assert (mini.models, full.models) == (("mini-rn",), ("mini-rn", "mini-vit"))
    assert (mini.seeds, full.seeds) == ((0,), (0, 1, 2))
    assert mini.datasets == full.datasets
    assert mini.methods == ("all",)


@pytest.mark.parametrize("name", ["paper", "paper-vit", "identities", "multi-class"])
def test_the_papers_suites_run_its_seven_methods_whatever_else_is_registered(name: str) -> None:
    suite = load_suite(name)
    seven = {"lip", "emb", "amns", "emmn", "ulip", "amns-retain", "salun"}
    assert set(suite.methods) - set(suite.variants) == seven | {"identity", "finetune-retain"}
    assert suite.seeds == (0, 1, 2)


MINIMAL = 'models = ["m"]\ndatasets = ["d"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + 'metods = ["lip"]', r"unknown key in suite file .*'metods'; known: .*did you mean 'methods'\?"),
        (MINIMAL + 'name = "x"', "unknown key in suite file .*'name'"),
        ('models = ["m"]', r"lacks 'datasets': a list of at least one name"),
        ('models = []\ndatasets = ["d"]', "lacks 'models'"),
        ('models = "m"\ndatasets = ["d"]', "'models' must be a list of names; it is 'm'"),
        ("models = [1]\ndatasets = ['d']", r"'models' must be a list of names; it is \[1\]"),
        (MINIMAL + 'seeds = ["0"]', "'seeds' must be a list of whole numbers"),
        (MINIMAL + "seeds = [true]", "'seeds' must be a list of whole numbers"),
        (MINIMAL + "seeds = [0.5]", "'seeds' must be a list of whole numbers"),
        (MINIMAL + "seeds = 3", "'seeds' must be a list of whole numbers of at most 63 bits; it is 3"),
        (MINIMAL + "methods = []", "'methods' must be a list of names"),
        (MINIMAL + "summary = 3", "'summary' must be a text"),
        (MINIMAL + "test_split = ['test']", "'test_split' must be a text"),
        (MINIMAL + "classes = ['a']", "'classes' must be a table of dataset to a list of class names"),
        (MINIMAL + "[classes]\nd = 'abc'", "'classes' must be a table of dataset to a list"),
        (MINIMAL + "[classes]\nd = [1]", "'classes' must be a table of dataset to a list"),
        (MINIMAL + "[classes]\nd = [['a', 2]]", "'classes' must be a table of dataset to a list"),
        (MINIMAL + "[tuning]\nd = 'abc'", "'tuning' must be a table of dataset to a list"),
        ("models = [", "is not TOML"),
        ("models = ['m']\nmodels = ['n']", "is not TOML"),
    ],
)
def test_mistakes_are_told_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_suite(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not TOML"):
        load_suite(str(tmp_path / "own.toml"))


def test_unknown_suite_and_missing_file() -> None:
    with pytest.raises(InputError, match=r"unknown suite 'minni'; known: .*did you mean 'mini'\?"):
        load_suite("minni")
    with pytest.raises(InputError, match=r"no suite file at 'nowhere.toml'; give a name \(.*mini"):
        load_suite("nowhere.toml")


@pytest.mark.parametrize("name", known_suites())
def test_what_the_suites_of_the_package_name_is_there(name: str) -> None:
    """Methods, variants and metrics by their names, hyperparameters and settings by their values."""
    suite = load_suite(name)
    assert suite.summary
    load_metrics(suite.metrics)
    for entry in chosen_methods(suite, Choice()):
        player = load_player(suite, entry)
        for model in suite.models:
            presets = presets_for(model)
            preset = presets.of(player.method.kind.name)
            build_method(player.method.kind, {**preset.hyperparameters, **player.variant.hyperparameters})
            for changes in ({}, *player.variant.by_class.values()):
                presets.synthesis({**player.variant.synthesis, **changes})
    assert set(suite.classes) <= set(suite.datasets)
    assert suite.variants.keys() <= set(suite.methods), "a variant that no run would use"


def test_an_empty_list_of_classes_is_measured_only(tmp_path: Path) -> None:
    path = tmp_path / "kept.toml"
    path.write_text(MINIMAL + "[classes]\nkept = []\nmini-digits = ['digit one']")
    assert load_suite(str(path)).classes == {"kept": (), "mini-digits": (("digit one",),)}
