"""Which tensors move, what a step does to them, and when an epoch counts."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from tests.methods.support import History
from unlearn_bench.clip import Place, Tower, Weight
from unlearn_bench.errors import CellFailure
from unlearn_bench.training.selection import Checkpoint, Pressure, forget_gradually, keep_largest

LR, DECAY, BETA1, BETA2, EPSILON = 0.1, 0.2, 0.9, 0.98, 1e-6


def weight(name: str, values: Sequence[float], tower: Tower = "image") -> Weight:
    value = nn.Parameter(torch.tensor(values, dtype=torch.float64))
    return Weight(name=name, place=Place(tower=tower, stage="tower", role="mlp"), value=value)


def adam(weights: Sequence[Weight]) -> torch.optim.Adam:
    return torch.optim.Adam(
        [item.value for item in weights], lr=LR, betas=(BETA1, BETA2), eps=EPSILON, weight_decay=DECAY
    )


def test_the_greatest_mean_gradients_stay_in_each_tower() -> None:
    weights = [
        weight("long", [0.0] * 4),
        weight("short", [0.0]),
        weight("weak", [0.0]),
        weight("text-weak", [0.0], "text"),
        weight("text-strong", [0.0], "text"),
    ]
    slopes = [[-3.0, 3.0, -3.0, 3.0], [2.0], [-1.0], [7.0], [-8.0]]  # by sum `long` has 12, by plain mean 0
    for item, slope in zip(weights, slopes, strict=True):
        item.value.grad = torch.tensor(slope, dtype=torch.float64)
    kept = keep_largest(weights, image=2, text=1)
    assert {id(value) for value in kept} == {id(weights[place].value) for place in (0, 1, 4)}
    assert [item.value.grad is None for item in weights] == [False, False, True, True, False]


def test_more_room_than_tensors_keeps_all_and_no_gradient_is_no_candidate() -> None:
    weights = [weight("a", [0.0]), weight("b", [0.0]), weight("c", [0.0])]
    weights[0].value.grad = torch.ones(1, dtype=torch.float64)
    weights[2].value.grad = torch.zeros(1, dtype=torch.float64)
    assert len(keep_largest(weights, image=9, text=9)) == 2
    assert weights[1].value.grad is None
    assert keep_largest([weights[1]], image=1, text=1) == []


def test_equal_gradients_go_to_the_earlier_tensor() -> None:
    weights = [weight("a", [0.0]), weight("b", [0.0])]
    for item in weights:
        item.value.grad = torch.ones(1, dtype=torch.float64)
    assert keep_largest(weights, image=1, text=0)[0] is weights[0].value


def test_two_steps_of_adam_with_coupled_decay_on_the_chosen_tensor_only() -> None:
    weights = [weight("big", [2.0]), weight("small", [1.0])]
    start = [float(item.value.detach()) for item in weights]
    answers = iter([0.8, 0.6, 0.6])

    def loss(rows: Tensor, sigma: float) -> Tensor:
        return (3.0 * weights[0].value + 1.0 * weights[1].value).sum()

    forget_gradually(
        weights,
        adam(weights),
        schedule=[Pressure(sigma=0.1, image_tensors=1, text_tensors=0)],
        batches=lambda: [torch.arange(2)],
        loss=loss,
        accuracy=lambda: next(answers),
        max_epochs=2,
        stop_accuracy=0.1,
        accumulate=5,
        report=History(),
    )
    value, first, second = start[0], 0.0, 0.0
    for step in (1, 2):
        slope = 3.0 + DECAY * value
        first = BETA1 * first + (1 - BETA1) * slope
        second = BETA2 * second + (1 - BETA2) * slope**2
        value -= LR * (first / (1 - BETA1**step)) / (math.sqrt(second / (1 - BETA2**step)) + EPSILON)
    assert float(weights[0].value.detach()) == pytest.approx(value, rel=1e-12)
    assert float(weights[1].value.detach()) == start[1]  # neither gradient nor decay


def run(
    answers: Sequence[float],
    *,
    levels: int = 3,
    max_epochs: int = 30,
    batches: int = 1,
    accumulate: int = 5,
    loss: Callable[[Weight, Tensor, float], Tensor] | None = None,
) -> tuple[float, Weight, History, torch.optim.Adam]:
    """A run whose accuracies after each update are given; the value moves with every update."""
    item, history, sequence = weight("w", [1.0]), History(), iter(answers)
    optimizer = adam([item])
    best = forget_gradually(
        [item],
        optimizer,
        schedule=[Pressure(sigma=0.1 * (j + 1), image_tensors=1, text_tensors=0) for j in range(levels)],
        batches=lambda: [torch.tensor([row]) for row in range(batches)],
        loss=lambda rows, sigma: loss(item, rows, sigma) if loss else item.value.sum() * 2,
        accuracy=lambda: next(sequence),
        max_epochs=max_epochs,
        stop_accuracy=0.1,
        accumulate=accumulate,
        report=history,
    )
    return best, item, history, optimizer


def after(updates: int) -> float:
    """The value after so many updates that nothing interrupted."""
    return float(run([1 - 0.1 * (k + 1) for k in range(updates)], max_epochs=updates)[1].value.detach())


def test_an_epoch_that_does_not_help_is_taken_back_with_the_optimiser_and_moves_the_schedule() -> None:
    best, item, history, optimizer = run([0.9, 0.9, 0.8, 0.95, 0.7, 0.7], levels=3)
    assert history.column("kept") == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert history.column("sigma") == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.3])
    assert best == 0.7
    assert float(item.value.detach()) == after(3)  # as if the three that were taken back had never been
    assert float(optimizer.state[item.value]["step"]) == 3


def test_the_schedule_s_end_stops() -> None:
    best, item, history, optimizer = run([1.0, 1.0, 1.0], levels=3)
    assert best == 1.0
    assert float(item.value) == 1.0
    assert len(optimizer.state[item.value]) == 0
    assert history.column("synthetic_accuracy") == [1.0, 1.0, 1.0]
    assert "original" in history.column("note")[0]


@pytest.mark.parametrize(("answers", "epochs"), [([0.5, 0.1], 2), ([0.0], 1), ([0.5, 0.11, 0.05], 3)])
def test_low_enough_stops(answers: list[float], epochs: int) -> None:
    best, _, history, _ = run(answers)
    assert best == answers[-1]
    assert len(history.column("loss")) == epochs
    assert not history.column("note")


def test_no_more_epochs_than_allowed_and_rejected_ones_count() -> None:
    _, _, history, _ = run([0.9, 0.9, 0.8, 0.8], max_epochs=4)
    assert len(history.column("kept")) == 4


def test_batches_share_updates_and_their_mean_loss_counts() -> None:
    slopes: list[float] = []

    def loss(item: Weight, rows: Tensor, sigma: float) -> Tensor:
        slopes.append(float(item.value.detach()))
        return item.value.sum() * (float(rows) + 1.0)

    _, _, history, _ = run([0.9, 0.8], batches=3, accumulate=2, loss=loss, max_epochs=1)
    assert slopes[0] == slopes[1]  # the first update comes after two batches
    assert slopes[2] < slopes[1]
    expected = (slopes[0] * 1 + slopes[1] * 2 + slopes[2] * 3) / 3
    assert history.column("loss")[0] == pytest.approx(expected)


def test_the_stop_is_checked_at_every_update() -> None:
    _, _, history, optimizer = run([0.05], batches=4, accumulate=1)
    assert history.column("synthetic_accuracy") == [0.05]
    assert next(iter(optimizer.state.values()))["step"] == 1


def test_a_loss_that_is_not_finite_names_step_and_value() -> None:
    with pytest.raises(CellFailure, match="nan in step 0"):
        run([0.5], loss=lambda item, rows, sigma: item.value.sum() * float("nan"))


def test_a_checkpoint_restores_only_what_moved() -> None:
    weights = [weight("a", [1.0]), weight("b", [2.0])]
    optimizer = adam(weights)
    checkpoint = Checkpoint([item.value for item in weights], optimizer)
    with torch.no_grad():
        for item in weights:
            item.value.add_(1)
    checkpoint.keep([weights[0].value])
    with torch.no_grad():
        for item in weights:
            item.value.add_(1)
    checkpoint.restore([item.value for item in weights])
    assert [float(item.value) for item in weights] == [2.0, 2.0]
