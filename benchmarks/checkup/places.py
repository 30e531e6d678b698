"""What a model's tensors are there for: the roles that `locate` gives, and whether projections are projections."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from unlearn_bench.benchmarks.checkup.subject import (
    ROUNDING,
    Finding,
    Subject,
    apart,
    bad,
    doubtful,
    embed_images,
    embed_tokens,
    good,
    some,
)
from unlearn_bench.clip import Clip, Role, Tower
from unlearn_bench.models.last_map import find_last_map
from unlearn_bench.seeding import generator
from unlearn_bench.training.projection import find_projection

_TOWERS: tuple[Tower, ...] = ("image", "text")


@dataclass(frozen=True, kw_only=True)
class RoleCount:
    """How many trainable tensors of a tower have a role, and how many numbers are in them."""

    tower: Tower
    role: Role
    tensors: int
    parameters: int


def count_roles(clip: Clip) -> tuple[RoleCount, ...]:
    """The roles of each tower, in the order in which the model has them."""
    sizes: dict[tuple[Tower, Role], list[int]] = {}
    for weight in clip.weights():
        sizes.setdefault((weight.place.tower, weight.place.role), []).append(weight.value.numel())
    return tuple(
        RoleCount(tower=tower, role=role, tensors=len(found), parameters=sum(found))
        for (tower, role), found in sizes.items()
    )


def roles(subject: Subject) -> Iterator[Finding]:
    """Whether each trainable tensor has a role that methods can go by."""
    weights = subject.clip.weights()
    for tower in _TOWERS:
        own = [weight for weight in weights if weight.place.tower == tower]
        untold = [weight.name for weight in own if weight.place.role == "other"]
        if untold:
            yield doubtful(
                f"{tower} roles",
                f"not told of {some(untold)}, so `other`; override `locate` where one of them is, say, an attention "
                "or a position_embedding: lip and emb leave certain roles alone",
            )
        else:
            yield good(f"{tower} roles", f"told of all {len(own)} tensors")


def projections(subject: Subject) -> Iterator[Finding]:
    """Whether the last linear map of each tower is known, and is one: turned, it turns every embedding."""
    clip = subject.clip
    for tower in _TOWERS:
        about = f"{tower} projection"
        own = [w for w in clip.weights() if w.place.tower == tower and w.place.role == "projection"]
        claimed = [weight.name for weight in own]
        acting = find_last_map(clip, tower)
        example = f'Place(tower="{tower}", stage=.., role="projection")'
        if acting is not None and not claimed:
            yield doubtful(about, f"{acting.weight} acts as one; override `locate` to give {example} for it")
        elif not claimed:
            yield doubtful(
                about,
                "none: the tower does not end in a linear map that can be told (a norm with weights, an activation "
                "or a sum comes last?); methods that change it are left out below. If it does, let the tower end "
                f"with it, or override `locate` to give {example} for it",
            )
        elif not _turns(subject, tower):
            yield bad(
                about,
                f"locate names {some(claimed)}, but turning it does not turn the embeddings; name the matrix (and "
                "its bias) that comes last, or none",
            )
        else:
            projection = find_projection(clip, tower)
            shape = "" if projection is None else " -> ".join(str(size) for size in projection.matrix.shape)
            yield good(about, f"{some(claimed)}, {shape}; turned, it turns every embedding")


def _turns(subject: Subject, tower: Tower) -> bool:
    """Whether all embeddings become P y when the projection is followed with P, up to their lengths."""
    twin = subject.clip.copy()
    projection = find_projection(twin, tower)
    if projection is None:
        return False
    before, after = _embeddings(subject, subject.clip, tower), None
    turn = torch.randn(2 * before.shape[1:], generator=generator("checkup", "turn")).to(before)
    projection.follow_with(turn)
    after = _embeddings(subject, twin, tower)
    return apart(normalize(after, dim=-1), normalize(before @ turn.T, dim=-1)) < ROUNDING


def _embeddings(subject: Subject, clip: Clip, tower: Tower) -> Tensor:
    return embed_images(clip, subject.inputs) if tower == "image" else embed_tokens(clip, subject.tokens)
