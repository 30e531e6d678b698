"""What the target images are taken for, before and after: the nearest relatives, or anything at all."""

from collections.abc import Iterator

import torch
from torch import Tensor

from unlearn_bench.metrics.base import Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, class_mean, cosines, mean, predictions

MOST = 5
"""So many classes of each side are named, so that records stay small."""

SHARE, DISTANCE = "share/", "distance/"
"""How the groups of single classes begin; the class's name follows."""


class Predictions(Metric):
    """Most frequent predicted classes of the target images, with their distance to the target; named, not in `all`.

        share(c)    = share of the target images whose nearest class text is that of c
        distance(c) = min over forget classes t of 1 - cos(text_c, text_t), texts of the original model

    A class is named if it is among the five most frequent predictions before or after forgetting (where counts
    tie, the class that comes first in the dataset). Groups, all under the own dataset's name:

    - `share/<class>`: its share before and after. `distance/<class>`: its distance, the same on both sides.
    - `mean-distance`: mean over target images of 1 - cos(text of the predicted class, text of the image's own
      class); a right prediction has distance 0. For several classes the mean of their means.
    - `wrong-distance`: the same mean over the images that are predicted wrong, whatever their class: near 0 if
      a model that has forgotten the class still takes it for its relatives.
    - `chance-distance`: the mean distance of all other classes (of the forget set's domains, where there are
      domains) to the forget classes: what predictions at random would have; the same on both sides.

    `n` counts target images; of `chance-distance`, other classes.

    Unit: fraction for `share`, else cosine distance in [0, 2]. Direction: neither; it is for reading. Undefined
    (None) where there is no target image (for `mean-distance`: none of one of the classes), for `wrong-distance`
    where no prediction is wrong, for `chance-distance` where no class is kept.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples,
    figure 3 and section 5.7.
    Departures: the paper shows examples and says that predictions after forgetting resemble the right class; it
    defines no distance and counts nothing. Both are this project's.
    """

    name = "predictions"
    version = 1
    unit = "fraction or cosine distance"
    direction = "neither"
    bounds = (0.0, 2.0)
    default = False

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """The named classes, most frequent before first, then the mean distances."""
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        own, forget = evidence.own, evidence.forget
        between = _distances(own.before.texts)  # (C, C)
        to_target = between[list(forget)].min(dim=0).values  # (C,)
        target = belongs(own.labels, forget)
        labels, n = own.labels[target], int(target.sum())
        before, after = (_of_target(side, target) for side in (own.before, own.after))  # (n,) each
        counts = [side.bincount(minlength=len(own.class_names)) for side in (before, after)]
        for label in dict.fromkeys(name for side in counts for name in _most(side)):
            shares = [float(side[label]) / n for side in counts]
            distance = float(to_target[label])
            yield self._say(evidence, SHARE + own.class_names[label], shares[0], shares[1], n)
            yield self._say(evidence, DISTANCE + own.class_names[label], distance, distance, n)
        wandered = [between[labels, side] for side in (before, after)]  # (n,) each
        means = [class_mean(side, labels, forget) for side in wandered]
        yield self._say(evidence, "mean-distance", means[0], means[1], n)
        wrong = [mean(far[side != labels]) for far, side in zip(wandered, (before, after), strict=True)]
        yield self._say(evidence, "wrong-distance", wrong[0], wrong[1], n)
        kept = [label for label in _candidates(own.before, forget) if label not in forget]
        chance = mean(to_target[kept]) if n else None
        yield self._say(evidence, "chance-distance", chance, chance, len(kept))

    def _say(self, evidence: Evidence, group: str, before: float | None, after: float | None, n: int) -> Measurement:
        return self.say(before=before, after=after, n=n, dataset=evidence.dataset, group=group)


def _distances(texts: Tensor) -> Tensor:
    """1 - cosine of every two class texts, (C, C) float64; 0 on the diagonal, where rounding would leave a trace."""
    found = (1 - cosines(texts, texts).double()).clamp(0.0, 2.0)
    return found.fill_diagonal_(0.0)


def _of_target(embedded: Embedded, target: Tensor) -> Tensor:
    return predictions(embedded.at(target))


def _candidates(embedded: Embedded, forget: tuple[int, ...]) -> list[int]:
    """The labels that target images can be taken for: all, or those of the forget set's domains."""
    if embedded.text_domains is None:
        return list(range(len(embedded.texts)))
    return belongs(embedded.text_domains, embedded.text_domains[list(forget)].tolist()).nonzero().flatten().tolist()


def _most(counts: Tensor) -> list[int]:
    """The labels of the most frequent classes that occur at all, most frequent first."""
    order = torch.argsort(counts, descending=True, stable=True)[:MOST]
    return [label for label in order.tolist() if counts[label]]
