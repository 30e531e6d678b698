"""Multimodal null space: project what names and synthetic images say of the forget set out of the joint space."""

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Request, tunable
from unlearn_bench.methods.text_null_space import TextNullSpace
from unlearn_bench.training.projection import Removal, directions, removal, span


@dataclass(frozen=True, kw_only=True)
class NullSpace(TextNullSpace):
    """Multimodal null space, a RECONSTRUCTION: W' = W (I - a U U^T), U from class texts and visual prototypes.

    With t_c the class texts at length 1, m their mean over the kept classes, B an orthonormal basis of the span of
    all t_c - m, and v_f the mean embedding (each at length 1) of the synthetic images of f,

        T_f = t_f - m,    V_f = B B^T (v_f - m),    F = [T_f ; V_f] as columns of length 1
        K = orth(t_k - m : k kept, of a class that is forgotten in another domain)
        R = (I - K K^T) F = U S V^T,    P = I - a F V S^-1 U^T,    W' = W P^T,    b' = P b

    B takes the gap between the modalities off the prototypes: a vector that all images share and that lies across
    the differences of texts. The request alone decides the mode:

    global: no kept concept shows a forgotten class. K is empty, R = F, and P = I - a U U^T. At a = 1 with all
        directions, each image's cosine with t_f is the mean of its cosines with the kept texts.
    domain-specific: the class is kept in other domains. U finds the style (and what is special to the class in it),
        and where it does, all of the class is taken off: embeddings in the span of the kept siblings pass unchanged,
        and F becomes (1 - a) F. The orthogonal I - a U U^T would take the style off and leave the class.
    complete: all concepts of a domain. K holds the classes, so that U is the style of the domain. One linear map
        can't remove every class in one style and keep it in another: what goes is the domain, not its objects.

    Args (beside those of `TextNullSpace`):
        rank: directions at most, the greatest singular values first; 0 for all.
        least_sine: directions closer to K than this (sine of the angle) stay, since they can't be told from it.

    Raises:
        CellFailure: the model's embeddings are not finite, or no synthetic image could be made.

    Source: Ashish Mishra, Gyanaranjan Nayak, Tarun Kumar, Arpit Shah, Suparna Bhattacharya, Martin Foltin, 2025,
    Selective, Controlled and Domain-Agnostic Unlearning in Pretrained CLIP: A Training- and Data-Free Approach,
    https://arxiv.org/abs/2512.14113.

    Departures: the paper's formula was not at hand. From it: a null space of text prompts and synthesised prototypes,
    in closed form, at the final projection, in three modes. Ours: all else (m, B, K, the oblique form, the tower).
    The defaults come from an early trial on tuning classes of the embedded models.
    """

    name = "null-space"
    access = "ZS"
    reference = "Mishra et al., 2025, Selective, Controlled and Domain-Agnostic Unlearning in CLIP (reconstruction)"

    rank: int = tunable(0, choices=(0, 1))  # one class has two directions at most, so that 0 is 2
    least_sine: float = 0.2
    batch_size: int = 64  # synthetic images

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 0 or not 0 <= self.least_sine <= 1:
            raise InputError(f"rank is {self.rank}, least_sine {self.least_sine}; give a number from 0, and 0 to 1")

    def find(self, clip: Clip, request: Request, texts: Tensor, centre: Tensor) -> Removal:
        """What to project out, given the class texts (C, D), the forgotten ones first, and m (D,)."""
        basis = span(texts - centre)
        seen = (self.prototypes(clip, request) - centre) @ basis @ basis.T  # (k, D)
        return removal(
            torch.cat([texts[: len(request.forget)] - centre, seen]),
            texts[siblings(request)] - centre,
            rank=self.rank,
            least_sine=self.least_sine,
        )

    def prototypes(self, clip: Clip, request: Request) -> Tensor:
        """v: of each forgotten concept, the mean direction of its synthetic images, (k, D)."""
        synthetic = request.synthesize()
        parts = [
            clip.encode_images(clip.normalise(unit.to(request.device)))
            for unit in torch.split(synthetic.unit, self.batch_size)
        ]
        seen = directions(torch.cat(parts))  # (M, D)
        return torch.stack([seen[synthetic.labels == label].mean(0) for label in range(len(request.forget))])


def siblings(request: Request) -> list[int]:
    """Indices of the kept concepts that show in another domain what a forgotten one shows in its own."""
    shown = {concept.class_name or concept.name for concept in request.forget if concept.domain}
    return [
        place
        for place, concept in enumerate(request.retain, start=len(request.forget))
        if concept.domain and (concept.class_name or concept.name) in shown
    ]
