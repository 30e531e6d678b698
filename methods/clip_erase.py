"""CLIPErase: part images from their texts on the forget set, and hold both losses and outputs on the rest."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import (
    batch_logits,
    endless,
    from_pixels,
    pair_similarity,
    symmetric_cross_entropy,
    train,
    trainable_names,
    two_way_divergence,
)
from unlearn_bench.training.optimisers import adam


@dataclass(frozen=True, kw_only=True)
class CLIPErase(Method):
    """CLIPErase: a forgetting, a retention and a consistency module, on real image-text pairs of both sets.

    With v, t normalised embeddings, s_iu = scale v_i . t_u over the images i and the different texts u of a retain
    batch, and p, q the softmax of s by the original and by the trained model, Adam minimises

        L             = L_retain + 3 L_forget + 3 L_consistency
        L_forget      = mean_i v_i . t_i over forget pairs
        L_retain      = CLIP's symmetric contrastive loss of s (`loop.symmetric_cross_entropy`)
        L_consistency = mean_i KL(p_i. || q_i.) over texts + mean_u KL(p_.u || q_.u) over images

    The texts are the examples' own, captions or class texts. Every step takes a batch of each set; an epoch is a pass
    over the forget set, and retain batches go on where the last epoch ended. Both towers move. A weight of 0 switches
    its module off, and nothing of it is computed. The original's outputs come from a frozen copy, one pass without a
    graph for each retain batch: the memory of a second model, however many pairs there are.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: the loss is not finite.
        InputError: a weight is negative, or all are 0.

    Source: Tianyu Yang, Lisen Dai, Xiangqi Wang, Minhao Cheng, Yapeng Tian, Xiangliang Zhang, 2025, CLIPErase:
    Efficient Unlearning of Visual-Textual Associations in CLIP, ACL, https://arxiv.org/abs/2410.23330. Formula and
    settings are known second-hand; the learning rate is that for CIFAR-100 and CC12M (Flickr30K: 1e-8).

    Departures: the result is the last epoch's, not the best on validation pairs: a method is given none, and the
    number of epochs is tuned instead. Whether embeddings are normalised in L_forget, what an epoch is, and how
    batches of the two sets meet are open there. Equal texts in a batch are one candidate. The retain pairs are of the
    forget set's own dataset. The token embedding stays (`loop.trainable_names`).
    """

    name = "clip-erase"
    access = "not-ZS"
    reference = "Yang et al., 2025, CLIPErase: Efficient Unlearning of Visual-Textual Associations in CLIP"

    learning_rate: float = tunable(1e-6, low=3e-5, high=0.3, log=True, unit="rms")
    epochs: int = tunable(20, choices=(3, 5, 10, 20))
    retain_weight: float = 1.0
    forget_weight: float = tunable(3.0, low=0.1, high=30.0, log=True)
    consistency_weight: float = tunable(3.0, low=0.1, high=30.0, log=True)
    batch_size: int = tunable(16, choices=(8, 16, 32))  # pairs of each set

    def __post_init__(self) -> None:
        weights = (self.retain_weight, self.forget_weight, self.consistency_weight)
        if not (min(weights) >= 0 and max(weights) > 0):
            raise InputError(
                f"weights of retention, forgetting and consistency are {weights}; give numbers from 0, one above it"
            )

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """Real images are missing on either side."""
        return lacking_images(request, "forget", "retain")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Train on forget and retain pairs, in place."""
        forget, retain = request.forget_examples, request.retain_examples
        if forget is None or retain is None:
            return clip
        places = {text: place for place, text in enumerate(dict.fromkeys((*forget.texts, *retain.texts)))}
        forget_pairs, retain_pairs = (
            from_pixels(clip, part.pixels, torch.tensor([places[text] for text in part.texts]))
            for part in (forget, retain)
        )
        modules = _Modules(self, clip, endless(retain_pairs, self.batch_size, request.generator("retain order")))
        train(
            clip,
            forget_pairs,
            adam(clip.train_only(trainable_names(clip)), learning_rate=self.learning_rate),
            loss=modules.loss,
            tokens=clip.tokenize(list(places)),
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
            watch=modules.means,
        )
        return clip


class _Modules:
    """The losses whose weight is above 0, and their means since the last report."""

    def __init__(self, method: CLIPErase, clip: Clip, retain_batches: Iterator[tuple[Tensor, Tensor]]) -> None:
        weights = {
            "forget": method.forget_weight,
            "retain": method.retain_weight,
            "consistency": method.consistency_weight,
        }
        self._weights = {name: weight for name, weight in weights.items() if weight}
        self._retain_batches = retain_batches
        self._original = clip.copy() if "consistency" in self._weights else None
        self._steps: list[dict[str, float]] = []

    def loss(self, clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
        """Their weighted sum for a batch of forget pairs and the next one of retain pairs."""
        found = {}
        if "forget" in self._weights:
            found["forget"] = pair_similarity(clip, inputs, labels, tokens)
        if self._weights.keys() - {"forget"}:
            kept, own = next(self._retain_batches)
            logits, column = batch_logits(clip, kept, own, tokens)  # (B, U), (B,)
            if "retain" in self._weights:
                found["retain"] = symmetric_cross_entropy(logits, column)
            if self._original is not None:
                with torch.no_grad():
                    known, _ = batch_logits(self._original, kept, own, tokens)
                found["consistency"] = two_way_divergence(known, logits)
        self._steps.append({name: float(value.detach()) for name, value in found.items()})
        return torch.stack([self._weights[name] * value for name, value in found.items()]).sum()

    def means(self) -> dict[str, float]:
        """The mean of each loss, before weighting, over the steps since the last call."""
        steps, self._steps = self._steps, []
        return {name: sum(step[name] for step in steps) / len(steps) for name in self._weights}
