"""What an index of images still finds: the nearest mean of a few images of each class, without any text."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from unlearn_bench.metrics.base import DatasetEvidence, Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import predictions
from unlearn_bench.metrics.shared.rates import rates
from unlearn_bench.metrics.shared.shots import SHOTS, few


class Prototype(Metric):
    """Accuracy of the nearest class mean, of k real images of every class in the frozen image embedding.

        m_c = mean over the k images i of class c of v_i,   right_i = [argmax_c cos(v_i, m_c) = y_i]  over test images

    The adversary has the image tower, or the embeddings that an index holds, and k = 1, 4 or 16 training images of
    every class of the own dataset with their names. It may embed and average; it trains nothing (no updates, k images
    of each class). The images are those of `relearning`: drawn by the run's seed, the smaller sets parts of the
    larger ones. No text enters: what a method did to the text tower alone changes nothing here. Where classes are
    parted by domain, c runs over the labels of the image's own domain.

    Groups, under the own dataset's name, for each k: `shots@k/target`, the mean over forget classes of their recalls,
    and `shots@k/other`, over images of the kept classes. Any encoder groups images somehow, one that never saw the
    class too: what counts is how far a row is from the retrained model's.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a whole.
    Undefined (None) without test images of a group, without training images of one of the forget classes, or with
    training images of fewer than two classes.

    Raises:
        CellFailure: embeddings that are not finite. InputError: no training images were given.

    Source: the nearest mean: Jake Snell, Kevin Swersky, Richard Zemel, 2017, Prototypical Networks for Few-shot
    Learning, https://arxiv.org/abs/1703.05175; few images in CLIP's frozen embedding, without training: Renrui Zhang
    et al., 2022, Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification,
    https://arxiv.org/abs/2207.09519.
    Departures: of Tip-Adapter, one mean for each class in place of a kernel over all its images, and no zero-shot
    logits beside it: what is asked is what the images alone still find.
    """

    name = "prototype"
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
        own, known = evidence.own, torch.unique(train.labels)
        can = len(known) > 1 and bool(torch.isin(torch.tensor(evidence.forget), known).all())
        for shots in SHOTS:
            right: list[Tensor | None] = [None, None]
            if can:
                rows = few(train.labels, shots, evidence.dataset, evidence.seed)
                sides = ((train.before, own.before), (train.after, own.after))
                right = [
                    nearest_mean(seen.at(rows), train.labels[rows], shown) == own.labels for seen, shown in sides
                ]
            yield from rates(self, evidence, own.labels, right, part=f"shots@{shots}/")


def nearest_mean(seen: Embedded, labels: Tensor, shown: Embedded) -> Tensor:
    """The class of each shown image (N,) int64 by the nearest mean of the seen ones, whose `labels` are (M,)."""
    known: Tensor = torch.unique(labels)  # (K,), ascending
    means = torch.stack([seen.images[labels == label].mean(dim=0) for label in known])  # (K, D)
    domains = None if shown.text_domains is None else shown.text_domains[known]
    found = predictions(replace(shown, texts=normalize(means, dim=-1), text_domains=domains))  # (N,), places in known
    return known[found]
