"""Whether some vector in the place of the forgotten class's text finds its images again."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unlearn_bench.metrics.base import DatasetEvidence, Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import predictions, similarities
from unlearn_bench.metrics.shared.rates import rates
from unlearn_bench.metrics.shared.shots import SHOTS, few

STEPS = 128
"""Updates of the vector; each is one product of the images with it, so that all of them take milliseconds."""

_RATE = 0.05  # of the vector's own root mean square, in the first update


class ClassEmbedding(Metric):
    """Zero-shot accuracy with the target's text embedding learnt from k real images, all other texts as they are.

        h* = argmin_h  mean over the k images i of every class of  -log softmax_c(scale cos(v_i, t_c))[y_i],  t_f = h
        right_i = [argmax_c cos(v_i, t_c) = y_i]   over the test images, with t_f = h*

    The adversary has both towers and k = 1, 4 or 16 training images of every class of the own dataset with their
    names. It may put a vector of its own in the place of the text embedding of each forget class f, and nothing else:
    images v and the other texts stay as the unlearned model makes them. The loss is the cross-entropy over the whole
    list of classes, with images of all of them: with the target's images alone a vector that calls everything by its
    name would be best. 128 updates of Adam on all images at once begin at the model's own text embedding of f; the
    rate is .05 of its root mean square and falls linearly to 0; scale is that of the original model. No tower runs.
    The images are those of `relearning`, drawn by the run's seed. Where classes are parted by domain, each label is a
    class, and c runs over the labels of the image's own domain, in the loss as in the accuracy.

    A class whose name alone was led elsewhere comes back whole: its images lie together still, and only the word was
    lost. Groups, under the own dataset's name, for each k: `shots@k/target`, the mean over forget classes of their
    recalls, and `shots@k/other`, over images of the kept classes.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a whole.
    Undefined (None) without test images of a group, or without training images of one of the forget classes.

    Raises:
        CellFailure: embeddings that are not finite. InputError: no training images were given.

    Source: Rinon Gal et al., 2022, An Image is Worth One Word: Personalizing Text-to-Image Generation using Textual
    Inversion, https://arxiv.org/abs/2208.01618; as an attack on concepts that were erased: Minh Pham et al., 2023,
    Circumventing Concept Erasure Methods For Text-to-Image Generative Models, https://arxiv.org/abs/2308.01508.
    Departures: the vector is that which comes out of the text tower, where the sources learn one that goes in
    (`prompt-learning` does); the loss is classification, not the reconstruction of images.
    """

    name = "class-embedding"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = False
    needs = ("train",)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`target` and `other` for each number of shots, under the own dataset's name."""
        return tuple(self._measure(evidence, self.given(evidence.train, "train")))

    def _measure(self, evidence: Evidence, train: DatasetEvidence) -> Iterator[Measurement]:
        own, forget, scale = evidence.own, evidence.forget, evidence.logit_scale
        sides: list[Sequence[Tensor | None]] = [[None] * len(SHOTS)] * 2
        if len(own.labels) and bool(torch.isin(torch.tensor(forget), train.labels).all()):
            plans = [few(train.labels, shots, evidence.dataset, evidence.seed) for shots in SHOTS]

            def right(seen: Embedded, shown: Embedded) -> Tensor:
                texts = [learnt(seen.at(rows), train.labels[rows], forget, scale) for rows in plans]
                return torch.stack([predictions(replace(shown, texts=vectors)) == own.labels for vectors in texts])

            purpose = f"{self.name} {self.version} {list(forget)} {evidence.seed}"
            before = evidence.once(purpose, lambda: right(train.before, own.before))  # (shots, N)
            sides = [list(before), list(right(train.after, own.after))]
        for place, shots in enumerate(SHOTS):
            yield from rates(self, evidence, own.labels, [side[place] for side in sides], part=f"shots@{shots}/")


def learnt(seen: Embedded, labels: Tensor, forget: Sequence[int], scale: float) -> Tensor:
    """The class texts (C, D), normalised, with those of `forget` learnt from the seen images, whose labels are (M,).

    Raises:
        CellFailure: embeddings that are not finite.
    """
    free = torch.tensor(forget)
    with torch.inference_mode(mode=False), torch.enable_grad():
        # Copies: tensors that were made in inference mode take part in no gradient.
        images, texts, truth = seen.images.clone(), seen.texts.clone(), labels.clone()
        fixed = scale * similarities(replace(seen, images=images, texts=texts))  # (M, C), -inf: no candidate
        closed = fixed[:, free].isinf()  # (M, F)
        vectors = nn.Parameter(texts[free])  # (F, D)
        rate = _RATE * float(vectors.detach().square().mean().sqrt())
        optimizer = torch.optim.Adam([vectors], lr=rate)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=STEPS)
        for _ in range(STEPS):
            logits = (scale * images @ normalize(vectors, dim=-1).T).masked_fill(closed, -torch.inf)
            loss = nn.functional.cross_entropy(fixed.index_copy(1, free, logits), truth)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return texts.index_copy(0, free, normalize(vectors.detach(), dim=-1))
