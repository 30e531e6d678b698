"""Suites and presets as data: what is read, and how each mistake in a file is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from unlearn_bench.benchmarks.presets.preset import (
    Preset,
    build_method,
    load_preset,
    load_synthesis,
    preset_file,
    resolved,
)
from unlearn_bench.benchmarks.suites.suite import Suite, known_suites, load_suite
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_methods, load_metrics, load_player
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Access, Method, Request
from unlearn_bench.synthesis.settings import SynthesisSettings

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
        (MINIMAL + "seeds = 3", "'seeds' must be a list of whole numbers; it is 3"),
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


@dataclass(frozen=True, kw_only=True)
class Turn(Method):
    """A method with hyperparameters."""

    name: ClassVar[str] = "turn"
    access: ClassVar[Access] = "ZS"
    rate: float = 0.1
    layers: tuple[str, ...] = ("a",)

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError("rate is below 0")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        return clip


PRESETS = """
[synthesis]
images_per_class = 8
[turn]
source = "tuned"
trials = 16
[turn.hyperparameters]
rate = 0.25
layers = ["x", "y"]
[other]
source = "guessed"
"""


def test_preset_by_the_models_name_without_its_tag(tmp_path: Path) -> None:
    (tmp_path / "RN50.toml").write_text(PRESETS)
    assert preset_file("RN50:openai").name == preset_file("RN50:some/file.pt").name == "RN50.toml"
    assert preset_file("RN50-quickgelu:some/file.pt").name == "RN50.toml"  # the same weights, in a file
    assert preset_file("ViT-B-16-gelu:some/file.pt").name == "ViT-B-16.toml"
    preset = load_preset("RN50:openai", "turn", folder=tmp_path)
    assert preset.hyperparameters == {"rate": 0.25, "layers": ("x", "y")}
    assert preset.provenance == {"source": "tuned", "trials": 16}
    method = build_method(Turn, preset.hyperparameters)
    assert method == Turn(rate=0.25, layers=("x", "y"))
    assert resolved(method) == {"rate": 0.25, "layers": ("x", "y")}
    assert load_synthesis("RN50:openai", folder=tmp_path) == SynthesisSettings(images_per_class=8)


def test_without_a_preset_the_defaults_are_marked(tmp_path: Path) -> None:
    assert load_preset("RN50", "turn", folder=tmp_path) == Preset(provenance={"source": "default"})
    assert load_synthesis("RN50", folder=tmp_path) == SynthesisSettings()


def test_mistakes_in_presets(tmp_path: Path) -> None:
    (tmp_path / "RN50.toml").write_text(PRESETS)
    with pytest.raises(InputError, match="unknown preset source of 'other' for 'RN50' 'guessed'; known: "):
        load_preset("RN50", "other", folder=tmp_path)
    (tmp_path / "A.toml").write_text("[synthesis]\nimages_per_clas = 3")
    with pytest.raises(InputError, match=r"unknown synthesis setting .*'images_per_clas'.*'images_per_class'"):
        load_synthesis("A", folder=tmp_path)
    (tmp_path / "B.toml").write_text("[turn")
    with pytest.raises(InputError, match=r"preset file .*B.toml' is not TOML"):
        load_preset("B", "turn", folder=tmp_path)


def test_hyperparameters_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"unknown hyperparameter of 'turn' 'rates'; .*did you mean 'rate'"):
        build_method(Turn, {"rates": 1})
    with pytest.raises(InputError, match=r"method 'turn' can't be made .*\(rate is below 0\)"):
        build_method(Turn, {"rate": -1})


def test_shipped_presets_fit_their_methods() -> None:
    from unlearn_bench.benchmarks.presets.preset import read_presets
    from unlearn_bench.benchmarks.sweep.players import load_method

    folder = preset_file("RN50").parent
    for path in sorted(folder.glob("*.toml")):
        load_synthesis(path.stem)
        for name in read_presets(path).keys() - {"synthesis"}:
            build_method(load_method(name).kind, load_preset(path.stem, name).hyperparameters)


@pytest.mark.parametrize("name", known_suites())
def test_what_the_suites_of_the_package_name_is_there(name: str) -> None:
    """Methods, variants and metrics by their names, hyperparameters and settings by their values."""
    suite = load_suite(name)
    assert suite.summary
    load_metrics(suite.metrics)
    for entry in chosen_methods(suite, Choice()):
        player = load_player(suite, entry)
        for model in suite.models:
            preset = load_preset(model, player.method.kind.name)
            build_method(player.method.kind, {**preset.hyperparameters, **player.variant.hyperparameters})
            for changes in ({}, *player.variant.by_class.values()):
                load_synthesis(model, changes={**player.variant.synthesis, **changes})
    assert set(suite.classes) <= set(suite.datasets)
    assert suite.variants.keys() <= set(suite.methods), "a variant that no run would use"


def test_an_empty_list_of_classes_is_measured_only(tmp_path: Path) -> None:
    path = tmp_path / "kept.toml"
    path.write_text(MINIMAL + "[classes]\nkept = []\nmini-digits = ['digit one']")
    assert load_suite(str(path)).classes == {"kept": (), "mini-digits": (("digit one",),)}
