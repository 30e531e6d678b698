"""The mask of single weights, and that it holds against momentum and decay."""

import pytest
import torch
from torch import Tensor, nn

from unlearn_bench.seeding import generator
from unlearn_bench.training.masking import restorer, salient


def test_the_greatest_entries_of_all_tensors_together() -> None:
    masks = salient([torch.tensor([[1.0, 9.0], [2.0, 8.0]]), torch.tensor([7.0, 3.0])], 0.5)
    assert masks[0].tolist() == [[False, True], [False, True]]
    assert masks[1].tolist() == [True, False]


@pytest.mark.parametrize(("share", "expected"), [(0.1, 1), (0.3, 3), (1.0, 10)])
def test_the_share_is_of_all_entries(share: float, expected: int) -> None:
    sizes = [torch.arange(1.0, 7.0), torch.arange(7.0, 11.0)]
    assert sum(int(mask.sum()) for mask in salient(sizes, share)) == expected


def test_entries_without_gradient_are_never_chosen() -> None:
    (mask,) = salient([torch.tensor([0.0, 0.0, 0.0, 5.0])], 0.75)
    assert mask.tolist() == [False, False, False, True]


def steps(values: Tensor, mask: Tensor | None, count: int) -> Tensor:
    """SGD with momentum and decay on drawn gradients."""
    parameter = nn.Parameter(values.clone())
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9, weight_decay=0.3)
    after = restorer([parameter], [mask], optimizer) if mask is not None else lambda: None
    stream = generator("gradients")
    for _ in range(count):
        parameter.grad = torch.randn(values.shape, generator=stream)
        optimizer.step()
        after()
    if mask is not None:
        assert not bool(optimizer.state[parameter]["momentum_buffer"][~mask].any())
    return parameter.detach()


def test_weights_outside_the_mask_stay_bit_for_bit_and_the_others_do_not_notice() -> None:
    values = torch.randn(40, generator=generator("values"))
    mask = torch.rand(40, generator=generator("mask")) < 0.5
    free, held = steps(values, None, 5), steps(values, mask, 5)
    assert torch.equal(held[~mask], values[~mask])
    assert torch.equal(held[mask], free[mask])
    assert bool((held[mask] != values[mask]).all())


def test_one_step_by_hand() -> None:
    mask = torch.tensor([True, False])
    parameter = nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9, weight_decay=0.5)
    after = restorer([parameter], [mask], optimizer)
    for _ in range(2):
        parameter.grad = torch.tensor([2.0, 2.0])
        optimizer.step()
        after()
    first = 1 - 0.1 * (2 + 0.5 * 1)
    second = first - 0.1 * (0.9 * 2.5 + 2 + 0.5 * first)
    assert parameter.tolist() == pytest.approx([second, 1.0])
