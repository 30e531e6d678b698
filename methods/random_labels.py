"""Random labels: train real forget images on classes drawn anew each time, and let nothing hold the rest."""

from dataclasses import dataclass

from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import from_pixels, train, trainable_names
from unlearn_bench.training.optimisers import adam


@dataclass(frozen=True, kw_only=True)
class RandomLabels(Method):
    """Random labels: classification of real forget images as random other classes, drawn anew whenever one is seen.

    With CE the cross-entropy of scaled cosines over each image's candidates (`candidates.Candidates`: the texts of
    all classes of the dataset, or of those of its domain), Adam minimises

        mean_i CE(s cos(v_i, t_.), u_i),    u_i uniform over the K candidates that are kept, fresh in every batch

    over batches of the forget set alone. The expected gradient is that of CE against probability 1/K for each of
    them: the images become unrecognisable, where a class drawn once would teach each of them one wrong name. Where a
    whole domain goes, its other classes stand in for kept ones. Both towers move.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: the loss is not finite.

    Source: the random-label baseline of Aditya Golatkar, Alessandro Achille, Stefano Soatto, 2020, Eternal Sunshine
    of the Spotless Net, CVPR, https://arxiv.org/abs/1911.04933.

    Departures: no retain images, with which it would be AmnsRetain's or SalUn's data; theirs are drawn once. Only
    classes that are kept are drawn (the origin: any). Cross-entropy over class texts; Adam, learning rate, epochs and
    batch size are ours. The token embedding stays (`loop.trainable_names`).
    """

    name = "random-labels"
    access = "semi-ZS"
    reference = "Golatkar, Achille and Soatto, 2020, Eternal Sunshine of the Spotless Net"

    learning_rate: float = tunable(1e-4, low=3e-5, high=0.3, log=True, unit="rms")
    epochs: int = tunable(10, choices=(1, 3, 5, 10))
    batch_size: int = tunable(16, choices=(4, 16, 64))  # images

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """No class is kept, or no image to forget."""
        if not request.retain:
            return "no class is kept whose text could stand for another"
        return lacking_images(request, "forget")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Train on wrong forget pairs, in place."""
        forget = request.forget_examples
        if forget is None:
            return clip
        candidates, stream = request.candidates, request.generator("relabel")

        def relabelled(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
            wrong = candidates.draw_others(labels, forget=len(request.forget), generator=stream)
            return candidates.classification_loss(clip, inputs, wrong.to(labels.device), tokens)

        train(
            clip,
            from_pixels(clip, forget.pixels, forget.labels),
            adam(clip.train_only(trainable_names(clip)), learning_rate=self.learning_rate),
            loss=relabelled,
            tokens=clip.tokenize([concept.text for concept in request.concepts]),
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
        )
        return clip
