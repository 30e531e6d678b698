"""EMMN: train on noise that the model gets wrong for the forget set, and on noise that it gets right for the rest."""

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, tunable
from unlearn_bench.training.candidates import Candidates
from unlearn_bench.training.loop import finite, from_inputs, train, trainable_names
from unlearn_bench.training.optimisers import adam


@dataclass(frozen=True, kw_only=True)
class EMMN(Method):
    """EMMN: error-maximising noise for the forget set, error-minimising noise for the rest, then training on both.

    Noise images x start from N(0, 1) in units of the normalised input and follow Adam. With CE the cross-entropy of
    scaled cosines over the candidates of an image's class (`candidates.Candidates`: all classes, or its domain's),

        forget:  minimise -CE(x, c) + penalty mean_i ||x_i||_2^2     for c in the forget set
        retain:  minimise  CE(x, c)                                  for every other c of the dataset

    Then both towers train by Adam on all noise images with their class c, minimising CE: the forget class becomes the
    name of what looks least like it.

    Never moved: the logit scale and bias, the token embedding, statistics of batch normalisation.

    Raises:
        CellFailure: a loss is not finite.

    Source: Vikram S. Chundawat, Ayush K. Tarun, Murari Mandal, Mohan Kankanhalli, 2023, Zero-Shot Machine Unlearning,
    IEEE Transactions on Information Forensics and Security, https://arxiv.org/abs/2201.05629, as Kravets and
    Namboodiri, 2025, adapt it to CLIP.

    Departures: settings for CLIP are open; the defaults are the origin's for classifiers, with few noise images per
    class, since here the classes to keep are many. One phase of training on both kinds together. The cross-entropy
    over class texts takes the place of the classifier's. The token embedding stays (`loop.trainable_names`).
    """

    name = "emmn"
    access = "ZS"
    reference = "Chundawat, Tarun, Mandal and Kankanhalli, 2023, Zero-Shot Machine Unlearning"

    learning_rate: float = tunable(1e-4, low=3e-5, high=0.3, log=True, unit="rms")
    epochs: int = tunable(2, choices=(1, 2, 4, 8))
    batch_size: int = tunable(4, choices=(4, 16, 64))  # images
    noise_learning_rate: float = 0.1
    maximise_steps: int = 25
    minimise_steps: int = 30
    penalty: float = tunable(0.1, low=1e-5, high=1.0, log=True)  # of the squared norm of error-maximising noise
    images_per_class: int = 4
    noise_batch_size: int = 64  # images that are made together

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """No class is kept: cross-entropy over the forget set alone means nothing."""
        return None if request.retain else "no class is kept for which error-minimising noise could be made"

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Make both kinds of noise with the model as it is, then train on it, in place."""
        clip.train_only(())
        tokens = clip.tokenize([concept.text for concept in request.concepts])
        with torch.no_grad():
            texts = clip.encode_texts(tokens)  # (C, D)
        labels = torch.arange(len(request.concepts)).repeat_interleave(self.images_per_class)
        forget = labels < len(request.forget)
        candidates, stream = request.candidates, request.generator("noise")
        away, near = (
            self.make_noise(clip, labels[part], texts, candidates, maximise=maximise, generator=stream)
            for part, maximise in ((forget, True), (~forget, False))
        )
        train(
            clip,
            from_inputs(torch.cat([away, near]), labels),
            adam(clip.train_only(trainable_names(clip)), learning_rate=self.learning_rate),
            loss=candidates.classification_loss,
            tokens=tokens,
            epochs=self.epochs,
            batch_size=self.batch_size,
            generator=request.generator("order"),
            report=request.report,
        )
        return clip

    def make_noise(
        self,
        clip: Clip,
        labels: Tensor,
        texts: Tensor,
        candidates: Candidates,
        *,
        maximise: bool,
        generator: torch.Generator,
    ) -> Tensor:
        """Noise images (N, 3, S, S) for `labels` (N,), by the model as it is, with class embeddings (C, D)."""
        made = []
        for part in torch.split(labels, self.noise_batch_size):
            start = torch.randn(len(part), 3, clip.image_size, clip.image_size, generator=generator)
            noise = start.to(texts.device).contiguous(memory_format=torch.channels_last).requires_grad_()
            optimizer = adam([noise], learning_rate=self.noise_learning_rate)
            wanted = part.to(texts.device)
            for step in range(self.maximise_steps if maximise else self.minimise_steps):
                error = candidates.cross_entropy(clip.logits(clip.encode_images(noise), texts), wanted)
                loss = self.penalty * noise.square().flatten(1).sum(1).mean() - error if maximise else error
                finite(loss, step=step)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            made.append(noise.detach())
        return torch.cat(made)
