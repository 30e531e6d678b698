import math

import pytest
import torch

from tests.metrics.evidence import random_embedded
from unlearn_bench.errors import CellFailure
from unlearn_bench.metrics.base import Embedded
from unlearn_bench.metrics.shared.classification import (
    belongs,
    class_mean,
    cosines,
    mean,
    predictions,
    probabilities,
)


def test_predictions_agree_with_a_loop_over_images_and_classes() -> None:
    embedded = random_embedded(40, 7, "predictions")
    found = predictions(embedded).tolist()
    for image, guess in zip(embedded.images.tolist(), found, strict=True):
        scores = [sum(x * y for x, y in zip(image, text, strict=True)) for text in embedded.texts.tolist()]
        assert guess == scores.index(max(scores))


def test_the_first_of_tied_classes_is_predicted() -> None:
    texts = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    images = torch.tensor([[1.0, 0.0]] * 9)
    assert predictions(Embedded(images=images, texts=texts)).tolist() == [1] * 9


def test_predictions_of_no_image_are_none() -> None:
    assert predictions(random_embedded(0, 3, "nothing")).tolist() == []


def test_probabilities_agree_with_the_softmax_written_out() -> None:
    embedded, scale = random_embedded(12, 4, "probabilities"), 20.0
    labels = torch.arange(12) % 4
    found = probabilities(embedded, labels, logit_scale=scale)
    assert found.dtype == torch.float64
    for row in range(12):
        exponentials = [math.exp(scale * float(embedded.images[row] @ text)) for text in embedded.texts]
        assert float(found[row]) == pytest.approx(exponentials[row % 4] / sum(exponentials), rel=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_embeddings_that_are_not_finite_are_refused(bad: float) -> None:
    good, broken = torch.eye(2), torch.tensor([[1.0, bad]])
    for images, texts in ((good, broken), (broken, good)):
        with pytest.raises(CellFailure, match="not finite"):
            cosines(images, texts)


def test_belongs_marks_the_images_of_the_classes() -> None:
    labels = torch.tensor([0, 2, 1, 2])
    assert belongs(labels, (2, 1)).tolist() == [False, True, True, True]
    assert belongs(labels, ()).tolist() == [False] * 4


def test_mean_of_nothing_is_none() -> None:
    assert mean(torch.empty(0)) is None
    assert mean(torch.tensor([True, False, False])) == 1 / 3


def test_class_mean_weighs_classes_alike_whatever_their_size() -> None:
    labels = torch.tensor([5, 5, 5, 5, 9])
    values = torch.tensor([True, False, False, False, True])
    assert class_mean(values, labels, (5, 9)) == (0.25 + 1.0) / 2
    assert class_mean(values, labels, (9,)) == 1.0


def test_class_mean_with_a_class_that_has_no_image_is_none() -> None:
    labels, values = torch.tensor([5, 5]), torch.tensor([1.0, 1.0])
    assert class_mean(values, labels, (5, 6)) is None
    assert class_mean(values, labels, ()) is None
