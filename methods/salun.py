"""SalUn: wrong texts for forget images and right ones for the rest, on the weights that matter to the forget set."""

from dataclasses import dataclass

import torch

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.gradients import mean_gradient
from unlearn_bench.training.loop import Loss, Weighted, from_pixels, train, trainable_names, with_forget_weight
from unlearn_bench.training.masking import restorer, salient


@dataclass(frozen=True, kw_only=True)
class SalUn(Method):
    """SalUn: random labels on real forget images and true ones on the rest, updating only salient weights.

    With CE the cross-entropy of scaled cosines over each image's candidates (`candidates.Candidates`: the texts of
    all classes of the dataset, or of those of its domain), the mask is

        m = 1 for the share of single weights with the greatest |d/dw mean CE(forget images, true class)|, else 0

    over all trained tensors together; a weight without any gradient is never in it. Then SGD with momentum and
    decay minimises CE on forget images with a random kept candidate and retain images with their own class, in the
    mean over a batch, sum_i w_i CE_i / sum_i w_i, with w = `forget_weight` for forget images and 1 for the others.
    After every step the weights outside the mask are put back and their momentum is cleared, so that they stay bit
    for bit.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation, and what is masked.

    Raises:
        CellFailure: a loss is not finite.

    Source: Chongyu Fan, Jiancheng Liu, Yihua Zhang, Eric Wong, Dennis Wei, Sijia Liu, 2024, SalUn: Empowering Machine
    Unlearning via Gradient-based Weight Saliency, ICLR, https://arxiv.org/abs/2310.12508 (random labelling).

    Departures: for CLIP: cross-entropy over class texts, both towers, and the settings of a later port of it to CLIP.
    The retain images are of the forget set's own dataset. Wrong classes are drawn once, among those that are kept
    (the origin: among all). The origin has no `forget_weight`: it is 1 there. The token embedding stays
    (`loop.trainable_names`). No augmentation.
    """

    name = "salun"
    access = "not-ZS"
    reference = "Fan et al., 2024, SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency"

    learning_rate: float = tunable(0.01, low=1e-5, high=0.03, log=True)
    epochs: int = tunable(10, choices=(1, 3, 5, 10))
    saliency: float = tunable(0.5, choices=(0.05, 0.1, 0.3, 0.5, 0.8, 1.0))  # share of the trained weights
    forget_weight: float = tunable(1.0, low=0.1, high=30.0, log=True)  # of an image to forget; of one to keep 1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = tunable(128, choices=(32, 64, 128))  # images

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """Real images are missing on either side."""
        return lacking_images(request, "forget", "retain")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Find the salient weights, then train them, in place."""
        forget, retain = request.forget_examples, request.retain_examples
        if forget is None or retain is None:
            return clip
        parameters, candidates = clip.train_only(trainable_names(clip)), request.candidates
        tokens = clip.tokenize([concept.text for concept in request.concepts])
        known = from_pixels(clip, forget.pixels, forget.labels)
        rows = torch.split(torch.arange(len(known)), self.batch_size)
        _, slopes = mean_gradient(
            clip, known, parameters, loss=candidates.classification_loss, tokens=tokens, rows=rows
        )
        mask = salient([slope.abs() for slope in slopes], self.saliency)
        wrong = candidates.draw_others(
            forget.labels, forget=len(request.forget), generator=request.generator("relabel")
        )
        loss: Loss | Weighted = candidates.classification_loss
        if self.forget_weight != 1:
            loss = with_forget_weight(
                candidates.classification_loss, self.forget_weight, forget=len(forget), retain=len(retain)
            )
        optimizer = torch.optim.SGD(
            parameters, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
        )
        train(
            clip,
            from_pixels(clip, forget.pixels, wrong) + from_pixels(clip, retain.pixels, retain.labels),
            optimizer,
            loss=loss,
            tokens=tokens,
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
            after_step=restorer(parameters, mask, optimizer),
        )
        return clip
