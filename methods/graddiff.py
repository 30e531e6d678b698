"""GradDiff: climb the loss of the forget set while descending that of the retain set."""

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import endless, from_pixels, train, trainable_names
from unlearn_bench.training.optimisers import adam


@dataclass(frozen=True, kw_only=True)
class GradDiff(Method):
    """GradDiff: the difference of the gradients of retain and forget loss, on real images of both sets.

    With CE the cross-entropy of scaled cosines over each image's candidates (`candidates.Candidates`: the texts of
    all classes of the dataset, or of those of its domain), Adam minimises

        w mean_j CE(retain image j, c_j) - mean_i CE(forget image i, c_i)

    Every step takes a batch of each set, of up to `batch_size` images: the last one of a pass over its set may be
    smaller, and counts as much. An epoch is a pass over the forget set, and retain batches go on where the last epoch
    ended. Both towers move.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: the loss is not finite.

    Source: Bo Liu, Qiang Liu, Peter Stone, 2022, Continual Learning and Private Unlearning, CoLLAs,
    https://arxiv.org/abs/2203.12817. The number of epochs is that of the comparison on CLIP by the authors of SLUG
    (ICML 2025), as their code has it.

    Departures: cross-entropy over class texts in place of a classifier's. SLUG's comparison climbs 1 - cos(v_i, t_i)
    on the forget set and descends CLIP's contrastive loss on the rest, a pass over one set after a pass over the
    other: but for the order, that is CLIPErase without its consistency module. It has no weight, and runs AdamW with
    a decay of .1, a cosine schedule and batches of 32; here Adam at a constant rate, without decay, in batches of 16.
    Its learning rate is 1e-7 (the presets of RN50 and ViT-B/16 name it), which moves next to nothing on smaller
    models; the default, 3e-5, is near what tuning found on the embedded ResNet.
    The retain images are of the forget set's own dataset. The token embedding stays (`loop.trainable_names`).
    """

    name = "graddiff"
    access = "not-ZS"
    reference = "Liu, Liu and Stone, 2022, Continual Learning and Private Unlearning"

    learning_rate: float = tunable(3e-5, low=3e-5, high=0.3, log=True, unit="rms")
    epochs: int = tunable(10, choices=(1, 3, 5, 10))
    retain_weight: float = tunable(1.0, low=0.1, high=100.0, log=True)
    batch_size: int = tunable(16, choices=(8, 16, 32, 64))  # images of each set

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """Real images are missing on either side."""
        return lacking_images(request, "forget", "retain")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Train on true forget and retain pairs with opposite signs, in place."""
        forget, retain = request.forget_examples, request.retain_examples
        if forget is None or retain is None:
            return clip
        companions = endless(
            from_pixels(clip, retain.pixels, retain.labels), self.batch_size, request.generator("retain order")
        )

        def difference(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
            kept, own = next(companions)
            images = clip.encode_images(torch.cat([inputs, kept]))  # both sets pass the towers at once
            logits = clip.logits(images, clip.encode_texts(tokens))  # (2B, C)
            away, near = torch.split(logits, [len(labels), len(own)])
            cross_entropy = request.candidates.cross_entropy
            return self.retain_weight * cross_entropy(near, own) - cross_entropy(away, labels)

        train(
            clip,
            from_pixels(clip, forget.pixels, forget.labels),
            adam(clip.train_only(trainable_names(clip)), learning_rate=self.learning_rate),
            loss=difference,
            tokens=clip.tokenize([concept.text for concept in request.concepts]),
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
        )
        return clip
