"""LipReal: Lip on real images of the forget set, for the comparison with synthetic ones."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Request, lacking_images
from unlearn_bench.methods.lip import Lip

_TRIES = 10


@dataclass(frozen=True, kw_only=True)
class LipReal(Lip):
    """LipReal: Lip's loop and loss, on real images that every epoch crops, resizes and mirrors anew.

    Loss, choice of tensors, schedule, taking back and stop are those of `Lip`; the accuracy that steers them is that
    on the real images as they are, without cropping. Each epoch shows the images in batches of `batch_size`, of which
    up to `accumulate` share one update.

    Args (beside those of `Lip`):
        least_area: the crop's area is drawn between this share of the image and all of it; its sides' ratio, on a
            logarithmic scale, between 3/4 and 4/3.
        mirror: probability that a crop is mirrored left to right.

    Raises:
        CellFailure: the loss or the logits are not finite.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples,
    WACV, https://arxiv.org/abs/2407.07485, figure 2, and the authors' code.

    Departures: the crop's range is the usual one of image classifiers (.08 to 1), as the paper names none; it is cut
    from the prepared image, not from the picture.
    """

    name = "lip-real"
    access = "semi-ZS"
    reference = "Kravets and Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples, figure 2"
    kind = "ablation"

    least_area: float = 0.08  # share of the image
    mirror: float = 0.5  # probability

    def skip(self, clip: Clip, request: Request) -> str | None:
        """As Lip; or no image to forget."""
        return lacking_images(request, "forget") or super().skip(clip, request)

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Minimise the loss on the real forget images, in place."""
        examples = request.forget_examples
        if examples is None:
            return clip
        clip.train_only([weight.name for weight in self.movable(clip)])
        inputs, stream = clip.to_input(examples.pixels), request.generator("crops")
        return self.forget(
            clip,
            request,
            measured=self.forget_set(clip, request, inputs, examples.labels),
            shown=lambda: self.forget_set(clip, request, self.crops(inputs, stream), examples.labels),
        )

    def crops(self, inputs: Tensor, stream: torch.Generator) -> Tensor:
        """A random part of each image (M, 3, S, S), at the size of the whole."""
        side = inputs.shape[-1]
        parts = []
        for image in inputs:
            top, left, height, width = crop_box(side, self.least_area, stream)
            part = image[None, :, top : top + height, left : left + width]
            part = functional.interpolate(part, (side, side), mode="bilinear", antialias=True)
            parts.append(part.flip(-1) if float(torch.rand((), generator=stream)) < self.mirror else part)
        return torch.cat(parts)


def crop_box(side: int, least_area: float, stream: torch.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a crop inside a square of `side` px; the whole where ten draws do not fit."""
    for _ in range(_TRIES):
        share, slant = torch.rand(2, generator=stream).tolist()
        area = (least_area + (1 - least_area) * share) * side * side
        ratio = math.exp((2 * slant - 1) * math.log(4 / 3))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= side and 0 < height <= side:
            top = int(torch.randint(side - height + 1, (), generator=stream))
            left = int(torch.randint(side - width + 1, (), generator=stream))
            return top, left, height, width
    return 0, 0, side, side
