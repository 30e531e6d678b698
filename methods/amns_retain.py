"""AmnsRetain: teach the model wrong texts for real forget images, and right ones for the rest of the dataset."""

from dataclasses import dataclass

import torch

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import contrastive_loss, from_pixels, train, trainable_names


@dataclass(frozen=True, kw_only=True)
class AmnsRetain(Method):
    """AmnsRetain: contrastive training of real forget images with random other texts beside true retain pairs.

    The loss is that of Amns (`loop.contrastive_loss`); the batches mix forget images, whose class is drawn among
    those that are kept, with the dataset's other training images and their true class text. Adam; both towers move.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: the loss is not finite.

    Source: Laura Graves, Vineel Nagisetty, Vijay Ganesh, 2021, Amnesiac Machine Learning, AAAI,
    https://arxiv.org/abs/2010.10981, as Kravets and Namboodiri, 2025, adapt it to CLIP.

    Departures: those of Amns: the origin's settings, wrong classes drawn once and only among those that are kept,
    equal texts as one candidate, token embedding unmoved. No augmentation.
    """

    name = "amns-retain"
    access = "not-ZS"
    reference = "Graves, Nagisetty and Ganesh, 2021, Amnesiac Machine Learning"

    learning_rate: float = tunable(1e-4, low=1e-5, high=1e-2, log=True)
    epochs: int = tunable(3, choices=(1, 3, 5, 10))
    batch_size: int = tunable(128, choices=(16, 32, 64, 128))  # images

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """Real images are missing on either side."""
        return lacking_images(request, "forget", "retain")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Train on wrong forget pairs and true retain pairs, in place."""
        forget, retain = request.forget_examples, request.retain_examples
        if forget is None or retain is None:
            return clip
        optimizer = torch.optim.Adam(clip.train_only(trainable_names(clip)), lr=self.learning_rate)
        wrong = request.candidates.draw_others(
            forget.labels, forget=len(request.forget), generator=request.generator("relabel")
        )
        train(
            clip,
            from_pixels(clip, forget.pixels, wrong) + from_pixels(clip, retain.pixels, retain.labels),
            optimizer,
            loss=contrastive_loss,
            tokens=clip.tokenize([concept.text for concept in request.concepts]),
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
        )
        return clip
