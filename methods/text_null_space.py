"""Text null space: project what the forgotten names say out of the joint space, in closed form."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unlearn_bench.clip import Clip, Tower
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Access, Method, Request, tunable
from unlearn_bench.training.projection import Removal, directions, find_projection, lacks_projection, removal


@dataclass(frozen=True, kw_only=True)
class TextNullSpace(Method):
    """Text null space: each tower's last projection W becomes W (I - a U U^T), U from class texts alone.

    With t_c the class texts at length 1 and m the mean over the kept classes,

        U = orth(t_f - m : f to be forgotten),    W' = W (I - a U U^T),    b' = (I - a U U^T) b

    Where only the image tower moves and a = 1, every image v' has cos(v', t_f) = mean over kept c of cos(v', t_c):
    whatever the image shows, the forgotten class is never above the best of the others. With a between 0 and 1 its
    lead over that mean, before lengths are taken off, is 1 - a of what it was. No training, no images.

    Why m: all texts of a model share one large direction, and all images another. Without m they are most of U, and
    each class loses in proportion to how like the forgotten one its text is, for every image alike. With m, what
    images and class texts have in common changes no ranking.

    Args:
        strength: a, for the image tower; 0 leaves it as it is.
        text_strength: a, for the text tower. There it is the lesser tool: cosines undo lengths, so that the
            forgotten text, pulled towards m, becomes the text that is nearest to everything.
        centred: False for m = 0.

    Raises:
        CellFailure: the model's embeddings are not finite.

    Source: Ashish Mishra, Tarun Kumar, Gyanaranjan Nayak, Arpit Shah, Suparna Bhattacharya, Martin Foltin, 2025,
    Erasing CLIP Memories: Non-Destructive, Data-Free Zero-Shot class Unlearning in CLIP Models,
    https://arxiv.org/abs/2512.14137.

    Departures: a reconstruction from the abstract (an orthonormal basis of the forgotten class texts, projected out
    of the final projection, wholly or in part). Ours: m, the image tower, and both strengths, whose defaults come
    from an early trial on tuning classes of the embedded models.
    """

    name = "text-null-space"
    access: ClassVar[Access] = "ZS"
    reference = "Mishra et al., 2025, Erasing CLIP Memories (reconstruction)"

    strength: float = tunable(0.8, low=0.05, high=3.0)
    text_strength: float = tunable(0.0, choices=(0.0, 0.25, 0.5, 1.0, 1.5))
    centred: bool = True

    def __post_init__(self) -> None:
        if min(self.strength, self.text_strength) < 0 or not self.strengths():
            raise InputError(
                f"strength is {self.strength} and text_strength {self.text_strength}; give numbers from 0, one above"
            )

    def strengths(self) -> dict[Tower, float]:
        """The towers that move, each with its a."""
        both: dict[Tower, float] = {"image": self.strength, "text": self.text_strength}
        return {tower: strength for tower, strength in both.items() if strength}

    def skip(self, clip: Clip, request: Request) -> str | None:
        """No projection that can be told, or no kept class to take the mean of."""
        if not request.retain:
            return "no class is kept, so there is no mean of class texts to move towards"
        return lacks_projection(clip, tuple(self.strengths()))

    @torch.no_grad()
    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Change the projections, in place."""
        texts = directions(clip.embed_texts([concept.text for concept in request.concepts]))  # (C, D)
        centre = texts[len(request.forget) :].mean(0) * self.centred  # (D,)
        found = self.find(clip, request, texts, centre)
        request.report(0, directions=found.rank)
        if not found.rank:
            request.report(
                0, note="what is to be forgotten can't be told from what is kept: the original is returned"
            )
        for tower, strength in self.strengths().items() if found.rank else ():
            projection = find_projection(clip, tower)
            if projection is not None:
                projection.follow_with(found.at(strength))
        return clip

    def find(self, clip: Clip, request: Request, texts: Tensor, centre: Tensor) -> Removal:  # noqa: ARG002
        """What to project out, given the class texts (C, D), the forgotten ones first, and m (D,)."""
        return removal(texts[: len(request.forget)] - centre, texts[:0])
