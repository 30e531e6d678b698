"""Text-space adaptation: a low-rank change of the text projection sends the forgotten name to the empty text."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.methods.base import Access, Method, Request, tunable
from unlearn_bench.training.loop import finite
from unlearn_bench.training.optimisers import adam
from unlearn_bench.training.projection import directions, find_projection, hidden_texts, lacks_hidden_texts

_DRAWS, _DRAWS_AT_A_NOISE = 1000, 100


@dataclass(frozen=True, kw_only=True)
class TextSpaceAdaptation(Method):
    """Text-space adaptation: train a low-rank addition to the text projection alone, on names alone.

    With rows h of hidden states that enter the text projection W, f the forgotten names, r the kept ones most like
    them, and p0 the embedding of the empty text at length 1, W' = W + A B, A (H, rank), B (rank, D), minimises

        l_f ||p0 - h_f W'|| + l_p ||h_r W - h_r W'|| + l_w ||A B||        (norms over all rows at once)

    by Adam. Where ||p0 - h_f W'|| fell by less than `least_reduction`, training starts again with l_f raised by
    `weight_step`. Then W' takes the place of W. Where p0 is nearest to a forgotten name, noise moves it until it is
    not. Nothing before W moves, so hidden states are computed once. Never moved: all but W.

    Args:
        forget_weight, retain_weight, size_weight: l_f, l_p, l_w.
        similar: kept names for each forgotten one: the nearest by cosine of the embeddings.
        noise: standard deviation of what moves p0 at first, in units of the embedding.
        template: of the names; a class in one domain keeps its own text, which names the domain.

    Raises:
        CellFailure: the loss is not finite, or the empty text can't be moved off the forgotten names.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-shot CLIP Class Forgetting via Text-image Space
    Adaptation, TMLR, https://openreview.net/forum?id=V2SD2uVKEE, and the authors' script (settings for RN50).

    Departures: the similar classes are the nearest kept names, in place of a list written by a language model. A B is
    not scaled. With several forgotten names p0 is one for all; there noise is drawn for each from its own starting
    point. At most 5 trials (there 100), after which the result stands. After every 100 draws in vain the noise
    doubles, since embeddings of other models are longer. The settings are those for RN50 whatever the model.
    """

    name = "text-space-adaptation"
    access: ClassVar[Access] = "ZS"
    reference = "Kravets and Namboodiri, 2025, Zero-shot CLIP Class Forgetting via Text-image Space Adaptation"

    learning_rate: float = tunable(0.01, low=1e-4, high=0.1, log=True)
    forget_weight: float = tunable(1.3, low=0.1, high=30.0, log=True)
    retain_weight: float = tunable(0.4, low=0.03, high=10.0, log=True)
    similar: int = tunable(10, choices=(1, 5, 10, 20, 40))  # kept names for each forgotten one
    size_weight: float = 1.0
    rank: int = 5
    steps: int = 2000  # of one trial
    least_reduction: float = 0.7  # share of the forgotten names' distance to p0
    weight_step: float = 0.05
    trials: int = 5
    noise: float = 0.5
    template: str = "{}"
    report_every: int = 200  # steps

    def __post_init__(self) -> None:
        for name in ("similar", "rank", "steps", "trials", "report_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give a whole number from 1")

    def skip(self, clip: Clip, request: Request) -> str | None:
        """No text projection that can be told, or no kept class to hold on to."""
        if not request.retain:
            return "no class is kept whose text could be held in place"
        return lacks_hidden_texts(clip)

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Train the addition and merge it, in place."""
        projection = find_projection(clip, "text")
        names = [concept.fill(self.template) for concept in request.concepts]
        if projection is None:
            directions(clip.embed_texts(names))  # a model that is not finite says nothing of itself, and fails here
            return clip
        hidden = hidden_texts(clip, projection, [*names, ""])  # (C + 1, H)
        embeddings = projection(hidden)  # (C + 1, D)
        count = len(request.forget)
        near = nearest(embeddings[:-1], count, self.similar)
        target = self.target(embeddings, count, request.generator("empty"))  # (D,)
        addition = self.train(hidden[:count], target - embeddings[:count], hidden[near], request)
        projection.matrix.add_(addition)
        return clip

    def target(self, embeddings: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """p0 (D,), from embeddings (C + 1, D): of the names, the `count` forgotten first, and of the empty text."""
        empty, names = embeddings[-1], normalize(embeddings[:-1], dim=-1)
        moved = empty
        for draw in range(_DRAWS):
            found = normalize(moved, dim=0)
            if not bool(found.isfinite().all()) or int((names @ found).argmax()) >= count:
                return found  # what is not finite fails in the first step
            spread = self.noise * 2 ** (draw // _DRAWS_AT_A_NOISE)
            moved = empty + spread * torch.randn(empty.shape, generator=generator).to(empty)
        raise CellFailure(f"the empty text stays nearest to a forgotten name after {_DRAWS} draws; raise noise")

    def train(self, forget: Tensor, missing: Tensor, retain: Tensor, request: Request) -> Tensor:
        """A B, (H, D): forget (k, H) and retain (n, H) are hidden states, missing (k, D) is from embeddings to p0."""
        stream, weight, rows = request.generator("adapter"), self.forget_weight, torch.cat([forget, retain])
        for trial in range(self.trials):
            start = (2 * torch.rand(rows.shape[1], self.rank, generator=stream) - 1) / rows.shape[1] ** 0.5
            down = start.to(rows).requires_grad_()
            up = torch.zeros(self.rank, missing.shape[1]).to(rows).requires_grad_()
            optimizer = adam([down, up], learning_rate=self.learning_rate)
            for step in range(self.steps):
                added = down @ up
                away, kept = (rows @ added).tensor_split([len(forget)])
                loss = weight * (missing - away).norm() + self.retain_weight * kept.norm()
                loss = loss + self.size_weight * added.norm()
                value = finite(loss, step=step)
                if step % self.report_every == 0:
                    request.report(trial * self.steps + step, loss=value, forget_weight=weight)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            addition: Tensor = (down @ up).detach()
            if (missing - forget @ addition).norm() <= (1 - self.least_reduction) * missing.norm():
                break
            weight += self.weight_step
        return addition


def nearest(embeddings: Tensor, count: int, similar: int) -> Tensor:
    """Ascending rows of `embeddings` (C, D) from `count` on that are among the `similar` nearest by cosine to one
    of the first `count`."""
    lengthless = normalize(embeddings, dim=-1)
    cosines = lengthless[:count] @ lengthless[count:].T  # (k, C - k)
    found: Tensor = torch.unique(cosines.topk(min(similar, cosines.shape[1])).indices)
    return found + count
