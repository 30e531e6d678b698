"""The last block of open_clip's transformers, of which a tower uses one token: no other one is computed.

    x <- x_e + A(LN_1(x))_e,   y = x + MLP(LN_2(x))          e: the place of the token that the tower goes on with

In a tower of n blocks that saves about 1 / n of the time.
"""

from typing import Any, cast

import torch
from open_clip.transformer import LayerNorm, LayerNormFp32, LayerScale, QuickGELU, ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from unlearn_bench.models.quick.attention import Projection, gather
from unlearn_bench.models.quick.plain import is_plain

_KINDS = frozenset(
    {ResidualAttentionBlock, nn.MultiheadAttention, NonDynamicallyQuantizableLinear, nn.Linear, nn.Sequential}
    | {LayerNorm, LayerNormFp32, LayerScale, nn.Identity, nn.GELU, QuickGELU}
)


def is_quick(block: nn.Module) -> bool:
    """Whether `run_last` stands for this block."""
    if not is_plain(block, kinds=_KINDS):
        return False
    attention: Any = block.attn
    own_tokens_only = attention.bias_k is None and attention.bias_v is None and not attention.add_zero_attn
    return bool(own_tokens_only and attention._qkv_same_embed_dim and attention.in_proj_bias is not None)


def run_last(block: Any, tokens: Tensor, places: Tensor, *, causal: bool) -> Tensor:  # noqa: ANN401  (untyped there)
    """What a block makes of one token of each row.

    Args:
        block: one of which `is_quick` is true. tokens: (B, T, W). places: (B,) int64, the token of each row.
        causal: whether a token sees only those up to its own place.

    Returns:
        (B, W).
    """
    attention, rows = block.attn, torch.arange(len(tokens), device=tokens.device)
    normal = block.ln_1(tokens)  # (B, T, W)
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    found = gather(
        nn.functional.linear(normal[rows, places], weights[0], biases[0]),
        normal,
        keys=Projection(weights[1], biases[1]),
        values=Projection(weights[2], biases[2]),
        heads=attention.num_heads,
        seen=torch.arange(tokens.shape[1], device=tokens.device) <= places[:, None] if causal else None,
    )
    chosen = tokens[rows, places] + block.ls_1(attention.out_proj(found))
    return cast(Tensor, chosen + block.ls_2(block.mlp(block.ln_2(chosen))))
