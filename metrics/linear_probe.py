"""What a linear classifier still reads off frozen image embeddings."""

from collections.abc import Iterator

import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from unlearn_bench.errors import CellFailure
from unlearn_bench.metrics.base import DatasetEvidence, Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.rates import rates

_STRENGTH = 1.0  # C, the inverse of the penalty's weight
_ITERATIONS = 1000


class LinearProbe(Metric):
    """Accuracy of a linear probe that was trained on the own dataset's training images, forget set included.

        z = (v - mean of the training v) / (their standard deviation, per dimension),   v the image embedding
        p(c | z) = softmax_c(W z + b),   W, b minimise  sum_i -log p(y_i | z_i) + |W|^2 / 2
        right_i  = [argmax_c p(c | z_i) = y_i]                                 over the test images

    Where classes are parted by domain, each label is a class of the probe, and c runs over the labels of the image's
    own domain, as in zero-shot accuracy.

    One probe on the original model's embeddings and one on the unlearned model's; no text enters. Groups, of the own
    dataset: `target`, the mean over forget classes of their recalls, and `other`, over images of the kept classes.

    A class that zero-shot classification has lost and the probe still finds is hidden, not forgotten: its images lie
    where they lay, and only its name leads elsewhere. The scale: an untrained encoder is well above chance, and a
    model that was trained again without the class is the least that forgetting can reach.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a whole.
    Undefined (None): without test images (for `target`: of one of the classes), or with training images of fewer than
    two classes.

    Raises:
        CellFailure: embeddings that are not finite. InputError: no training images were given.

    Source: the linear probe of Alec Radford et al., 2021, Learning Transferable Visual Models From Natural Language
    Supervision, https://arxiv.org/abs/2103.00020, section 3.2 (L-BFGS, scikit-learn).
    Departures: features are standardised and C is 1 for every model, where the source chooses C by validation: a
    choice made for each method would be one more thing to tune.
    """

    name = "linear-probe"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = False
    needs = ("train",)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`target` and `other`, under the own dataset's name."""
        return tuple(self._measure(evidence, self.given(evidence.train, "train")))

    def _measure(self, evidence: Evidence, train: DatasetEvidence) -> Iterator[Measurement]:
        own, labels = evidence.own, evidence.own.labels
        right: list[Tensor | None] = [None, None]
        if len(torch.unique(train.labels)) > 1 and len(labels):
            purpose = f"{self.name} {self.version} scikit-learn {sklearn.__version__}"
            known = evidence.once(purpose, lambda: _right(train.before, train.labels, own.before, labels))
            pairs = ((train.before, train.after), (own.before, own.after))
            is_same = all(torch.equal(before.images, after.images) for before, after in pairs)
            right = [known, known if is_same else _right(train.after, train.labels, own.after, labels)]
        yield from rates(self, evidence, labels, right)


def _right(seen: Embedded, seen_labels: Tensor, shown: Embedded, labels: Tensor) -> Tensor:
    """For each shown image (N,) whether the probe that was trained on the seen ones is right."""
    if not bool(torch.isfinite(seen.images).all() and torch.isfinite(shown.images).all()):
        raise CellFailure("a model with finite weights gave embeddings that are not finite")
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=_ITERATIONS))
    probe.fit(seen.images.double().numpy(), seen_labels.numpy())
    known = torch.as_tensor(probe.classes_)  # (K,), labels with training images
    scores = torch.as_tensor(probe.predict_proba(shown.images.double().numpy()))  # (N, K)
    if shown.image_domains is not None and shown.text_domains is not None:
        scores = scores.masked_fill(shown.image_domains[:, None] != shown.text_domains[known][None], -torch.inf)
    return known[scores.argmax(dim=1)] == labels
