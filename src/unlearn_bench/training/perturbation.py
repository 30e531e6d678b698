"""Images to forget and their noisy copies: what the losses of Lip, Emb and ULip are made of."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vector_norm

from unlearn_bench.clip import Clip
from unlearn_bench.training.candidates import Candidates

PASS = 64
"""Images that pass a tower at once where no gradient is needed: fewer take nearly as long, more take more memory."""


@dataclass(frozen=True, kw_only=True)
class Perturbed:
    """What became of B images under N draws of noise; constants, through which no gradient runs.

    Attributes:
        embeddings: (N, B, D), of the perturbed images, not normalised.
        distances: (N, B), ||x_i - x'_ni||_2 over all pixels of the image, in units of the normalised input.
    """

    embeddings: Tensor
    distances: Tensor


@torch.no_grad()
def perturb(clip: Clip, inputs: Tensor, *, sigma: float, count: int, generator: torch.Generator) -> Perturbed:
    """Embed `count` noisy copies x' = clamp(x + e, min(x), max(x)) with e ~ N(0, sigma^2).

    Min and max are over the whole batch. Copies pass the model `PASS` images at a time, and at least one copy whole:
    so many are in memory, whatever `count` is.

    Args:
        clip: the model.
        inputs: (B, 3, S, S), normalised as the model takes them.
        sigma: standard deviation of the noise, in units of the normalised input.
        count: N.
        generator: on the CPU, so that every device sees the same noise.
    """
    low, high = inputs.min(), inputs.max()
    together = max(1, PASS // len(inputs))
    embeddings, distances = [], []
    for start in range(0, count, together):
        copies = []
        for _ in range(min(together, count - start)):
            noise = torch.randn(inputs.shape, generator=generator).to(inputs)
            copies.append(torch.clamp(inputs + sigma * noise, low, high))  # (B, 3, S, S)
            distances.append(vector_norm((inputs - copies[-1]).flatten(1), dim=1))
        passed = clip.encode_images(torch.cat(copies) if len(copies) > 1 else copies[0])
        embeddings.append(passed.view(len(copies), len(inputs), -1))
    return Perturbed(embeddings=torch.cat(embeddings), distances=torch.stack(distances))


def lipschitz_loss(images: Tensor, texts: Tensor | None, perturbed: Perturbed) -> Tensor:
    """How far embeddings lie from those of the noisy images, per distance of the images themselves.

        1/(2N) sum_n sum_i ( ||t_i - z_ni|| + ||v_i - z_ni|| ) / (2 ||x_i - x'_ni||)

    Its gradient is that of N separate terms, but images and texts pass their towers only once.

    Args:
        images: v, (B, D), embeddings of the clean images.
        texts: t, (B, D), embeddings of their texts; None leaves the text term out.
        perturbed: z and the distances.
    """
    gaps: Tensor = vector_norm(images - perturbed.embeddings, dim=-1)  # (N, B)
    if texts is not None:
        gaps = gaps + vector_norm(texts - perturbed.embeddings, dim=-1)
    return (gaps / (2 * perturbed.distances)).sum() / (2 * len(perturbed.embeddings))


def embedding_loss(images: Tensor, texts: Tensor, perturbed: Perturbed, *, alpha: float, order: int) -> Tensor:
    """How far embeddings lie from those of the noisy images, and from cancelling each other.

        mean_ni ( ||v_i - z_ni||_p + ||t_i - z_ni||_p ) + alpha mean_i ||v_i + t_i||_p

    Args:
        images: v, (B, D).
        texts: t, (B, D).
        perturbed: z; its distances are not used.
        alpha: weight of the last term.
        order: p, 1 or 2.
    """
    gaps: Tensor = vector_norm(images - perturbed.embeddings, order, dim=-1)  # (N, B)
    gaps = gaps + vector_norm(texts - perturbed.embeddings, order, dim=-1)
    sums: Tensor = vector_norm(images + texts, order, dim=-1)  # (B,)
    return gaps.mean() + alpha * sums.mean()


class ForgetSet:
    """Images to forget, held so that repeated passes compute only what can have changed.

    The stages of the image tower before the first that holds one of `moving` run once, without a graph, and
    their output is kept: in a ResNet-50 whose attention pool alone moves, that is nearly the whole tower.

    Args:
        clip: the model, whose tensors named in `moving` will change between calls.
        inputs: (M, 3, S, S), normalised, on the model's device.
        labels: (M,) int64, indices into `classes`, and into `prompts` too (the forget classes come first).
        prompts: the text of the training pair for each forget class.
        classes: the classifier's text of every class of the dataset.
        domains: of every class, where classes are parted by domain: an image's candidates are those of its own.
        moving: names of the tensors that may change.
        batch_size: images per pass where no gradient is needed, if more than `PASS`.
    """

    def __init__(
        self,
        clip: Clip,
        inputs: Tensor,
        labels: Tensor,
        *,
        prompts: Sequence[str],
        classes: Sequence[str],
        domains: Sequence[str] = (),
        moving: Collection[str],
        batch_size: int = 64,
    ) -> None:
        self._clip = clip
        self.inputs = inputs.contiguous(memory_format=torch.channels_last)
        self.labels = labels.to(inputs.device)
        self._prompts = clip.tokenize(prompts)  # (F, L)
        self._classes = clip.tokenize(classes)  # (C, L)
        self._candidates = Candidates(domains or [""] * len(classes))
        self._stage = clip.first_image_stage(moving)
        self._pass = max(batch_size, PASS)
        with torch.no_grad():
            kept = [clip.run_image_stages(part, stop=self._stage) for part in torch.split(self.inputs, self._pass)]
        self._trunk = torch.cat(kept)

    def __len__(self) -> int:
        return len(self.labels)

    def embed_images(self, rows: Tensor) -> Tensor:
        """Embeddings (B, D) of the clean images, with a graph through the stages that may move."""
        return self._clip.run_image_stages(self._trunk[rows.to(self.labels.device)], start=self._stage)

    def embed_prompts(self, rows: Tensor) -> Tensor:
        """Embeddings (B, D) of the images' training texts; each different text passes the tower once."""
        return self._clip.encode_texts(self._prompts)[self.labels[rows.to(self.labels.device)]]

    def perturb(self, rows: Tensor, *, sigma: float, count: int, generator: torch.Generator) -> Perturbed:
        """Noisy copies of the images `rows`, embedded by the model as it is now."""
        chosen = self.inputs[rows.to(self.labels.device)]
        return perturb(self._clip, chosen, sigma=sigma, count=count, generator=generator)

    @torch.inference_mode()
    def accuracy(self) -> float:
        """Share of the images whose nearest candidate text, by the model as it is now, is their own.

        Raises:
            CellFailure: logits that are not finite.
        """
        texts = self._clip.encode_texts(self._classes)
        right = 0
        for trunk, labels in zip(
            torch.split(self._trunk, self._pass),
            torch.split(self.labels, self._pass),
            strict=True,
        ):
            logits = self._clip.logits(self._clip.run_image_stages(trunk, start=self._stage), texts)
            right += self._candidates.count_right(logits, labels)
        return right / len(self)
