"""open_clip's ModifiedResNet in fewer operations: the same function of the same tensors, up to rounding.

Two things that hold exactly in real numbers are used. Batch normalisation in evaluation mode is a linear map of each
channel, so that it goes into the convolution before it:

    gamma (w * x - mean) / sqrt(var + eps) + beta  =  (s w) * x + (beta - s mean),  s = gamma / sqrt(var + eps)

And the attention pool gives back one token, so that one query is enough. Keys and values need not be computed either,
since for head h with query q_h = W_q,h x_0 + b_q,h and attention p_h over the tokens x_j

    q_h . (W_k,h x_j + b_k,h)      =  (W_k,h^T q_h) . x_j + q_h . b_k,h
    sum_j p_hj (W_v,h x_j + b_v,h) =  W_v,h (sum_j p_hj x_j) + b_v,h,    as sum_j p_hj = 1

which takes some 3 D^2 multiplications for T tokens of D channels, in place of 3 T D^2. Gradients reach every tensor
as they do through the modules.
"""

from itertools import chain
from typing import Any

import torch
from open_clip.modified_resnet import AttentionPool2d, Bottleneck
from torch import Tensor, nn
from torch.nn import functional

_OWN = frozenset(
    {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.Identity, nn.Linear, nn.Sequential}
    | {Bottleneck, AttentionPool2d}
)


def is_plain(*parts: nn.Module) -> bool:
    """Whether these parts of the tower are as open_clip builds them, in evaluation mode, with nobody listening.

    Where they are not (adapters, hooks), their own `forward` must run: the rules here would pass by them.
    """
    return not any(
        type(module) not in _OWN
        or module.training
        or "forward" in vars(module)
        or module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        for module in chain.from_iterable(part.modules() for part in parts)
    )


def run_stem(visual: Any, activation: Tensor) -> Tensor:  # noqa: ANN401  (open_clip carries no types)
    """Images (B, 3, S, S) to (B, width, S/4, S/4)."""
    for number in "123":
        conv, norm = getattr(visual, f"conv{number}"), getattr(visual, f"bn{number}")
        activation = _convolved(activation, conv, norm).relu_()
    pooled: Tensor = visual.avgpool(activation)
    return pooled


def stem_parts(visual: nn.Module) -> list[nn.Module]:
    """The modules of the stem, which the tower holds side by side."""
    return [getattr(visual, f"{kind}{number}") for kind in ("conv", "bn", "act") for number in "123"]


def run_layer(layer: nn.Sequential, activation: Tensor) -> Tensor:
    """A stage of residual blocks, (B, C, H, W) to (B, C', H', W')."""
    for block in layer:
        activation = _block(block, activation)
    return activation


def _block(block: Any, activation: Tensor) -> Tensor:  # noqa: ANN401  (open_clip carries no types)
    inner = _convolved(activation, block.conv1, block.bn1).relu_()
    inner = block.avgpool(_convolved(inner, block.conv2, block.bn2).relu_())
    inner = _convolved(inner, block.conv3, block.bn3)
    shortcut = activation
    if block.downsample is not None:
        pool, conv, norm = block.downsample
        shortcut = _convolved(activation if pool.kernel_size == 1 else pool(activation), conv, norm)
    return inner.add_(shortcut).relu_()


def _convolved(activation: Tensor, conv: nn.Conv2d, norm: Any) -> Tensor:  # noqa: ANN401  (its buffers may be None)
    """Convolution and normalisation of (B, I, H, W), as one."""
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)  # (O,)
    weight, bias = conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
    return functional.conv2d(activation, weight, bias, conv.stride, conv.padding)


def run_pool(pool: AttentionPool2d, activation: Tensor) -> Tensor:
    """The last activation (B, D, H, W) to the embedding (B, out)."""
    tokens = activation.flatten(2).transpose(1, 2)  # (B, HW, D)
    tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1) + pool.positional_embedding  # (B, T, D)
    heads, width = pool.num_heads, tokens.shape[-1] // pool.num_heads
    query = pool.q_proj(tokens[:, 0]) * width**-0.5
    query = query.unflatten(1, (heads, width)).transpose(0, 1)  # (heads, B, width)
    asked = torch.bmm(query, pool.k_proj.weight.unflatten(0, (heads, width)))  # (heads, B, D)
    same = torch.bmm(query, pool.k_proj.bias.view(heads, width, 1))  # (heads, B, 1): alike for all tokens
    scores = torch.bmm(asked.transpose(0, 1), tokens.transpose(1, 2)) + same.transpose(0, 1)  # (B, heads, T)
    mixed = torch.bmm(scores.softmax(-1), tokens).transpose(0, 1)  # (heads, B, D)
    values = torch.bmm(mixed, pool.v_proj.weight.unflatten(0, (heads, width)).transpose(1, 2))  # (heads, B, width)
    embedded: Tensor = pool.c_proj(values.transpose(0, 1).flatten(1) + pool.v_proj.bias)
    return embedded
