"""How near images lie to the text of their own class."""

from torch import Tensor

from unlearn_bench.metrics.base import Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, class_mean, cosines, mean


class TargetCosine(Metric):
    """Mean cosine between an image and the text of its own class.

        target = mean over forget classes of the mean of cos(image, text of its class)
        other  = mean over the own dataset's images of the classes that are kept

    Accuracy asks which text is nearest; this says how far the pair itself has moved.

    Unit: cosine, in [-1, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a
    whole. Undefined (None) where there is no image (for `target`: in one of its classes).

    Raises:
        CellFailure: embeddings that are not finite.

    Source: Tianyu Yang, Lisen Dai, Xiangqi Wang, Minhao Cheng, Yapeng Tian, Xiangliang Zhang, 2024,
    CLIPErase: Efficient Unlearning of Visual-Textual Associations in CLIP, https://arxiv.org/abs/2410.23330,
    whose forgetting loss is this mean over the forget pairs.
    Departures: measured on test images with the evaluation template, not on training pairs.
    """

    name = "target-cosine"
    version = 1
    unit = "cosine"
    direction = "neither"
    bounds = (-1.0, 1.0)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`target` and `other`, under the own dataset's name."""
        own, forget = evidence.own, evidence.forget
        target = belongs(own.labels, forget)
        before, after = (_own_cosines(side, own.labels) for side in (own.before, own.after))  # (N,) each
        return (
            self.say(
                before=class_mean(before, own.labels, forget),
                after=class_mean(after, own.labels, forget),
                n=int(target.sum()),
                dataset=evidence.dataset,
                group="target",
            ),
            self.say(
                before=mean(before[~target]),
                after=mean(after[~target]),
                n=int((~target).sum()),
                dataset=evidence.dataset,
                group="other",
            ),
        )


def _own_cosines(embedded: Embedded, labels: Tensor) -> Tensor:
    """Cosine of each image with its class text, (N,) float32, clamped as rounding may leave [-1, 1]."""
    found = cosines(embedded.images, embedded.texts).gather(1, labels[:, None]).squeeze(1)
    return found.clamp(-1.0, 1.0)
