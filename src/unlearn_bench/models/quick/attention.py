"""Attention where a single query is of interest: what one token gathers from all."""

from typing import NamedTuple

import torch
from torch import Tensor


class Projection(NamedTuple):
    """y = W x + b. weight: (E, D). bias: (E,)."""

    weight: Tensor
    bias: Tensor


def gather(
    query: Tensor, tokens: Tensor, *, keys: Projection, values: Projection, heads: int, seen: Tensor | None = None
) -> Tensor:
    """Multi-head attention of one query for each row, without keys and values of the tokens.

    For head h with query q_h and attention p_h over the tokens x_j

        q_h . (K_h x_j + k_h)      =  (K_h^T q_h) . x_j + q_h . k_h
        sum_j p_hj (V_h x_j + v_h) =  V_h (sum_j p_hj x_j) + v_h,    as sum_j p_hj = 1

    which takes some 2 D E multiplications for T tokens of D channels, in place of 2 T D E. Gradients reach every
    tensor as they do the usual way.

    Args:
        query: (B, E), projected. tokens: (B, T, D). keys, values: from D to E. heads: a divisor of E.
        seen: (B, T) bool, the tokens that the query attends to; None: all.

    Returns:
        (B, E), the heads one after the other.
    """
    width = query.shape[1] // heads
    parted = (query * width**-0.5).view(-1, heads, width).transpose(0, 1)  # (H, B, W)
    asked = torch.bmm(parted, keys.weight.view(heads, width, -1))  # (H, B, D)
    same = torch.bmm(parted, keys.bias.view(heads, width, 1))  # (H, B, 1), alike for all tokens
    scores = torch.bmm(asked.transpose(0, 1), tokens.transpose(1, 2)) + same.transpose(0, 1)  # (B, H, T)
    if seen is not None:
        scores = scores.masked_fill(~seen[:, None], -torch.inf)
    mixed = torch.bmm(scores.softmax(-1).to(tokens.dtype), tokens).transpose(0, 1)  # (H, B, D)
    found = torch.bmm(mixed, values.weight.view(heads, width, -1).transpose(1, 2))  # (H, B, W)
    return found.transpose(0, 1).flatten(1) + values.bias
