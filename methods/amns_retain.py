"""AmnsRetain: teach the model wrong texts for real forget images, and right ones for the rest of the dataset."""

from dataclasses import dataclass

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import (
    Loss,
    Weighted,
    contrastive_loss,
    from_pixels,
    train,
    trainable_names,
    with_forget_weight,
)
from unlearn_bench.training.optimisers import adam


@dataclass(frozen=True, kw_only=True)
class AmnsRetain(Method):
    """AmnsRetain: contrastive training of real forget images with random other texts beside true retain pairs.

    The loss is that of Amns (`loop.contrastive_loss`); the batches mix forget images, whose class is drawn among
    those that are kept, with the dataset's other training images and their true class text. Adam; both towers move.

    Both terms of a forget image count `forget_weight`, those of the others 1 (`loop.symmetric_cross_entropy` has the
    formula); the origin knows no such weight: it is 1 there.

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

    learning_rate: float = tunable(1e-4, low=1e-4, high=0.3, log=True, unit="rms")
    epochs: int = tunable(3, choices=(1, 3, 5, 10))
    batch_size: int = tunable(128, choices=(16, 32, 64, 128))  # images
    forget_weight: float = tunable(1.0, low=0.1, high=30.0, log=True)  # of an image to forget; of one to keep 1

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """Real images are missing on either side."""
        return lacking_images(request, "forget", "retain")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Train on wrong forget pairs and true retain pairs, in place."""
        forget, retain = request.forget_examples, request.retain_examples
        if forget is None or retain is None:
            return clip
        optimizer = adam(clip.train_only(trainable_names(clip)), learning_rate=self.learning_rate)
        wrong = request.candidates.draw_others(
            forget.labels, forget=len(request.forget), generator=request.generator("relabel")
        )
        loss: Loss | Weighted = contrastive_loss
        if self.forget_weight != 1:
            loss = with_forget_weight(contrastive_loss, self.forget_weight, forget=len(forget), retain=len(retain))
        train(
            clip,
            from_pixels(clip, forget.pixels, wrong) + from_pixels(clip, retain.pixels, retain.labels),
            optimizer,
            loss=loss,
            tokens=clip.tokenize([concept.text for concept in request.concepts]),
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
        )
        return clip
