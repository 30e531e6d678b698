"""SSD: dampen the weights that matter more to the forget set than to all images."""

from dataclasses import dataclass

import torch

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.gradients import mean_square_gradient
from unlearn_bench.training.loop import from_pixels, shuffled, trainable_names


@dataclass(frozen=True, kw_only=True)
class Ssd(Method):
    """SSD: selective synaptic dampening shrinks single weights by how much more they matter to the forget set.

        w <- w min(l I_D / I_f, 1)   where I_f > a I_D; the others stay

    I is the mean over batches of the squared gradient of a batch's mean cross-entropy (scaled cosines over each
    image's candidates, true class; `candidates.Candidates`, `gradients.mean_square_gradient`): I_f over the forget
    images, I_D over these and the retain images together, both in shuffled batches of `batch_size`. a is `threshold`,
    l `dampening`.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: a loss is not finite.

    Source: Jack Foster, Stefan Schoepf, Alexandra Brintrup, 2024, Fast Machine Unlearning Without Retraining Through
    Selective Synaptic Dampening, AAAI, https://arxiv.org/abs/2308.07707.

    Departures: for CLIP: cross-entropy over class texts, both towers. Squares are taken of batches' gradients, as in
    the authors' code; the paper's formula has single images, which cost a backward pass each (`batch_size` 1). The
    ratio I_f / I_D grows with the batch, so a threshold belongs to a batch size. D holds the images that methods are
    given, of the forget set's own dataset, not the model's training data. The token embedding stays.
    """

    name = "ssd"
    access = "not-ZS"
    reference = (
        "Foster, Schoepf and Brintrup, 2024, Fast Machine Unlearning Without Retraining Through Selective Synaptic "
        "Dampening"
    )

    threshold: float = tunable(10.0, low=0.3, high=300.0, log=True)
    dampening: float = tunable(1.0, low=0.01, high=3.0, log=True)
    batch_size: int = tunable(16, choices=(4, 8, 16, 32))  # images

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """Real images are missing on either side."""
        return lacking_images(request, "forget", "retain")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Measure both importances, then dampen, in place."""
        forget, retain = request.forget_examples, request.retain_examples
        if forget is None or retain is None:
            return clip
        parameters = clip.train_only(trainable_names(clip))
        tokens = clip.tokenize([concept.text for concept in request.concepts])
        own = from_pixels(clip, forget.pixels, forget.labels)
        order = request.generator("order")
        importances = []
        for step, pairs in enumerate((own, own + from_pixels(clip, retain.pixels, retain.labels))):
            rows = shuffled(len(pairs), self.batch_size, order)
            loss, squares = mean_square_gradient(
                clip, pairs, parameters, loss=request.candidates.classification_loss, tokens=tokens, rows=rows
            )
            importances.append(squares)
            request.report(step, loss=loss, batches=len(rows))
        dampened = 0
        with torch.no_grad():
            for value, here, everywhere in zip(parameters, *importances, strict=True):
                chosen = here > self.threshold * everywhere
                factor = (self.dampening * everywhere / here).clamp(max=1.0)
                value.copy_(torch.where(chosen, value * factor, value))
                dampened += int(chosen.sum())
        request.report(2, dampened=dampened / sum(value.numel() for value in parameters))
        return clip
