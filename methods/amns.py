"""Amns: teach the model wrong texts for images that it made itself."""

from dataclasses import dataclass

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, tunable
from unlearn_bench.training.loop import contrastive_loss, from_inputs, train, trainable_names
from unlearn_bench.training.optimisers import adam
from unlearn_bench.training.perturbation import ForgetSet


@dataclass(frozen=True, kw_only=True)
class Amns(Method):
    """Amns: contrastive training of synthetic forget images with the texts of random other classes.

    With u(i) the class drawn for image i among those that are kept, s the logit scale,

        1/2 mean_i CE(s cos(v_i, t_.), u(i)) + 1/2 mean_u mean_{i of u} CE(s cos(v_., t_u), i)

    over the images i and the different texts u of a batch; `loop.contrastive_loss` says it in full. Nothing
    holds the classes that are kept. Adam; both towers move.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: the loss is not finite, or no synthetic image could be made.

    Source: Laura Graves, Vineel Nagisetty, Vijay Ganesh, 2021, Amnesiac Machine Learning, AAAI,
    https://arxiv.org/abs/2010.10981, as Kravets and Namboodiri, 2025, adapt it to CLIP.

    Departures: settings for CLIP are open; the defaults are the origin's for classifiers. The wrong classes are drawn
    once per run, as there, but never from the forget set when that holds several classes. Equal texts in a batch are
    one candidate instead of rivals. The token embedding stays (`loop.trainable_names` says why).
    """

    name = "amns"
    access = "ZS"
    reference = "Graves, Nagisetty and Ganesh, 2021, Amnesiac Machine Learning"

    learning_rate: float = tunable(1e-4, low=1e-4, high=0.3, log=True, unit="rms")
    epochs: int = tunable(3, choices=(1, 3, 5, 10, 20))
    batch_size: int = tunable(128, choices=(16, 32, 64, 128))  # images

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """No class is kept, so there is no other text."""
        return None if request.retain else "no class is kept whose text could stand for another"

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Train on wrong pairs, in place."""
        names = trainable_names(clip)
        optimizer = adam(clip.train_only(names), learning_rate=self.learning_rate)
        synthetic = request.synthesize()
        inputs = clip.normalise(synthetic.unit.to(request.device))
        texts = [concept.text for concept in request.concepts]
        wrong = request.candidates.draw_others(
            synthetic.labels, forget=len(request.forget), generator=request.generator("relabel")
        )
        known = ForgetSet(
            clip,
            inputs,
            synthetic.labels,
            prompts=texts[: len(request.forget)],
            classes=texts,
            domains=[concept.domain for concept in request.concepts],
            moving=names,
        )
        train(
            clip,
            from_inputs(inputs, wrong),
            optimizer,
            loss=contrastive_loss,
            tokens=clip.tokenize(texts),
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
            watch=lambda: {"synthetic_accuracy": known.accuracy()},
        )
        return clip
