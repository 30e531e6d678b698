"""open_clip's ModifiedResNet with its normalisation folded in, and one query for its pool.

Batch normalisation in evaluation mode is a linear map of each channel, so that it goes into the convolution before:

    gamma (w * x - mean) / sqrt(var + eps) + beta  =  (s w) * x + (beta - s mean),  s = gamma / sqrt(var + eps)

The attention pool gives back one token, that of the mean (see `attention`). Gradients reach every tensor as they do
through the modules.
"""

from typing import Any

import torch
from open_clip.modified_resnet import AttentionPool2d, Bottleneck
from torch import Tensor, nn
from torch.nn import functional

from unlearn_bench.models.quick.attention import Projection, gather

KINDS = frozenset(
    {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.Identity, nn.Linear, nn.Sequential}
    | {Bottleneck, AttentionPool2d}
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
    found = gather(
        pool.q_proj(tokens[:, 0]),
        tokens,
        keys=Projection(pool.k_proj.weight, pool.k_proj.bias),
        values=Projection(pool.v_proj.weight, pool.v_proj.bias),
        heads=pool.num_heads,
    )
    embedded: Tensor = pool.c_proj(found)
    return embedded
