"""The last linear map of a tower, told by use: turn it, and every embedding turns alike."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip, Tower
from unlearn_bench.models.probing import Call, Probe
from unlearn_bench.seeding import generator

_TOLERANCE = 1e-3
"""Of an embedding's length: rounding of fp32 is far below, what is not linear far above."""

_LAST_CALLS = 3
"""Linear layers that are tried, counted from the end: something may be computed after the embedding."""

_OTHER_HOLDERS = (nn.Embedding, nn.EmbeddingBag, nn.MultiheadAttention, nn.RNNBase, nn.LayerNorm, nn.Bilinear)


@dataclass(frozen=True, kw_only=True)
class LastMap:
    """The map y = x W + b that a tower's embedding comes out of.

    Attributes:
        weight: the name of W in the state. bias: that of b; None where there is none.
        by_rows: W is stored (D, H), as an nn.Linear does; else (H, D).
        normalised: the tower brings y to a length of its own, such as 1, before it gives it back.
    """

    weight: str
    bias: str | None
    by_rows: bool
    normalised: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of W, and of b where there is one."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)


def find_last_map(clip: Clip, tower: Tower, *, among: Collection[str] | None = None) -> LastMap | None:
    """The last linear map of a tower; None where no tensor is seen to be that, or the tower can't be run.

    For random W and b in the place of the tower's own, and a random matrix M (D, D), it is the last map exactly where

        W -> W M, b -> b M    turns every embedding y into y M.

    That is what methods rely on which change a projection in closed form. What is not linear after W (a norm with
    weights of its own, an activation) or goes around W (a skip connection) breaks it. A tower that normalises in the
    end keeps it in direction: y M and the new embedding are parallel. This counts too, since the model compares
    directions, and is marked `normalised`.

    Tried are the linear layers that are called last, and matrices that are bare parameters, (H, D) or (D, H) alike.

    Args:
        among: names of tensors to which the search for W is limited; None for all.
    """
    probe = Probe(clip, tower)
    try:
        dimension = probe.run().shape[-1]
        for candidate in _candidates(clip, probe.calls(), dimension):
            if among is None or candidate.weight in among:
                found = _tried(probe, candidate, dimension)
                if found is not None:
                    return found
    except Exception:  # a tower of somebody else's, on inputs of ours: whatever it raises, nothing is told
        return None
    return None


def _candidates(clip: Clip, calls: Sequence[Call], dimension: int) -> Iterator[LastMap]:
    called = dict.fromkeys(call.name for call in reversed(calls))
    layers = dict(clip.module.named_modules())
    for name in list(called)[:_LAST_CALLS]:
        layer = layers[name]
        if isinstance(layer, nn.Linear) and layer.out_features == dimension:
            bias = None if layer.bias is None else f"{name}.bias"
            yield LastMap(weight=f"{name}.weight", bias=bias, by_rows=True)
    for prefix, holder in reversed(list(clip.module.named_modules(prefix=""))):
        if not isinstance(holder, (nn.Linear, *_OTHER_HOLDERS)):
            yield from _bare(prefix, holder, dimension)


def _bare(prefix: str, holder: nn.Module, dimension: int) -> Iterator[LastMap]:
    """Matrices that `holder` itself holds, either way round, with and without a vector beside them."""
    own = {f"{prefix}.{name}" if prefix else name: value for name, value in holder.named_parameters(recurse=False)}
    vectors = [name for name, value in own.items() if value.shape == (dimension,)]
    for name, value in own.items():
        if value.ndim == 2:
            ways = [by_rows for by_rows in (False, True) if value.shape[0 if by_rows else 1] == dimension]
            for bias in (*vectors, None):
                yield from (LastMap(weight=name, bias=bias, by_rows=by_rows) for by_rows in ways)


def _tried(probe: Probe, candidate: LastMap, dimension: int) -> LastMap | None:
    """`candidate`, if the embeddings follow it."""
    parameters = dict(probe.clip.module.named_parameters())
    own = parameters[candidate.weight]
    stream = generator("last map", candidate.weight)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=stream).to(own)

    inner = own.shape[1 if candidate.by_rows else 0]
    weight, turn = draw(inner, dimension) / inner**0.5, draw(dimension, dimension) / dimension**0.5  # W, M
    bias = None if candidate.bias is None else draw(dimension)

    def embed(weight: Tensor, bias: Tensor | None) -> Tensor:
        values = {candidate.weight: weight.T if candidate.by_rows else weight}
        return probe.run(values if bias is None else {**values, str(candidate.bias): bias})

    before = embed(weight, bias)
    if bias is not None and _close(embed(weight, 0 * bias), before):
        return None  # a vector that the tower does not add
    expected, after = before @ turn, embed(weight @ turn, None if bias is None else bias @ turn)
    if _close(after, expected):
        return candidate
    parallel = _close(nn.functional.normalize(after, dim=-1), nn.functional.normalize(expected, dim=-1))
    return replace(candidate, normalised=True) if parallel else None


def _close(found: Tensor, expected: Tensor) -> bool:
    """Whether each row is there, none of them 0, up to rounding."""
    sizes = expected.norm(dim=-1)
    return bool(((found - expected).norm(dim=-1) < _TOLERANCE * sizes).all())
