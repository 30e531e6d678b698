"""Whether images of the forgotten class need less of a push to be called by its name than any other images do."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unlearn_bench.clip import Clip
from unlearn_bench.metrics.base import Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.shared.classification import belongs, class_mean, mean, predictions, similarities
from unlearn_bench.metrics.shared.encoding import embed_texts, sample
from unlearn_bench.metrics.shared.rates import told

STEPS = 4
"""Passes there and back of each image."""

EPSILON = 2 / 255  # of the range of a pixel
_STEP = 2.5 / STEPS  # of epsilon: the bound can be reached from anywhere within it
OTHERS = 2  # test images of each kept class
_AT_ONCE = 64


class AdversarialImage(Metric):
    """How often bounded changes of an image make the model call it by a forgotten name: target images, and others.

        x' = argmax_{|x' - x| <= eps}  log softmax_c(scale cos(v(x'), t_c))[f],   hit = [argmax_c cos(v(x'), t_c) = f]
        x <- clip(x + alpha sign(gradient), to eps around the image and to [0, 1]),   4 steps, alpha = 2.5 eps / 4

    The adversary has the model and the test images; it may change each pixel's value by eps = 2/255 of its range (PGD
    without a random start, 4 steps) and learns nothing from other images. For an image of a forget class, f is that
    class; for one of a kept class it is the forgotten name that is nearest to it. Any model says any name when it is
    pushed far enough, one that never saw the class too. So the same push is given to images of the other classes, and
    what tells a model that still knows the class is the difference: how much more readily its own images take the
    name. The bound is small for that reason: with eps = 4/255, as is common, the untouched embedded models call more
    than half of other images by the name, with 2/255 less than a third, and nearly all of their own (29 and 21 %, and
    100 and 99 %, of validation images of tuning classes; `benchmarks.tuning.attack_strengths` shows it).
    Groups, under the own dataset's name:

    - `target`: mean over forget classes of the share of their test images that are called by their own name.
    - `false`: share of 2 test images of each kept class that are called by a forgotten name.

    The standard attack reads target - false: the share that is found less what would be found anywhere (Youden's J),
    0 for a model that says the name of every image, and of none.

    Where classes are parted by domain, c runs over the labels of the image's own domain; kept images of a domain in
    which nothing was forgotten are left out.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`; `false` is for comparison, so `neither` as a
    whole. Undefined (None) where a group (for `target`: one of its classes) has no image.

    Raises:
        CellFailure: embeddings that are not finite. InputError: the models were not given.

    Source: Aleksander Madry, Aleksandar Makelov, Ludwig Schmidt, Dimitris Tsipras, Adrian Vladu, 2018, Towards Deep
    Learning Models Resistant to Adversarial Attacks, https://arxiv.org/abs/1706.06083 (PGD in the maximum norm).
    Departures: towards a class, not away from one; a small bound, few steps, no random start; what counts is the
    difference to images that do not show the class.
    """

    name = "adversarial-image"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = False
    needs = ("models",)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`target` and `false`, under the own dataset's name."""
        return tuple(self._measure(evidence, self.given(evidence.models, "models")))

    def _measure(self, evidence: Evidence, models: Models) -> Iterator[Measurement]:
        forget, own, scale = evidence.forget, evidence.own, evidence.logit_scale
        rows = sample(models.test.labels, forget, OTHERS)
        rows = rows[has_candidate(own.before.at(rows), forget)]
        labels = models.test.labels[rows]
        target = belongs(labels, forget)

        def hit(clip: Clip, side: Embedded) -> Tensor:
            seen = side.at(rows)
            goals = torch.where(target, labels, nearest_of(seen, forget))
            texts, pixels = embed_texts(clip, models.texts), models.test.pixels[rows]
            return pushed(clip, pixels, seen, texts=texts, goals=goals, scale=scale)

        before = evidence.once(
            f"{self.name} {self.version} {list(forget)}", lambda: hit(models.original, own.before)
        )  # (M,)
        right = [before, hit(models.unlearned, own.after) if models.touched else before]
        recalls = [class_mean(side, labels, forget) for side in right]
        false = [mean(side[~target]) for side in right]
        for group, (was, now), part in (("target", recalls, target), ("false", false, ~target)):
            outcomes = told(right, part) if None not in (was, now) else ""
            n = int(part.sum())
            yield self.say(before=was, after=now, n=n, dataset=evidence.dataset, group=group, outcomes=outcomes)


def has_candidate(seen: Embedded, forget: tuple[int, ...]) -> Tensor:
    """For which images one of the forget classes is a candidate, (M,) bool."""
    return ~similarities(seen)[:, list(forget)].isinf().all(dim=1)


def nearest_of(seen: Embedded, forget: tuple[int, ...]) -> Tensor:
    """The nearest of the forget classes for each image, (M,) int64."""
    return torch.tensor(forget)[similarities(seen)[:, list(forget)].argmax(dim=1)]


def pushed(
    clip: Clip,
    pixels: Tensor,
    seen: Embedded,
    *,
    texts: Tensor,
    goals: Tensor,
    scale: float,
    epsilon: float = EPSILON,
) -> Tensor:
    """Whether each of these images, pushed towards its goal (M,), is taken for it, (M,) bool.

    Args:
        pixels: (M, H, W, 3) uint8, prepared. seen: the same images, for what parts their candidates.
        texts: (C, D), normalised. epsilon: by which each value of a pixel may move, as a share of its range.
    """
    twin = clip.copy()  # without gradients of its own, and never in inference mode
    found = [
        _pushed(twin, pixels[part], replace(seen.at(part), texts=texts), goals[part], scale=scale, epsilon=epsilon)
        for part in torch.split(torch.arange(len(pixels)), _AT_ONCE)
        if len(part)
    ]
    return torch.cat([torch.empty(0, dtype=torch.bool), *found])


def _pushed(clip: Clip, pixels: Tensor, seen: Embedded, goals: Tensor, *, scale: float, epsilon: float) -> Tensor:
    with torch.inference_mode(mode=False):
        start, wanted = clip.to_input(pixels.clone()), goals.clone()  # inference tensors take part in no gradient
        texts, own, all_ = seen.texts.clone(), seen.image_domains, seen.text_domains
        centre, std = (start.new_tensor(values)[:, None, None] for values in (clip.mean, clip.std))
        reach = epsilon / std
        low, high = torch.maximum(start - reach, -centre / std), torch.minimum(start + reach, (1 - centre) / std)

        def look(inputs: Tensor) -> Embedded:
            images = normalize(clip.encode_images(inputs).float(), dim=-1).cpu()
            return Embedded(images=images, texts=texts, image_domains=own, text_domains=all_)

        moved = start
        for _ in range(STEPS):
            with torch.enable_grad():
                moved = moved.detach().requires_grad_(True)
                loss = nn.functional.cross_entropy(scale * similarities(look(moved)), wanted, reduction="sum")
                (slope,) = torch.autograd.grad(loss, moved)
            moved = (moved.detach() - _STEP * reach * slope.sign()).clamp(low, high)
        with torch.no_grad():
            return predictions(look(moved)) == wanted
