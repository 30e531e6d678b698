"""ULip: Lip's image term alone, on real images of the forget set."""

from dataclasses import dataclass

import torch

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import finite, shuffled
from unlearn_bench.training.perturbation import lipschitz_loss, perturb


@dataclass(frozen=True, kw_only=True)
class ULip(Method):
    """ULip: make the image tower map real forget images and noisy copies of them to the same place.

    With x' = clamp(x + e, min(x), max(x)), e ~ N(0, sigma^2), whose embedding is a constant, plain gradient descent
    on each batch's

        1/(2N) sum_n sum_i ||f_img(x_i) - f_img(x'_i)|| / (2 ||x_i - x'_i||)

    Moved: all of the image tower but batch normalisation, which stays in evaluation mode. Never moved: the text
    tower, the logit scale.

    Raises:
        CellFailure: the loss is not finite.

    Source: Jack Foster, Kyle Fogarty, Stefan Schoepf, Cengiz Oztireli, Alexandra Brintrup, 2024, Zero-Shot Machine
    Unlearning at Scale via Lipschitz Regularization, https://arxiv.org/abs/2402.01401, as Kravets and Namboodiri,
    2025, adapt it to CLIP's image tower (equation 3).

    Departures: the target is a constant, noise is clamped to the range of the batch and the factors are those of
    Lip's image term, so that the two compare; the origin's expectation differs by a constant factor, which the
    learning rate takes up. Which image tensors move is open in the paper. The origin makes one pass; `epochs` can
    raise that, since a class with few images makes a single batch.
    """

    name = "ulip"
    access = "semi-ZS"
    reference = "Foster et al., 2024, Zero-Shot Machine Unlearning at Scale via Lipschitz Regularization"

    learning_rate: float = tunable(3e-4, low=1e-5, high=0.3, log=True)
    sigma: float = tunable(0.5, low=0.05, high=5.0, log=True)  # units of the normalised input
    epochs: int = tunable(1, choices=(1, 2, 4, 8))
    perturbations: int = 25  # noisy copies of each image
    batch_size: int = 64  # images

    def skip(self, clip: Clip, request: Request) -> str | None:
        """No image tensor that may move, or no image to forget."""
        if not _movable(clip):
            return f"the image tower of {clip.name!r} has no tensor that this method moves"
        return lacking_images(request, "forget")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Descend on the real forget images, in place."""
        examples = request.forget_examples
        if examples is None:
            return clip
        optimizer = torch.optim.SGD(clip.train_only(_movable(clip)), lr=self.learning_rate)
        noise, order = request.generator("perturbation"), request.generator("order")
        for epoch in range(self.epochs):
            total = 0.0
            for rows in shuffled(len(examples), self.batch_size, order):
                inputs = clip.to_input(examples.pixels[rows])
                perturbed = perturb(clip, inputs, sigma=self.sigma, count=self.perturbations, generator=noise)
                optimizer.zero_grad()
                loss = lipschitz_loss(clip.encode_images(inputs), None, perturbed)
                total += finite(loss, step=epoch)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            request.report(epoch, loss=total / len(examples), sigma=self.sigma)
        return clip


def _movable(clip: Clip) -> tuple[str, ...]:
    return tuple(
        weight.name
        for weight in clip.weights()
        if weight.place.tower == "image" and weight.place.role != "batch_norm"
    )
