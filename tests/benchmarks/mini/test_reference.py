"""The command that publishes a retrained model's predictions, on weights made in a moment."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from unlearn_bench.benchmarks.mini.reference import app, compute, read_report
from unlearn_bench.benchmarks.referee.embedding import embed_texts
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.retrained_predictions import Retrained
from unlearn_bench.methods.retrain import Retrain
from unlearn_bench.models.embedded import build_untrained, save_weights
from unlearn_bench.models.retrained import read_retrained, weights_file


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """Two small sets are enough to see which predictions go where."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("UNLEARN_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = open_workbench(
            Setting(
                model="mini-rn",
                datasets=("mini-digits",),
                control=("mini-icons",),
                train_split="train",
                test_split="test",
                device="cpu",
            )
        )
        for item in found.evaluated.values():
            assert len(item.before.embedded.images) == len(item.images)
        return found


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A folder as the training command leaves it; the weights are random."""
    model = build_untrained("mini-rn", seed=4).eval()
    save_weights(model, tmp_path / "mini-rn.safetensors")
    report = {"recipe": {"model": "mini-rn", "epochs": 0, "without": ["mini-digits/digit seven"]}}
    (tmp_path / "mini-rn.json").write_text(json.dumps(report))
    return tmp_path


def computed(trained: Path, bench: Workbench) -> Retrained:
    name, recipe = read_report(trained)
    assert name == "mini-rn"
    return compute(trained / "mini-rn.safetensors", bench, without=recipe["without"], recipe=recipe)


def test_predictions_are_the_nearest_texts_of_the_retrained_model(trained: Path, bench: Workbench) -> None:
    found = computed(trained, bench)
    clip = read_retrained(bench.clip, trained / "mini-rn.safetensors")
    assert (found.model, found.fingerprint, found.weights) == ("mini-rn", bench.fingerprint, clip.fingerprint())
    assert (found.dataset, found.forget) == ("mini-digits", ("digit seven",))
    for part in found.evaluated:
        item = bench.evaluated[part.name]
        with torch.no_grad():
            images = clip.encode_images(clip.to_input(item.images.pixels))
        cosines = torch.nn.functional.normalize(images, dim=-1) @ embed_texts(clip, item.dataset.texts).T
        values = cosines.topk(2, dim=1).values
        sure = (values[:, 0] - values[:, 1]) > 1e-5  # batches round differently
        assert sure.float().mean() > 0.9
        assert torch.equal(cosines.argmax(dim=1)[sure], torch.tensor(part.predictions)[sure])
        right = torch.tensor(part.predictions) == item.images.labels
        assert part.accuracy == pytest.approx(float(right.float().mean()), abs=1e-4)
        assert (part.version, part.template) == (item.dataset.version, item.dataset.template)
        if part.name == "mini-digits":
            seven = item.images.labels == item.dataset.label("digit seven")
            assert found.accuracy_of_forgotten == {"digit seven": pytest.approx(float(right[seven].float().mean()))}
    assert bench.is_untouched()


@pytest.mark.parametrize("without", [[], ["mini-digits/digit two", "mini-shapes/star"]])
def test_a_model_without_one_datasets_classes_is_expected(
    without: list[str], trained: Path, bench: Workbench
) -> None:
    with pytest.raises(InputError, match="expected classes of one dataset"):
        compute(trained / "mini-rn.safetensors", bench, without=without, recipe={})


def test_the_command_writes_predictions_and_puts_the_weights_in_place(
    trained: Path, bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("unlearn_bench.benchmarks.mini.reference.open_workbench", lambda _: bench)
    done = CliRunner().invoke(app, [str(trained), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "mini-rn" / "mini-digits-digit-seven.json").is_file()
    copy = weights_file(bench.fingerprint, ["digit seven"])
    assert copy.read_bytes() == (trained / "mini-rn.safetensors").read_bytes()
    assert Retrain.name == "retrain"


@pytest.mark.parametrize("text", ["", "{}", '{"recipe": {}}', '{"recipe": 3}'])
def test_a_broken_report_or_none_is_one_line(text: str, trained: Path) -> None:
    (trained / "mini-rn.json").write_text(text)
    done = CliRunner().invoke(app, [str(trained)])
    assert done.exit_code == 2
    assert "is no report of the training command" in done.stderr
    assert done.stderr.count("\n") == 1  # one line, however long the path
    (trained / "mini-rn.json").unlink()
    done = CliRunner().invoke(app, [str(trained)])
    assert done.exit_code == 2
    assert "give what the training command wrote" in done.stderr
