"""SLUG: one gradient, one layer, one step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench.clip import Clip, Weight
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.gradients import mean_gradient
from unlearn_bench.training.loop import (
    Pairs,
    contrastive_loss,
    from_pixels,
    pair_similarity,
    shuffled,
    trainable_names,
)
from unlearn_bench.training.single_layer import Step, TensorTrial, search_step, stand_out


@dataclass(frozen=True, kw_only=True)
class Slug(Method):
    """SLUG: move a single tensor once, along the gradient that parts the forget images from their text.

    With g_f and g_r the gradients of

        L_f = mean over forget images of 1 - cos(f_img(x), f_txt(true class)),
        L_r = CLIP's contrastive loss on the retain images (`loop.contrastive_loss`),

    a tensor W matters by ||g_f|| / ||W|| and disturbs by |cos(g_f, g_r)|. Of each tower's tensors, those on the
    Pareto front (much of the first, little of the second) are tried: W + r g_f, r first `first_step` ||W|| / ||g_f||,
    then by bisection (`single_layer.search_step`) towards the smallest r that leaves an accuracy of at most
    `stop_accuracy` on the forget images. Among the steps that do, over all tensors tried, the one is taken that keeps
    the accuracy on the retain images highest; if none does, the one that leaves fewest forget images right. Accuracy
    is among each image's candidates (`candidates.Candidates`).

    Moved: one tensor. Candidates are all but biases, class and position embeddings, the token embedding and the
    logit scale. Statistics of batch normalisation stay.

    Raises:
        CellFailure: a loss is not finite, or logits are not after a step.

    Source: Zikui Cai, Yaoteng Tan, M. Salman Asif, 2025, Targeted Unlearning with Single Layer Unlearning Gradient,
    ICML, https://arxiv.org/abs/2407.11867, and the authors' code.

    Departures: the retain set is `retain_images` drawn from the same dataset's training images. The search judges by
    zero-shot accuracy on the forget images and on `search_images` of these; the authors search on other images,
    ImageNet's among them. Large enough is a step for them when no forget image has its class among the five most
    probable, here when a share of at most `stop_accuracy` has it first. A search ends before `search_steps` (theirs:
    10 always) where nothing of the retain accuracy is lost. They list the steps found for every tensor of the front;
    taking one by the rule above is ours.
    """

    name = "slug"
    access = "not-ZS"
    reference = "Cai, Tan and Asif, 2025, Targeted Unlearning with Single Layer Unlearning Gradient"

    stop_accuracy: float = tunable(0.0, choices=(0.0, 0.05, 0.1, 0.2, 0.4, 0.6))  # share of the forget images
    first_step: float = tunable(0.1, low=1e-3, high=3.0, log=True)  # times ||W|| / ||g_f||
    search_steps: int = 10
    retain_images: int = 512  # at most, for the gradient
    search_images: int = 128  # of these, for the search
    batch_size: int = 64  # images

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """Real images are missing on either side."""
        return lacking_images(request, "forget", "retain")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Rank the tensors, search a step for each of the best, and take one, in place."""
        forget, retain = request.forget_examples, request.retain_examples
        if forget is None or retain is None:
            return clip
        tokens = clip.tokenize([concept.text for concept in request.concepts])
        drawn = shuffled(len(retain), self.retain_images, request.generator("retain images"))[0]
        own = from_pixels(clip, forget.pixels, forget.labels)
        others, fewer = (
            from_pixels(clip, retain.pixels[rows], retain.labels[rows])
            for rows in (drawn, drawn[: self.search_images])
        )
        enough = float("inf")
        found: list[Step] = []
        for weight, direction in self.front(clip, request, (own, others), tokens):
            less, kept = (
                TensorTrial(
                    clip,
                    weight,
                    pairs,
                    tokens=tokens,
                    candidates=request.candidates,
                    batch_size=self.batch_size,
                )
                for pairs in (own, fewer)
            )
            enough = kept.accuracy() if not found else enough  # the original's
            step = search_step(
                weight,
                direction,
                forget_accuracy=less.accuracy,
                retain_accuracy=kept.accuracy,
                first=self.first_step * float(weight.value.detach().norm() / direction.norm()),
                tries=self.search_steps,
                stop_accuracy=self.stop_accuracy,
                enough=enough,
            )
            found.append(step)
            request.report(
                len(found) + 1,
                tensor=weight.name,
                size=step.size,
                forget_accuracy=step.forget_accuracy,
                retain_accuracy=step.retain_accuracy,
            )
        chosen = min(found, key=lambda step: step.rank(self.stop_accuracy))
        with torch.no_grad():
            chosen.weight.value.add_(chosen.direction, alpha=chosen.size)
        return clip

    def front(
        self, clip: Clip, request: Request, both: tuple[Pairs, Pairs], tokens: Tensor
    ) -> list[tuple[Weight, Tensor]]:
        """The tensors worth a try, each with its gradient of L_f; `both`: images to forget and to keep."""
        names = set(trainable_names(clip))
        candidates = [
            weight
            for weight in clip.weights()
            if weight.name in names
            and not weight.name.endswith("bias")
            and weight.place.role not in {"class_embedding", "position_embedding"}
        ]
        parameters = clip.train_only([weight.name for weight in candidates])
        slopes = []
        for step, (pairs, loss) in enumerate(zip(both, (parting_loss, contrastive_loss), strict=True)):
            rows = shuffled(len(pairs), self.batch_size, request.generator("order"))
            value, found = mean_gradient(clip, pairs, parameters, loss=loss, tokens=tokens, rows=rows)
            slopes.append(found)
            request.report(step, loss=value)
        return stand_out(candidates, *slopes)


def parting_loss(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor) -> Tensor:
    """L_f: mean over images (B, 3, S, S) of 1 - cosine with the text of their class, a row of tokens (C, L)."""
    return 1 - pair_similarity(clip, inputs, labels, tokens)
