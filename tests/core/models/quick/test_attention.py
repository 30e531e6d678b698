"""One query's attention against torch's own, in double precision."""

import pytest
import torch
from torch import Tensor, nn

from unlearn_bench.models.quick.attention import Projection, gather


@pytest.mark.parametrize("heads", [1, 3, 6])
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_multi_head_attention_of_one_query(heads: int, masked: bool) -> None:
    torch.manual_seed(heads)
    attention = nn.MultiheadAttention(12, heads, batch_first=True).double()
    nn.init.normal_(attention.in_proj_bias)
    nn.init.normal_(attention.out_proj.bias)
    tokens = torch.randn(5, 7, 12, dtype=torch.float64, requires_grad=True)
    places = torch.tensor([6, 0, 3, 3, 1])
    rows = torch.arange(5)
    seen = torch.arange(7) <= places[:, None]  # (B, T)
    mask = torch.ones(7, 7, dtype=torch.bool).triu(1) if masked else None
    every, _ = attention(tokens, tokens, tokens, attn_mask=mask, need_weights=False)

    def own() -> Tensor:
        weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        query = nn.functional.linear(tokens[rows, places], weights[0], biases[0])
        found = gather(
            query,
            tokens,
            keys=Projection(weights[1], biases[1]),
            values=Projection(weights[2], biases[2]),
            heads=heads,
            seen=seen if masked else None,
        )
        output: Tensor = attention.out_proj(found)
        return output

    expected, found = every[rows, places], own()
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    moving = [tokens, *attention.parameters()]
    weights = torch.randn(5, 12, dtype=torch.float64)
    slopes = [torch.autograd.grad((output * weights).sum(), moving) for output in (expected, found)]
    for theirs, ours in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)
