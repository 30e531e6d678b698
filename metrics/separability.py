"""Whether the model's confidence tells the forgotten images that a method saw from unseen ones of the same class."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from unlearn_bench.metrics.base import DatasetEvidence, Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, probabilities


class Separability(Metric):
    """How well confidence in the true class parts a class's training images from its test images.

        confidence(i) = softmax_c(scale * cos(image_i, text_c)) at the image's own class
        AUC(c) = P(confidence of a training image of c > that of a test image of c) + P(they are equal) / 2

    .5: training and test images can't be told apart. Above: the model is surer of the training images. Below: it is
    less sure of them, which gives the forget set away just as well: a method that pushed exactly the images that it
    was given. Groups, of the own dataset: `target`, mean over forget classes; `other`, mean over kept classes;
    `target-gap` and `other-gap`, the same means of |AUC - .5|, in which a class that is told apart above and one that
    is told apart below do not cancel. `n` counts test images. Where classes are parted by domain, each label counts
    as a class, and the softmax runs over the labels of the image's own domain.

    The training images are those that methods may be given. A model that was not trained on them starts near .5
    before forgetting, as the embedded ones do: their own training images are a split apart.

    Unit: AUC, in [0, 1]. Direction: neither; near .5 is better. Undefined (None) if a class of the group lacks
    training or test images, or there is none.

    Raises:
        CellFailure: embeddings that are not finite. InputError: no training images were given.

    Source: the confidence attack of Samuel Yeom, Irene Giacomelli, Matt Fredrikson, Somesh Jha, 2018, Privacy Risk in
    Machine Learning: Analyzing the Connection to Overfitting, https://arxiv.org/abs/1709.01604, read as AUC.
    Departures: all thresholds at once (AUC) in place of one; no shadow models.
    """

    name = "separability"
    version = 1
    unit = "AUC"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = False
    needs = ("train",)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`target` and `other`, under the own dataset's name."""
        return tuple(self._measure(evidence, self.given(evidence.train, "train")))

    def _measure(self, evidence: Evidence, train: DatasetEvidence) -> Iterator[Measurement]:
        own, scale = evidence.own, evidence.logit_scale

        def confident(side: Embedded, labels: Tensor) -> Tensor:
            return probabilities(side, labels, logit_scale=scale)  # (N,)

        sides = [
            (confident(seen, train.labels), confident(shown, own.labels))
            for seen, shown in ((train.before, own.before), (train.after, own.after))
        ]
        kept = [label for label in range(len(own.class_names)) if label not in evidence.forget]
        for group, classes in (("target", list(evidence.forget)), ("other", kept)):
            before, after = (_aucs(*side, train.labels, own.labels, classes) for side in sides)
            n = int(belongs(own.labels, classes).sum())
            for name, said in ((group, _mean), (f"{group}-gap", _gap)):
                yield self.say(before=said(before), after=said(after), n=n, dataset=evidence.dataset, group=name)


def _mean(aucs: Sequence[float]) -> float | None:
    return sum(aucs) / len(aucs) if aucs else None


def _gap(aucs: Sequence[float]) -> float | None:
    return _mean([abs(auc - 0.5) for auc in aucs])


def _aucs(seen: Tensor, shown: Tensor, seen_labels: Tensor, labels: Tensor, classes: Sequence[int]) -> list[float]:
    """For each class the AUC of seen against shown confidences; nothing if a class lacks either."""
    found = []
    for label in classes:
        members, strangers = seen[seen_labels == label][:, None], shown[labels == label][None]
        if not members.numel() or not strangers.numel():
            return []
        wins = (members > strangers).sum() + (members == strangers).sum() / 2
        found.append(float(wins) / (members.numel() * strangers.numel()))
    return found
