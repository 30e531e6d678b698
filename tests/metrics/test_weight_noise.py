"""Noise on the weights: its size and source, and a forgetting that is finer than it."""

from dataclasses import replace

import pytest
import torch

from tests.core import tiny
from tests.metrics.evidence import by_group, random_evidence
from tests.metrics.test_quantisation import brightness, seen
from unlearn_bench.metrics.shared.encoding import embed, embed_texts, predict, sample
from unlearn_bench.metrics.weight_noise import WeightNoise, shaken


def test_noise_is_a_tenth_of_each_matrix_and_vectors_stay() -> None:
    clip = tiny.resnet()
    places = {weight.name: weight for weight in clip.weights()}
    found = shaken(0)(clip)
    for name, value in clip.state().items():
        moved = found[name] - value
        if name in places and value.ndim > 1:
            size = float(value.square().mean()) ** 0.5
            many = value.numel() > 2000
            assert float(moved.square().mean()) ** 0.5 == pytest.approx(0.1 * size, rel=0.1 if many else 0.9)
            assert abs(float(moved.mean())) < 0.1 * size
        else:
            assert not moved.any(), name


def test_two_models_are_shaken_alike_and_seeds_differ() -> None:
    evidence = random_evidence(0)
    assert evidence.models is not None
    one, two = evidence.models.original, evidence.models.unlearned
    for name, value in one.state().items():
        if value.ndim > 1:
            drawn = [
                (shaken(5)(clip)[name] - clip.state()[name]) / clip.state()[name].square().mean().sqrt()
                for clip in (one, two)
            ]
            assert torch.allclose(drawn[0], drawn[1], atol=1e-5)
            assert not torch.allclose(shaken(6)(one)[name], shaken(5)(one)[name])
    assert all(torch.equal(shaken(5)(one)[name], value) for name, value in shaken(5)(one).items())


def test_it_is_zero_shot_accuracy_with_the_shaken_weights() -> None:
    evidence = random_evidence(2)
    models, forget = evidence.models, evidence.forget
    assert models is not None
    found = by_group(WeightNoise(), evidence)
    rows = sample(evidence.own.labels, forget)
    labels = evidence.own.labels[rows]
    for side, clip in (("before", models.original), ("after", models.unlearned)):
        noisy = clip.with_state(shaken(2)(clip))
        seen_as = (embed(noisy, models.test.pixels[rows]) @ embed_texts(noisy, models.texts).T).argmax(1)
        recalls = [float((seen_as[labels == label] == label).float().mean()) for label in forget]
        assert getattr(found["own", "target"], side) == pytest.approx(sum(recalls) / len(recalls))


def test_a_change_far_larger_than_the_noise_stays() -> None:
    evidence = seen(0.0)
    assert evidence.models is not None
    model = brightness(-3.0)
    pictures, names = embed(model, evidence.models.test.pixels), embed_texts(model, ["0", "1"])
    assert predict(pictures, names, like=evidence.own.before).tolist() == [1, 1, 1, 1]
    for seed in range(5):
        here = replace(evidence, seed=seed, models=replace(evidence.models, unlearned=model))
        found = by_group(WeightNoise(), here)
        assert (found["own", "target"].after, found["own", "other"].after) == (0.0, 1.0)
