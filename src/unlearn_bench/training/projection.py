"""The last linear map of a tower into the joint space: where it is, what enters it, what is projected out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip, Tower
from unlearn_bench.errors import CellFailure
from unlearn_bench.models.last_map import find_last_map
from unlearn_bench.models.open_clip_model import OpenClip

_NOISE = 1e-3
"""Singular values under this span nothing: in `span` as a share of the greatest one, in `removal`, whose columns have
length 1, as they are."""


@dataclass(frozen=True, kw_only=True)
class Projection:
    """The map y = x W + b by which a tower ends.

    Attributes:
        matrix: W, (H, D), a view of the parameter's memory, whichever way round the parameter stores it.
        bias: b, (D,), or None.
        normalised: the tower brings y to a length of its own before it gives it back.
    """

    matrix: Tensor
    bias: Tensor | None
    normalised: bool = False

    @torch.no_grad()
    def __call__(self, hidden: Tensor) -> Tensor:
        """Hidden states (N, H) to embeddings (N, D)."""
        mapped: Tensor = hidden @ self.matrix
        return mapped if self.bias is None else mapped + self.bias

    @torch.no_grad()
    def follow_with(self, onward: Tensor) -> None:
        """Change W and b in place so that every embedding y becomes P y, for P (D, D)."""
        onward = onward.to(self.matrix)
        self.matrix.copy_(self.matrix @ onward.T)
        if self.bias is not None:
            self.bias.copy_(onward @ self.bias)


def find_projection(clip: Clip, tower: Tower) -> Projection | None:
    """The final projection of a tower; None where the model does not say which tensor that is.

    What a model that is not open_clip's says is held against what its tower does: see `find_last_map`.
    """
    own = [weight for weight in clip.weights() if weight.place.tower == tower and weight.place.role == "projection"]
    matrices = [weight for weight in own if weight.value.ndim == 2]
    biases = [weight.value.detach() for weight in own if weight.value.ndim == 1]
    if len(matrices) != 1 or len(biases) > 1:
        return None
    (found,) = matrices
    value = found.value.detach()
    if isinstance(clip, OpenClip):
        # A Linear stores (D, H), open_clip's bare parameters (H, D); a square matrix does not tell by its shape.
        by_rows = isinstance(clip.module.get_submodule(found.name.rpartition(".")[0]), nn.Linear)
        return Projection(matrix=value.T if by_rows else value, bias=biases[0] if biases else None)
    told = find_last_map(clip, tower, among=[found.name])
    if told is None:
        return None
    bias = None if told.bias is None else clip.module.get_parameter(told.bias).detach()
    return Projection(matrix=value.T if told.by_rows else value, bias=bias, normalised=told.normalised)


def lacks_projection(clip: Clip, towers: Sequence[Tower]) -> str | None:
    """Why the final projections of these towers can't be changed; None where each has one."""
    for tower in towers:
        if find_projection(clip, tower) is None:
            missing = f"{clip.name!r} has no final projection in its {tower} tower that can be told"
            return f"{missing}; its `locate` may name one"
    return None


def lacks_hidden_texts(clip: Clip) -> str | None:
    """Why `hidden_texts` can't read what enters the text projection; None where it can."""
    projection = find_projection(clip, "text")
    if projection is None:
        return lacks_projection(clip, ("text",))
    hidden, joint = projection.matrix.shape
    if projection.normalised and (hidden > joint or projection.bias is not None):
        return (
            f"the text tower of {clip.name!r} normalises its embeddings, so that what enters its projection can't be "
            "read; let it give them back as they are"
        )
    return None


@torch.no_grad()
def hidden_texts(clip: Clip, projection: Projection, texts: Sequence[str]) -> Tensor:
    """What enters the text projection, (N, H), for any model: the tower's output while W is the identity.

    Where D < H it takes several passes, each with another block of the identity. W and b come back bit for bit.
    From a tower that normalises its embeddings x comes at length 1, and rightly only if `lacks_hidden_texts` is None.
    """
    matrix, bias = projection.matrix, projection.bias
    kept = matrix.clone(), None if bias is None else bias.clone()
    tokens, parts = clip.tokenize(texts), []
    try:
        if bias is not None:
            bias.zero_()
        for block in range(0, matrix.shape[0], matrix.shape[1]):
            rows = matrix.zero_()[block : block + matrix.shape[1]]
            rows.fill_diagonal_(1.0)
            parts.append(clip.encode_texts(tokens)[:, : len(rows)])
    finally:
        matrix.copy_(kept[0])
        if bias is not None and kept[1] is not None:
            bias.copy_(kept[1])
    return torch.cat(parts, dim=1)


def directions(embeddings: Tensor) -> Tensor:
    """Embeddings (N, D) of a model at length 1, float64 on the CPU, where a closed form rounds alike on all devices.

    Raises:
        CellFailure: a value is not finite.
    """
    if not bool(torch.isfinite(embeddings).all()):
        raise CellFailure("the model's embeddings are not finite, so nothing can be projected out")
    return nn.functional.normalize(embeddings.detach().cpu().double(), dim=-1)


def span(rows: Tensor) -> Tensor:
    """An orthonormal basis (D, r) of the span of `rows` (N, D), N from 0."""
    left, sizes, _ = torch.linalg.svd(rows.T, full_matrices=False)
    found: Tensor = left[:, sizes > _NOISE * sizes.amax()] if len(rows) else left
    return found


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What is projected out, as I - a (remove @ detect); of rank r.

    Attributes:
        remove: (D, r). detect: (r, D); its rows are orthogonal to all that is kept.
    """

    remove: Tensor
    detect: Tensor

    @property
    def rank(self) -> int:
        """r."""
        return len(self.detect)

    def at(self, strength: float) -> Tensor:
        """P = I - strength (remove @ detect), (D, D) float64."""
        return torch.eye(len(self.remove), dtype=self.remove.dtype) - strength * self.remove @ self.detect


def removal(forget: Tensor, kept: Tensor, *, rank: int = 0, least_sine: float = 0.0) -> Removal:
    """The closed form that takes directions out and lets others pass.

    With F (D, n) the forget vectors as columns of length 1, and K an orthonormal basis of the kept ones,

        R = (I - K K^T) F = U S V^T,    P = I - a F V S^-1 U^T

    P x = x for every x in the span of K, and P F = (1 - a) F where nothing is cut off. Without kept vectors R = F and
    P is the orthogonal I - a U U^T. Cut off are all but the `rank` greatest singular values, those that are noise
    beside columns of length 1, and those for which s_i < least_sine |F v_i|: what lies so close to the kept span
    would be told from it by a difference of that size, and whatever noise is along it would be blown up by
    1 / least_sine.

    Args:
        forget: (n, D), any length but 0.
        kept: (m, D), m from 0.
        rank: directions at most; 0 for all.
        least_sine: of the angle to the span of `kept`, 0 to 1.
    """
    vectors = nn.functional.normalize(forget, dim=-1).T  # (D, n)
    basis = span(kept)
    rest = vectors - basis @ (basis.T @ vectors)  # (D, n)
    left, sizes, right = torch.linalg.svd(rest, full_matrices=False)
    mixed = vectors @ right.T  # (D, n), F V
    counts = (sizes > _NOISE) & (sizes >= least_sine * mixed.norm(dim=0))
    if rank:
        counts &= counts.cumsum(0) <= rank
    return Removal(remove=mixed[:, counts] / sizes[counts], detect=left[:, counts].T)
