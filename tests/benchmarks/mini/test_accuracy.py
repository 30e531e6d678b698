"""The shipped weights, measured again: hard enough to leave room, good enough to have something to forget."""

import json
from functools import lru_cache

import pytest
import torch

from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, SUITE
from unlearn_bench.benchmarks.data.embedded.drawing.splits import MiniImages, render_split
from unlearn_bench.benchmarks.mini.accuracy import ZeroShot, embed, measure_images
from unlearn_bench.models.embedded import NAMES, build, tokenizer, weights_path


@lru_cache(maxsize=len(DATASETS))
def _val(dataset: str) -> MiniImages:
    return render_split(dataset, "val")


@lru_cache(maxsize=len(DATASETS) * len(NAMES))
def _measured(model: str, dataset: str) -> ZeroShot:
    return measure_images(build(model), DATASETS[dataset], _val(dataset))


each_model = pytest.mark.parametrize("model", NAMES)
each_of_the_suite = pytest.mark.parametrize("dataset", SUITE)


@each_model
@each_of_the_suite
def test_datasets_leave_room_on_both_sides(model: str, dataset: str) -> None:
    assert 0.5 <= _measured(model, dataset).overall <= 0.95


@each_model
@each_of_the_suite
def test_forget_classes_leave_room_on_both_sides(model: str, dataset: str) -> None:
    found = _measured(model, dataset).per_class
    for name in DATASETS[dataset].forget_classes:
        assert 0.4 <= found[name] <= 0.95, name


@each_model
@each_of_the_suite
def test_tuning_classes_can_be_recognised(model: str, dataset: str) -> None:
    found = _measured(model, dataset).per_class
    for name in DATASETS[dataset].tuning_classes:
        assert found[name] >= 0.4, name


@each_model
def test_the_control_set_is_known(model: str) -> None:
    assert _measured(model, "mini-icons").overall >= 0.5


@each_model
def test_the_report_beside_the_weights_is_true(model: str) -> None:
    report = json.loads(weights_path(model).with_suffix(".json").read_text())
    assert report["recipe"]["model"] == model
    assert report["recipe"]["without"] == []
    assert report["dataset_versions"] == {name: dataset.version for name, dataset in DATASETS.items()}
    for name, expected in report["val_accuracy"].items():
        assert _measured(model, name).overall == pytest.approx(expected, abs=0.006), name


@each_model
def test_words_for_domain_size_and_background_are_understood(model: str) -> None:
    """Among the captions of the right class, the one with the true word wins more often than by chance."""
    dataset, clip = DATASETS["mini-shapes"], build(model)
    images = _val(dataset.name)
    seen = embed(clip, images)
    questions = {
        "domain": [(domain, f"a {domain} of a {{}}.") for domain in dataset.domains],
        "size": [(size, f"a {size} {{}}.") for size in dataset.facts["size"]],
        "background": [(tone, f"a {{}} on a {tone} background.") for tone in dataset.facts["background"]],
    }
    for fact, choices in questions.items():
        right = 0
        for label, name in enumerate(dataset.class_names):
            rows = [row for row in range(len(images.labels)) if images.labels[row] == label]
            with torch.inference_mode():
                texts = clip.encode_text(tokenizer()([frame.format(name) for _, frame in choices]))
                best = (seen[rows] @ torch.nn.functional.normalize(texts, dim=-1).T).argmax(dim=1)
            answers = [choices[each][0] for each in best.tolist()]
            facts = [images.domains[row] if fact == "domain" else images.attributes[row][fact] for row in rows]
            right += sum(answer == truth for answer, truth in zip(answers, facts, strict=True))
        assert right / len(images.labels) > 1 / len(choices) + 0.15, fact
