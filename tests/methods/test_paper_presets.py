"""The main paper's settings of Lip, number by number."""

import pytest

from tests.core import tiny
from unlearn_bench.benchmarks.presets.preset import build_method, presets_for
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import load_player
from unlearn_bench.methods.lip import Lip
from unlearn_bench.methods.shared.selective import may_move

STARTS = {
    "RN50": (5, (0, 2, 5, 8, 10, 15, 20), (0, 2, 7, 13, 20, 25, 30)),
    "ViT-B-16": (25, (0, 2, 5, 8, 10, 15, 20), (0, 2, 5, 8, 10, 15, 20)),
}


@pytest.mark.parametrize("model", STARTS)
def test_lip_as_in_the_paper(model: str) -> None:
    preset = presets_for(f"{model}:openai").of("lip")
    lip = build_method(Lip, preset.hyperparameters)
    assert isinstance(lip, Lip)
    assert preset.provenance["source"] == "paper"
    assert (lip.learning_rate, lip.beta1, lip.beta2, lip.epsilon, lip.weight_decay) == (5e-5, 0.9, 0.98, 1e-6, 0.2)
    assert (lip.perturbations, lip.batch_size, lip.max_epochs, lip.stop_accuracy) == (25, 64, 30, 0.1)
    assert lip.sigmas == (0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
    assert lip.template == "A picture of {}"
    assert lip.text_loss
    start, image, text = STARTS[model]
    assert lip.image_counts == tuple(start + more for more in image)
    assert lip.text_counts == tuple(start + more for more in text)


def test_on_a_resnet_the_image_counts_saturate_at_eight() -> None:
    lip = build_method(Lip, presets_for("RN50").of("lip").hyperparameters)
    assert isinstance(lip, Lip)
    moving = tuple(item for item in tiny.resnet().weights() if may_move(item.place))
    assert [step.image_tensors for step in lip.schedule(moving)] == [5, 7, 8, 8, 8, 8, 8]


RATES = {
    "lip": 5e-5,
    "lip-published": 5e-5,
    "emb": 5e-5,
    "amns": 1e-4,
    "emmn": 1e-4,
    "ulip": 3e-4,
    "amns-retain": 1e-4,
    "salun": 0.01,
    "identity": None,
    "finetune-retain": 1e-4,
}
"""What the suites of the paper ran with before any default moved into the range of the embedded models."""


@pytest.mark.parametrize("suite", ["paper", "paper-vit"])
def test_the_paper_suites_keep_their_learning_rates(suite: str) -> None:
    chosen = load_suite(suite)
    assert set(chosen.methods) == set(RATES)
    for name, rate in RATES.items():
        player = load_player(chosen, name)
        preset = presets_for(chosen.models[0]).of(player.method.kind.name)
        values = {**preset.hyperparameters, **player.variant.hyperparameters}
        assert getattr(build_method(player.method.kind, values), "learning_rate", None) == rate, name


@pytest.mark.parametrize("model", STARTS)
@pytest.mark.parametrize(("method", "rate"), [("emb", 5e-5), ("gradient-ascent", 1e-7), ("graddiff", 1e-7)])
def test_what_was_taken_from_elsewhere_is_called_given(model: str, method: str, rate: float) -> None:
    preset = presets_for(f"{model}:openai").of(method)
    assert preset.provenance["source"] == "given"
    assert preset.hyperparameters == {"learning_rate": rate}
