"""Gradient ascent: climb the loss of the forget set, and let nothing hold the rest."""

from dataclasses import dataclass

from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import from_pixels, train, trainable_names
from unlearn_bench.training.optimisers import adam


@dataclass(frozen=True, kw_only=True)
class GradientAscent(Method):
    """Gradient ascent on the classification loss of real forget images with their own class.

    With CE the cross-entropy of scaled cosines over each image's candidates (`candidates.Candidates`: the texts of
    all classes of the dataset, or of those of its domain), Adam minimises

        - mean_i CE(s cos(v_i, t_.), c_i)

    over batches of the forget set alone. Both towers move. With C candidates the loss can't fall under
    -(2s + log C), since cosines are bounded, so what goes wrong is that weights overflow: that ends the run.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: the loss is not finite.

    Source: Joel Jang, Dongkeun Yoon, Sohee Yang, Sungmin Cha, Moontae Lee, Lajanugen Logeswaran, Minjoon Seo, 2023,
    Knowledge Unlearning for Mitigating Privacy Risks in Language Models, ACL, https://arxiv.org/abs/2210.01504; for
    classifiers Aditya Golatkar, Alessandro Achille, Stefano Soatto, 2020, Eternal Sunshine of the Spotless Net, CVPR,
    https://arxiv.org/abs/1911.04933. The number of epochs is that of the comparison on CLIP by the authors of SLUG
    (ICML 2025), as their code has it.

    Departures: cross-entropy over class texts in place of a classifier's or of a language model's. Golatkar et al.'s
    negative gradient, as far as we know, fine-tunes on all data and climbs on the forget part only: no retain image
    is used here. SLUG's comparison climbs 1 - cos(v_i, t_i) instead, which names no other class: that is CLIPErase
    with its forgetting module alone. It runs AdamW with a decay of .1, a cosine schedule and batches of 32; here Adam
    at a constant rate, without decay, in batches of 16. Its learning rate is 1e-7 (the presets of RN50 and ViT-B/16
    name it), which moves next to nothing on smaller models; the default, 3e-5, is between what tuning found on the
    two embedded ones. The token embedding stays (`loop.trainable_names`).
    """

    name = "gradient-ascent"
    access = "semi-ZS"
    reference = "Jang et al., 2023, Knowledge Unlearning for Mitigating Privacy Risks in Language Models"

    learning_rate: float = tunable(3e-5, low=3e-5, high=0.3, log=True, unit="rms")
    epochs: int = tunable(10, choices=(1, 3, 5, 10))
    batch_size: int = tunable(16, choices=(4, 16, 64))  # images

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """No image to forget, or a single class, which nothing can be taken for."""
        if len(request.concepts) < 2:
            return "there is one class only, so that the classification loss can't rise"
        return lacking_images(request, "forget")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Climb the loss of the true forget pairs, in place."""
        forget = request.forget_examples
        if forget is None:
            return clip
        candidates = request.candidates

        def ascended(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
            return -candidates.classification_loss(clip, inputs, labels, tokens)

        train(
            clip,
            from_pixels(clip, forget.pixels, forget.labels),
            adam(clip.train_only(trainable_names(clip)), learning_rate=self.learning_rate),
            loss=ascended,
            tokens=clip.tokenize([concept.text for concept in request.concepts]),
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
        )
        return clip
