"""A small transformer CLIP that open_clip does not build, over bytes, as people write it themselves.

Attention is made of linear layers in four spellings, and the last map is a layer, a bare matrix, or not there.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearn_bench.models.two_towers import TwoTowers

Spelling = Literal["named", "fused", "anonymous", "anonymous-fused"]
Last = Literal["linear", "in-out", "out-in", "none"]
SIDE, PATCH, LENGTH, HEADS = 16, 8, 24, 2


def spell(texts: list[str]) -> Tensor:
    """Bytes from 1, filled up with 0 to the longest text of the batch, cut at 24."""
    rows = [[byte + 1 for byte in text.encode()[:LENGTH]] for text in texts]
    width = max(1, *(len(row) for row in rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Heads apart and together again; mask (N, L) of the places that may be looked at."""
    q, k, v = (item.reshape(*item.shape[:2], HEADS, -1).transpose(1, 2) for item in (q, k, v))
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
    return mixed.transpose(1, 2).flatten(2)


class Named(nn.Module):
    """Four layers with the usual names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(0.1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        mixed: Tensor = self.to_out(attend(self.to_q(x), self.to_k(x), self.to_v(x), mask))
        return mixed


class Anonymous(nn.Module):
    """The same with names that say nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        mixed: Tensor = self.d(attend(self.a(x), self.b(x), self.c(x), mask))
        return mixed


class Fused(nn.Module):
    """One layer for three, as `qkv` and `proj`, or under names that say nothing."""

    def __init__(self, width: int, names: tuple[str, str]) -> None:
        super().__init__()
        self.names = names
        self.add_module(names[0], nn.Linear(width, 3 * width))
        self.add_module(names[1], nn.Linear(width, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        first, last = (self.get_submodule(name) for name in self.names)
        q, k, v = first(x).chunk(3, dim=-1)
        mixed: Tensor = last(attend(q, k, v, mask))
        return mixed


def attention(spelling: Spelling, width: int) -> nn.Module:
    if spelling == "named":
        return Named(width)
    if spelling == "anonymous":
        return Anonymous(width)
    return Fused(width, ("qkv", "proj") if spelling == "fused" else ("one", "two"))


class Block(nn.Module):
    """Attention and perceptron, in one flat module whose name for the attention says nothing."""

    def __init__(self, spelling: Spelling, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.RMSNorm(width)
        self.mix = attention(spelling, width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.mix(self.before(x), mask)
        folded: Tensor = x + self.down(functional.gelu(self.up(self.between(x))))
        return folded


class Tower(nn.Module):
    """Two blocks and a last map: a layer, a bare matrix either way round, or none."""

    def __init__(self, *, width: int, joint: int, spelling: Spelling, last: Last, normalise: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(spelling, width) for _ in range(2))
        self.final = nn.LayerNorm(width)
        self.last, self.normalise = last, normalise
        if last == "linear":
            self.head = nn.Linear(width, joint)
        elif last == "in-out":
            self.matrix = nn.Parameter(torch.randn(width, joint) / width**0.5)
        elif last == "out-in":
            self.matrix = nn.Parameter(torch.randn(joint, width) / width**0.5)
            self.shift = nn.Parameter(torch.zeros(joint))

    def finish(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        pooled = (self.final(x) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        if self.last == "linear":
            pooled = self.head(pooled)
        elif self.last == "in-out":
            pooled = pooled @ self.matrix
        elif self.last == "out-in":
            pooled = functional.linear(pooled, self.matrix, self.shift)
        return functional.normalize(pooled, dim=-1) if self.normalise else pooled


class Images(Tower):
    """A vision transformer of four patches."""

    def __init__(self, *, width: int, **more: object) -> None:
        super().__init__(width=width, **more)  # type: ignore[arg-type]
        self.stem = nn.Conv2d(3, width, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, (SIDE // PATCH) ** 2 + 1, width))

    def forward(self, images: Tensor) -> Tensor:
        patches = self.stem(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        return self.finish(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))


class Texts(Tower):
    """A transformer over bytes; `masked=False` forgets that filling is no text."""

    def __init__(self, *, width: int, masked: bool = True, **more: object) -> None:
        super().__init__(width=width, **more)  # type: ignore[arg-type]
        self.bytes = nn.Embedding(257, width)
        self.position = nn.Embedding(LENGTH, width)
        self.masked = masked

    def forward(self, tokens: Tensor) -> Tensor:
        mask = tokens > 0 if self.masked else torch.ones_like(tokens, dtype=torch.bool)
        mask[:, 0] = True  # the empty text is one place long
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return self.finish(self.bytes(tokens) + self.position(places), mask)


def foreign(
    spelling: Spelling = "named",
    last: Last = "out-in",
    *,
    normalise: bool = False,
    masked: bool = True,
    width: int = 24,
    joint: int = 16,
    seed: int = 0,
) -> TwoTowers:
    """A random one; equal arguments give equal tensors."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        image = Images(width=width, joint=joint, spelling=spelling, last=last, normalise=normalise)
        text = Texts(width=width, joint=joint, spelling=spelling, last=last, normalise=normalise, masked=masked)
    return TwoTowers(image, text, spell, name="foreign", image_size=SIDE, logit_scale=20.0)
