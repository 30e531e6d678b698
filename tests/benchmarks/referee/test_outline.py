"""What is known of the package's models without opening them is what they are, and plans come out alike."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from unlearn_bench.benchmarks.data.sources import _EMBEDDED, is_embedded, open_dataset
from unlearn_bench.benchmarks.inspection.report import examine
from unlearn_bench.benchmarks.referee.outline import outline_of
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.errors import InputError
from unlearn_bench.models import known
from unlearn_bench.models.embedded import weights_path
from unlearn_bench.models.known import KNOWN, known_model
from unlearn_bench.models.names import MINI
from unlearn_bench.models.sources import open_model

SETTING = Setting(
    model="mini-rn",
    datasets=("mini-digits",),
    control=("mini-icons",),
    train_split="train",
    test_split="test",
    device="cpu",
)


@pytest.mark.parametrize("name", MINI)
def test_what_is_said_of_a_model_holds(name: str) -> None:
    """Where it does not any more: the model was trained again, or what a fingerprint is made of has changed."""
    clip, said = open_model(name), KNOWN[name]
    assert hashlib.sha256(weights_path(name).read_bytes()).hexdigest() == said.weights
    assert (said.name, said.fingerprint, said.architecture) == (clip.name, clip.fingerprint(), clip.architecture)
    assert known_model(name) is said


def test_a_model_that_was_trained_again_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_WEIGHTS", tmp_path)
    assert known_model("mini-rn") is None
    (tmp_path / "mini-rn.safetensors").write_bytes(b"other")
    assert known_model("mini-rn") is None
    assert outline_of(SETTING) is None
    assert known_model("RN50:openai") is None


@pytest.mark.parametrize("model", MINI)
def test_the_package_s_texts_are_read_whole_and_apart(model: str) -> None:
    """So no plan has to open a model to warn of them."""
    datasets = [open_dataset(name) for name in _EMBEDDED]
    assert len(datasets) > 5
    assert [line for report in examine(datasets, open_model(model)) for line in report.warnings()] == []


@pytest.mark.parametrize(
    ("suite", "choice"),
    [
        ("mini", Choice(methods=["all"])),
        ("mini", Choice(methods=["all", "retrain"], quick=True)),
        ("mini", Choice(classes=["digit two", "mini-letters/letter e"], seeds=[3], curve=True)),
        ("mini-full", Choice()),
        ("mini-domains", Choice()),
        ("mini-pairs", Choice()),
        ("mini-associations", Choice()),
        ("mini-ablations", Choice()),
    ],
)
def test_an_outline_has_the_cells_of_the_workbench(suite: str, choice: Choice) -> None:
    loaded = load_suite(suite)
    for setting in settings_for(loaded, choice, device="cpu", skip_bad=False):
        outline, bench = outline_of(setting), open_workbench(setting)
        assert outline is not None
        planned, opened = cells_for(loaded, choice, outline), cells_for(loaded, choice, bench)
        assert [cell.run.key for cell in planned] == [cell.run.key for cell in opened]
        assert planned == opened
        assert planned
        assert [*outline.evaluated] == [*bench.evaluated]
        assert (outline.name, outline.architecture) == (bench.name, bench.architecture)


def test_what_is_elsewhere_or_asked_otherwise_is_opened() -> None:
    assert outline_of(SETTING) is not None
    assert outline_of(replace(SETTING, model="RN50:random")) is None
    assert outline_of(replace(SETTING, datasets=("folder:pictures",))) is None
    assert outline_of(replace(SETTING, control=("cifar10",))) is None
    assert outline_of(replace(SETTING, template="a drawing of a {}")) is None
    assert outline_of(replace(SETTING, weights="mine.safetensors")) is None
    assert [is_embedded(name) for name in ("mini-pairs", "folder:mini-pairs", "food101")] == [True, False, False]


def test_an_outline_refuses_what_a_workbench_refuses() -> None:
    with pytest.raises(InputError, match="unknown split 'tets'"):
        outline_of(replace(SETTING, test_split="tets"))
    with pytest.raises(InputError, match="dataset 'mini-digits' is named twice"):
        outline_of(replace(SETTING, control=("mini-digits",)))
