"""Gradients over batches against those of single losses, written out."""

import pytest
import torch
from torch import Tensor, nn

from tests.methods.support import COLOURS, colours, concepts, paint
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure
from unlearn_bench.training.candidates import Candidates
from unlearn_bench.training.gradients import batch_gradients, mean_gradient, mean_square_gradient
from unlearn_bench.training.loop import Pairs, from_inputs, trainable_names

classification_loss = Candidates([""] * len(COLOURS)).classification_loss
ROWS = (torch.tensor([3, 0, 4]), torch.tensor([1, 2]))


@pytest.fixture
def case() -> tuple[Clip, Pairs, list[nn.Parameter], Tensor]:
    clip = colours()
    images, labels = paint(list(COLOURS), 1, seed=0)
    tokens = clip.tokenize([concept.text for concept in concepts(list(COLOURS))])
    return clip, from_inputs(clip.normalise(images), labels), clip.train_only(trainable_names(clip)), tokens


def slopes(case: tuple[Clip, Pairs, list[nn.Parameter], Tensor], rows: Tensor) -> tuple[float, list[Tensor]]:
    """Loss and gradient of one batch by `backward`."""
    clip, pairs, parameters, tokens = case
    inputs, labels = pairs.batch(rows)
    loss = classification_loss(clip, inputs, labels, tokens)
    loss.backward()  # type: ignore[no-untyped-call]
    found = [value.grad.clone() for value in parameters if value.grad is not None]
    clip.module.zero_grad()
    return float(loss.detach()), found


def test_each_batch_has_its_loss_and_gradient_and_none_is_left_behind(
    case: tuple[Clip, Pairs, list[nn.Parameter], Tensor],
) -> None:
    clip, pairs, parameters, tokens = case
    expected = [slopes(case, rows) for rows in ROWS]
    found = list(batch_gradients(clip, pairs, parameters, loss=classification_loss, tokens=tokens, rows=ROWS))
    for (value, gradients), (loss, wanted) in zip(found, expected, strict=True):
        assert value == pytest.approx(loss)
        torch.testing.assert_close(gradients, wanted)
    assert all(value.grad is None for value in parameters)


def test_the_mean_over_batches_is_that_over_all_images(
    case: tuple[Clip, Pairs, list[nn.Parameter], Tensor],
) -> None:
    clip, pairs, parameters, tokens = case
    loss, wanted = slopes(case, torch.arange(5))
    value, found = mean_gradient(clip, pairs, parameters, loss=classification_loss, tokens=tokens, rows=ROWS)
    assert value == pytest.approx(loss)
    torch.testing.assert_close(found, wanted)


def test_squares_are_of_batches_and_every_batch_counts_alike(
    case: tuple[Clip, Pairs, list[nn.Parameter], Tensor],
) -> None:
    clip, pairs, parameters, tokens = case
    (first, one), (second, two) = (slopes(case, rows) for rows in ROWS)
    value, found = mean_square_gradient(clip, pairs, parameters, loss=classification_loss, tokens=tokens, rows=ROWS)
    assert value == pytest.approx((first + second) / 2)
    torch.testing.assert_close(found, [(a * a + b * b) / 2 for a, b in zip(one, two, strict=True)])


def test_gradients_that_disagree_cancel_within_a_batch_and_not_between_batches() -> None:
    clip = colours()
    (parameter,) = clip.train_only(["image.3.bias"])

    def signed(model: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
        return (parameter.sum() * (2.0 * labels - 1)).mean()

    pairs, tokens = from_inputs(torch.zeros(2, 1), torch.tensor([0, 1])), torch.zeros(0)
    for rows, expected in (((torch.tensor([0, 1]),), 0.0), ((torch.tensor([0]), torch.tensor([1])), 1.0)):
        _, (square,) = mean_square_gradient(clip, pairs, [parameter], loss=signed, tokens=tokens, rows=rows)
        assert square.tolist() == [expected] * 12


def test_a_parameter_out_of_reach_has_a_zero_gradient(case: tuple[Clip, Pairs, list[nn.Parameter], Tensor]) -> None:
    clip, pairs, _, tokens = case
    parameters = clip.train_only(["image.1.bias", "text.2.bias"])

    def no_text(model: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
        return model.encode_images(inputs).square().mean()

    _, (image, text) = mean_gradient(clip, pairs, parameters, loss=no_text, tokens=tokens, rows=ROWS)
    assert bool(image.any())
    assert not bool(text.any())


def test_a_loss_that_is_not_finite_fails_the_cell(case: tuple[Clip, Pairs, list[nn.Parameter], Tensor]) -> None:
    clip, pairs, parameters, tokens = case
    with torch.no_grad():
        parameters[0].fill_(float("nan"))
    with pytest.raises(CellFailure, match="became nan"):
        mean_gradient(clip, pairs, parameters, loss=classification_loss, tokens=tokens, rows=ROWS)
