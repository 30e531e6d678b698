"""The reference row that trains on real retain data and leaves the forget set alone."""

from dataclasses import dataclass

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import contrastive_loss, from_pixels, train, trainable_names
from unlearn_bench.training.optimisers import adam


@dataclass(frozen=True, kw_only=True)
class FinetuneRetain(Method):
    """Contrastive training on real retain pairs alone: what more data does for the rest, without unlearning.

    The loss is `loop.contrastive_loss` on the dataset's training images outside the forget set with their true
    class text. Adam; both towers move. What is forgotten is forgotten by neglect.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: the loss is not finite.

    Source: the fine-tuning baseline of Aditya Golatkar, Alessandro Achille, Stefano Soatto, 2020, Eternal Sunshine of
    the Spotless Net, CVPR, https://arxiv.org/abs/1911.04933, with CLIP's contrastive loss.

    Departures: the loss and the optimiser; equal texts in a batch are one candidate.
    """

    name = "finetune-retain"
    access = "not-ZS"
    kind = "reference"
    reference = "Golatkar, Achille and Soatto, 2020, Eternal Sunshine of the Spotless Net"

    learning_rate: float = tunable(1e-4, low=1e-4, high=0.3, log=True, unit="rms")
    epochs: int = tunable(3, choices=(1, 3, 5, 10))
    batch_size: int = tunable(128, choices=(16, 32, 64, 128))  # images

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """No real image of the retain set."""
        return lacking_images(request, "retain")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Train on true retain pairs, in place."""
        retain = request.retain_examples
        if retain is None:
            return clip
        train(
            clip,
            from_pixels(clip, retain.pixels, retain.labels),
            adam(clip.train_only(trainable_names(clip)), learning_rate=self.learning_rate),
            loss=contrastive_loss,
            tokens=clip.tokenize([concept.text for concept in request.concepts]),
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
        )
        return clip
