"""Emb: like Lip, but the distance of embeddings counts as it is, not per distance of images."""

from dataclasses import dataclass

from torch import Tensor

from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import tunable
from unlearn_bench.methods.shared.selective import Selective
from unlearn_bench.training.perturbation import ForgetSet, Perturbed, embedding_loss


@dataclass(frozen=True, kw_only=True)
class Emb(Selective):
    """Emb: pull clean images and their text to noisy images, and apart from each other.

    With x a synthetic image, t its text and x + e its noisy copy, it minimises the mean over noise and images of

        ||f_img(x) - f_img(x+e)||_p + ||f_txt(t) - f_img(x+e)||_p + alpha ||f_img(x) + f_txt(t)||_p

    Embeddings are not normalised. The sign inside the last norm is a plus, as the paper prints it.

    Args (beside those of `Selective`):
        alpha: weight of the last term.
        norm: p, 2 as in the equations; 1 is the variant that the paper mentions.

    Raises:
        CellFailure: the loss or the logits are not finite, or no synthetic image could be made.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples,
    WACV, https://arxiv.org/abs/2407.07485, equations 7 to 9.

    Departures: the paper leaves alpha, the loop, the choice of tensors, the stop and the optimiser open, and no code
    is known. Here all of them are Lip's: noise schedule, selection by gradient, taking back, stop, Adam with its
    decay, tensors that never move, noisy embeddings as constants and noise clamped to the range of the batch.
    The learning rate is Lip's too: 5e-5 on RN50 and ViT-B/16, and 5e-3 by default (`Selective`).
    """

    name = "emb"
    access = "ZS"
    reference = "Kravets and Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples"

    alpha: float = tunable(1.0, low=0.01, high=10.0, log=True)
    norm: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm not in {1, 2}:
            raise InputError(f"norm is {self.norm}; give 1 or 2")

    def loss(self, images: Tensor, forget_set: ForgetSet, rows: Tensor, perturbed: Perturbed) -> Tensor:
        """The embedding loss of a batch."""
        texts = forget_set.embed_prompts(rows)
        return embedding_loss(images, texts, perturbed, alpha=self.alpha, order=self.norm)
