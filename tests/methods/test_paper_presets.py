"""The main paper's settings of Lip, number by number."""

import pytest

from tests.core import tiny
from unlearn_bench.benchmarks.presets.preset import build_method, presets_for
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
