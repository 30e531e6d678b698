"""Lip: smooth the model around images that it made itself, until it no longer knows them."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from unlearn_bench.methods.base import Access
from unlearn_bench.methods.shared.selective import Selective
from unlearn_bench.training.perturbation import ForgetSet, Perturbed, lipschitz_loss


@dataclass(frozen=True, kw_only=True)
class Lip(Selective):
    """Lip: make clean images and their text embed like noisy images, on few tensors, by growing noise.

    With x a synthetic image of the forget set, t its text, and x' = clamp(x + e, min(x), max(x)) for
    e ~ N(0, sigma^2), whose embedding is a constant, it minimises over N draws and all images i of a batch

        1/(2N) sum_n sum_i ( ||f_txt(t_i) - f_img(x'_i)|| + ||f_img(x_i) - f_img(x'_i)|| ) / (2 ||x_i - x'_i||)

    by Adam. Embeddings are not normalised. After each backward pass only the tensors with the greatest mean
    |gradient| in each tower keep theirs. An epoch counts when the accuracy on the synthetic images (candidates: all
    classes of the dataset) fell below the lowest so far; else model and optimiser go back to before it, and noise
    and numbers of tensors go one step up the schedule. It ends at `stop_accuracy`, at the schedule's end, or after
    `max_epochs`, with the state of the lowest accuracy.

    Never moved: token and text positional embeddings, final text norm, text projection, logit scale, batch
    normalisation, the attention pool's positional embedding, and all convolutions. In a ResNet-50 this leaves eight
    image tensors. With `selective=False` (the ablation of section 4.4) every tensor but the logit scale moves.

    Args (beside those of `Selective`):
        text_loss: False leaves the text term out (NoTextLoss of section 6.1); the text tower then stays as it is.

    Raises:
        CellFailure: the loss or the logits are not finite, or no synthetic image could be made.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples,
    WACV, https://arxiv.org/abs/2407.07485, equations 4 and 5, and the authors' code.

    Departures: when no epoch lowered the accuracy, the original is returned (the authors' script: the last state
    that it had taken back). For models that the paper does not treat, numbers of tensors are shares of the movable
    ones, and the default learning rate is 5e-3, not the 5e-5 of the authors' script (`Selective`). Several classes at
    once: their images are shuffled into common batches, and up to `accumulate` of them share one update, as the
    script does for real images.
    """

    name = "lip"
    access: ClassVar[Access] = "ZS"
    reference = "Kravets and Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples"

    text_loss: bool = True

    def loss(self, images: Tensor, forget_set: ForgetSet, rows: Tensor, perturbed: Perturbed) -> Tensor:
        """The Lipschitz loss of a batch."""
        texts = forget_set.embed_prompts(rows) if self.text_loss else None
        return lipschitz_loss(images, texts, perturbed)
