"""Presets: where they are looked for, which of several counts, and what a file may say."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from unlearn_bench.benchmarks.presets import places
from unlearn_bench.benchmarks.presets.places import home_of, preset_name, preset_places
from unlearn_bench.benchmarks.presets.preset import (
    ABOUT,
    SYNTHESIS,
    Preset,
    build_method,
    presets_for,
    read_presets,
    resolved,
)
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Access, Method, Request
from unlearn_bench.synthesis.settings import UNTUNED, SynthesisSettings


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


def test_the_packaged_file_goes_by_the_architecture() -> None:
    folder = Path(places.__file__).parent
    for model in ("RN50", "RN50:openai", "RN50:some/file.pt", "RN50-quickgelu:some/file.pt", "RN50:random-3"):
        assert preset_places(model)[-1] == folder / "RN50.toml"
    assert preset_places("ViT-B-16-gelu:some/file.pt")[-1] == folder / "ViT-B-16.toml"


@pytest.mark.parametrize(
    ("model", "beside"),
    [
        ("some/mine.py:build", "some/mine.presets.toml"),
        ("some/mine.py:large", "some/mine-large.presets.toml"),
        ("RN50:some/weights.pt", "some/weights.presets.toml"),
        ("local-dir:some/folder", "some/folder/presets.toml"),
    ],
)
def test_own_models_have_a_place_beside_them(model: str, beside: str) -> None:
    assert preset_places(model)[0] == home_of(model) == Path(beside)


def test_models_of_ones_own_share_nothing() -> None:
    """Not by the bare name of a file, and not because both lie in folders."""
    assert not set(preset_places("a/mine.py:build")) & set(preset_places("b/mine.py:build"))
    assert not set(preset_places("a/mine.py:build")) & set(preset_places("a/mine.py:other"))
    assert not set(preset_places("local-dir:a")) & set(preset_places("local-dir:b"))


def test_the_order_of_places(tmp_path: Path) -> None:
    given, suite = tmp_path / "given.toml", tmp_path / "suite.toml"
    given.write_text("")
    names = [path.name for path in preset_places("RN50:w/a.pt", given=given, suite=suite)]
    assert names == ["given.toml", "a.presets.toml", "RN50-a.toml", "RN50.toml"]
    assert home_of("mini-rn", suite=suite) == tmp_path / "presets" / "mini-rn.toml"
    assert home_of("mini-rn") is None, "nothing is written into the package"


def test_a_folder_of_presets(tmp_path: Path) -> None:
    (tmp_path / "mini-rn.toml").write_text(PRESETS)
    assert presets_for("mini-rn", given=tmp_path).of("turn").provenance["trials"] == 16
    with pytest.raises(InputError, match=r"no 'mini-vit.toml' in the folder of presets .*; tune the model"):
        presets_for("mini-vit", given=tmp_path)
    with pytest.raises(InputError, match=r"no presets at '.*nowhere'; give a .toml file .*mini-vit.toml"):
        presets_for("mini-vit", given=tmp_path / "nowhere")
    (tmp_path / "RN50.toml").write_text('[turn]\nsource = "tuned"\ntrials = 3\n')
    assert presets_for("RN50:openai", given=tmp_path).of("turn").provenance["trials"] == 3


def test_each_table_comes_from_the_first_place_that_has_it(tmp_path: Path) -> None:
    """So a file with one tuned method leaves the others as they were."""
    given = tmp_path / "mine.toml"
    given.write_text('[lip]\nsource = "tuned"\nhyperparameters = {learning_rate = 0.5}\n[about]\nfingerprint = "ab"')
    found, packaged = presets_for("mini-rn", given=given), presets_for("mini-rn")
    assert found.of("lip").hyperparameters == {"learning_rate": 0.5}
    assert found.of("emb") == packaged.of("emb") != Preset()
    assert found.synthesis() == packaged.synthesis()
    assert found.files["lip"] == str(given) != found.files["emb"]
    assert set(found.methods) == set(packaged.methods), "neither [about] nor [synthesis] is a method"


def test_settings_of_another_model_are_told(tmp_path: Path) -> None:
    given = tmp_path / "mine.toml"
    given.write_text('[lip]\nsource = "tuned"\n[about]\nfingerprint = "ab"')
    found = presets_for("mini-rn", given=given)
    assert found.of_other_models("cd") == (str(given),)
    assert found.of_other_models("ab") == ()
    given.write_text('[about]\nfingerprint = "ab"')
    assert presets_for("mini-rn", given=given).of_other_models("cd") == (), "nothing of it is used"


def test_a_preset_is_read_whole(tmp_path: Path) -> None:
    given = tmp_path / "mine.toml"
    given.write_text(PRESETS)
    found = presets_for("ViT-L-14", given=given)
    preset = found.of("turn")
    assert preset.hyperparameters == {"rate": 0.25, "layers": ("x", "y")}
    assert preset.provenance == {"source": "tuned", "trials": 16}
    method = build_method(Turn, preset.hyperparameters)
    assert method == Turn(rate=0.25, layers=("x", "y"))
    assert resolved(method) == {"rate": 0.25, "layers": ("x", "y")}
    assert found.synthesis() == SynthesisSettings(images_per_class=8)
    assert found.synthesis({"max_steps": 3}) == SynthesisSettings(images_per_class=8, max_steps=3)


def test_without_a_preset_the_defaults_are_marked() -> None:
    found = presets_for("ViT-L-14:random")
    assert found.of("turn") == Preset(provenance={"source": "default"})
    assert found.synthesis() == UNTUNED
    assert found.synthesis({"max_steps": 7}).max_steps == 7
    assert found.synthesis({"max_steps": 7}).images_per_class == UNTUNED.images_per_class


def test_the_papers_models_keep_the_papers_images() -> None:
    for model in ("RN50:openai", "ViT-B-16:openai"):
        assert presets_for(model).synthesis() == SynthesisSettings()


def test_mistakes_in_presets(tmp_path: Path) -> None:
    given = tmp_path / "A.toml"
    given.write_text(PRESETS)
    with pytest.raises(InputError, match="unknown preset source of 'other' for 'RN50' 'guessed'; known: "):
        presets_for("RN50", given=given).of("other")
    given.write_text("[synthesis]\nimages_per_clas = 3")
    with pytest.raises(InputError, match=r"unknown synthesis setting .*'images_per_clas'.*'images_per_class'"):
        presets_for("A", given=given).synthesis()
    given.write_text("[turn")
    with pytest.raises(InputError, match=r"preset file .*A.toml' is not TOML"):
        presets_for("A", given=given)
    given.write_text("learning_rate = 3")
    with pytest.raises(InputError, match=r"must hold a table for each method; 'learning_rate' is 3: write"):
        presets_for("A", given=given)
    given.write_text('[lip-real]\nsame_as = "lop"')
    with pytest.raises(InputError, match=r"unknown preset that 'lip-real' for 'A' shares 'lop'"):
        presets_for("A", given=given).of("lip-real")


def test_hyperparameters_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"unknown hyperparameter of 'turn' 'rates'; .*did you mean 'rate'"):
        build_method(Turn, {"rates": 1})
    with pytest.raises(InputError, match=r"method 'turn' can't be made .*\(rate is below 0\)"):
        build_method(Turn, {"rate": -1})


def test_shipped_presets_fit_their_methods() -> None:
    for path in sorted(Path(places.__file__).parent.glob("*.toml")):
        found = presets_for(path.stem)
        found.synthesis()
        for name in read_presets(path).keys() - {SYNTHESIS, ABOUT}:
            assert found.files[name] == str(path)
            build_method(load_method(name).kind, found.of(name).hyperparameters)


def test_names_of_models_in_files() -> None:
    assert preset_name("RN50:random-3") == "RN50-random-3"
    assert preset_name("RN50") == "RN50"
