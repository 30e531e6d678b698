"""How strong blind attacks may be: the rule by hand, the numbers against a plain calculation, and the command."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.benchmarks.support import bench_of, write_suite
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.tuning import attack_strengths
from unlearn_bench.benchmarks.tuning.attack_strengths import Looked, app, in_force, look, picked, table
from unlearn_bench.metrics.pruning import without_smallest

CLASSES = {"folder:warm": ["red"], "folder:cold": ["cyan"]}
TUNING = {"folder:warm": ["green", "blue"], "folder:cold": ["yellow", "magenta"]}


def weights(strength: float, own: float, *, dataset: str = "d", model: str = "m") -> Looked:
    return Looked(attack="pruning", strength=strength, model=model, dataset=dataset, before=0.5, own=own)


def push(strength: float, others: float, *, dataset: str = "d", model: str = "m") -> Looked:
    return Looked(
        attack="adversarial-image",
        strength=strength,
        model=model,
        dataset=dataset,
        before=0.5,
        own=0.9,
        others=others,
    )


def test_every_dataset_of_every_model_keeps_four_fifths() -> None:
    found = [weights(0.1, 0.5), weights(0.1, 0.4, dataset="e"), weights(0.2, 0.5), weights(0.2, 0.39, dataset="e")]
    assert picked(found, "pruning") == 0.1
    assert picked([*found, weights(0.1, 0.3, model="n")], "pruning") is None
    assert picked([weights(0.1, 0.39), weights(0.2, 0.5)], "pruning") is None, "what is stronger is not gentler"


def test_of_a_push_other_images_count_as_a_mean_of_each_model() -> None:
    found = [push(1, 0.1), push(1, 0.5, dataset="e"), push(2, 0.3), push(2, 0.37, dataset="e")]
    assert picked(found, "adversarial-image") == 1
    assert picked([*found, push(1, 0.34, model="n")], "adversarial-image") is None


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SHARES", "SIZES", "EPSILONS"):
        monkeypatch.setattr(attack_strengths, name, (0.01, 0.6))
    return write_suite(tmp_path, classes=CLASSES, tuning=TUNING)


def test_the_numbers_are_those_of_a_plain_calculation(path: Path) -> None:
    suite = load_suite(str(path))
    bench = bench_of(suite)
    found = list(look(bench, suite))
    assert len(found) == 3 * 2 * 2
    item, clip = bench.evaluated["folder:warm"], bench.clip
    module = clip.copy().module
    with torch.no_grad():
        for value in module.parameters():
            if value.ndim > 1:
                value.copy_(without_smallest(value, 0.6))
    images = clip.with_state(module.state_dict()).encode_images(clip.to_input(item.images.pixels))
    texts = clip.with_state(module.state_dict()).embed_texts(item.dataset.texts)
    right = (torch.nn.functional.normalize(images, dim=-1) @ texts.T).argmax(1) == item.images.labels
    (mine,) = (one for one in found if (one.attack, one.strength, one.dataset) == ("pruning", 0.6, "folder:warm"))
    assert mine.own == pytest.approx(float(right.double().mean()))
    pushes = [one for one in found if one.attack == "adversarial-image"]
    assert all(one.others is not None and 0 <= one.others <= 1 for one in pushes)
    weak, strong = ([one.others or 0.0 for one in pushes if one.strength == size] for size in (0.01, 0.6))
    assert sum(strong) >= sum(weak)


def test_the_command_tells_what_is_picked_and_what_is_in_force(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_suite(str(path)).models[0]
    said = CliRunner().invoke(app, ["--models", model, "--suite", str(path)])
    assert said.exit_code == 1, "the toy's strengths are others"
    assert said.output.splitlines()[0].split()[:4] == ["attack", "strength", "model", "before"]
    assert f"in force: {in_force()['pruning']:.4g}" in said.output
    monkeypatch.setattr(attack_strengths, "in_force", lambda: {"pruning": picked([weights(1, 0.5)], "pruning")})
    monkeypatch.setattr(attack_strengths, "look", lambda *_: [weights(1, 0.5)])
    said = CliRunner().invoke(app, ["--models", model, "--suite", str(path)])
    assert (said.exit_code, said.output.splitlines()[-1]) == (0, "pruning: 1; in force: 1")


def test_an_unknown_model_is_one_line(path: Path) -> None:
    said = CliRunner().invoke(app, ["--models", "nobody", "--suite", str(path)])
    assert said.exit_code == 2
    assert said.output.startswith("error: ")
    assert len(said.output.splitlines()) == 1


def test_a_line_shows_the_worst_dataset() -> None:
    shown = table([weights(0.1, 0.5), replace(weights(0.1, 0.2), dataset="e"), push(0.5, 0.25)])
    assert shown.splitlines()[2].split() == ["pruning", "0.1", "m", "0.500", "0.350", "0.400"]
    assert shown.splitlines()[3].split() == ["adversarial-image", "0.5", "m", "0.500", "0.900", "1.800", "0.250"]
