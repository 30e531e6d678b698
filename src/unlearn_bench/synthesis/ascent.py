"""Synthetic images of a concept, made from the model alone by gradient ascent on the pixels."""

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.seeding import generator
from unlearn_bench.synthesis.images import Progress, Say, Synthetic, silent
from unlearn_bench.synthesis.pixels import blur, gaussian, roll, to_unit
from unlearn_bench.synthesis.settings import SynthesisSettings

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def synthesize(
    clip: Clip,
    *,
    texts: Sequence[str],
    targets: Sequence[int],
    settings: SynthesisSettings,
    seed: int,
    task: str,
    descriptions: Mapping[int, Sequence[str]] | None = None,
    say: Say = silent,
) -> Synthetic:
    """Images that `clip` takes for the target classes: noise, pushed up the model's own gradient.

    From x ~ N(0, 1), each step rolls x by a random shift, moves it by

        x <- x + a g / ||g||,   g = d/dx [ s cos(f_img(n(x)), f_txt(t)) - w ||x|| ],

    rolls it back, clamps each channel to what an ImageNet-normalised image can hold, and every few steps
    blurs it. n is the model's normalisation, applied to x as it is. The test for acceptance sees another
    image: x with ImageNet's mean and std undone, rescaled by its own least and greatest value to [0, 1], then
    normalised by n. It passes when the target is the most probable of `texts` (softmax of the logits) and its
    probability reaches the threshold. After `max_steps` without success, or `patience` steps without a gain, the
    threshold drops and the image starts anew.

    With `own_pixels` the same z = x climbs as the pixels u = clip(std z + mean, 0, 1) (ImageNet's), which the model
    is shown as n(u), and the test sees u as it is. That is the paper's climb for a model that normalises as CLIP
    does, but for a constant; for a model without normalisation the paper's x leaves [0, 1] and the test judges an
    image that never climbed.

    Each image has its own random stream, named by (seed, task, text, index, attempt): the number of images
    that are worked on together changes nothing but rounding. Neither the model nor its gradients are touched.

    Args:
        clip: the model; its device is where the work is done.
        texts: the evaluation text of every class of the dataset.
        targets: indices of the forget classes in `texts`.
        settings: see `SynthesisSettings`.
        seed: of the run.
        task: names what is forgotten.
        descriptions: for a target, sentences about it; each of its images climbs towards one of them, drawn at
            random, in place of the target's text. The test for acceptance stays the same.
        say: is told how far it is, after each step.

    Raises:
        CellFailure: more than half of a class's images did not pass in `max_attempts` attempts (an `OutOfTimeError`:
            in `max_seconds`), or the model's probabilities are not finite.
        InputError: `targets` is empty, repeats a class, or points outside `texts`.

    Source: Kravets and Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples (WACV;
    https://arxiv.org/abs/2407.07485), section 4.3, and the authors' code.

    Departures: images are made in batches, not one at a time. At another side than 224 px, step and jitter are
    scaled by side / 224 (ours). The threshold drops for the image that failed, not for its class; at the floor it
    is tried again, and an image that fails `max_attempts` times is left out. One threshold serves all classes, where
    the authors chose some by hand. Shifts go down and right; blur falls on steps 10, 20, .. with mirrored borders
    (ours). Patience, the limit of seconds and the model's own pixels are ours, and off where a preset does not ask.
    """
    _check_targets(texts, targets)
    extra = list(dict.fromkeys(item for part in (descriptions or {}).values() for item in part))
    places = {sentence: len(texts) + place for place, sentence in enumerate(extra)}
    ascent = Ascent(clip, texts, settings, extra)
    waiting = deque(
        Climber(label=label, target=target, text=texts[target], index=index, towards=places.get(sentence, target))
        for label, target in enumerate(targets)
        for index, sentence in enumerate(
            _sentences(texts[target], (descriptions or {}).get(target, ()), settings, seed)
        )
    )
    work = _Work(ascent=ascent, waiting=waiting, wanted=len(waiting), seed=seed, task=task)
    until = time.monotonic() + settings.max_seconds if settings.max_seconds else math.inf
    while work.waiting or work.active:
        work.step()
        say(work.progress())
        if time.monotonic() >= until:
            work.give_up_the_rest()
    return _gather(work.made)


@dataclass(kw_only=True)
class Climber:
    """One image under way: what it shall show, towards which text it climbs, and how far it got.

    Attributes:
        label, target: the class, as index into the targets and into the texts. text: the class's own text.
        index: within its class. towards: what it climbs towards, as index into texts and descriptions.
        attempt, step: where it is; total: steps over all attempts.
        best: the target's highest probability; named: the highest while it was the most probable, at step named_at.
        peak, since: the highest log probability of this attempt, and the steps since it rose.
        shifts: of each step of this attempt.
        unit, probability, threshold: what was accepted, and what it had to reach.
    """

    label: int
    target: int
    text: str
    index: int
    towards: int
    attempt: int = 0
    step: int = 0
    total: int = 0
    best: float = 0.0
    named: float = 0.0
    named_at: int = 0
    peak: float = -math.inf
    since: int = 0
    shifts: list[list[int]] = field(default_factory=list)
    unit: Tensor | None = None
    probability: float = 0.0
    threshold: float = 0.0


@dataclass(kw_only=True)
class _Work:
    """The images of one call: those that wait, those under way with their pixels, those made and those given up."""

    ascent: "Ascent"
    waiting: deque[Climber]
    wanted: int
    seed: int
    task: str
    active: list[Climber] = field(default_factory=list)
    made: list[Climber] = field(default_factory=list)
    lost: list[Climber] = field(default_factory=list)
    raw: Tensor = field(init=False)

    def __post_init__(self) -> None:
        clip = self.ascent.clip
        self.raw = torch.empty(0, 3, clip.image_size, clip.image_size, device=clip.device)

    def step(self) -> None:
        """Take up what there is room for, climb one step, test, and let go of what is done."""
        settings = self.ascent.settings
        fresh = [
            self.waiting.popleft() for _ in range(min(len(self.waiting), settings.batch_size - len(self.active)))
        ]
        if fresh:
            self.raw = torch.cat([self.raw, self.ascent.start(fresh, self.seed, self.task)])
            self.active += fresh
        self.raw = self.ascent.step(self.raw, self.active)
        self.ascent.judge(self.raw, self.active)
        for row, image in enumerate(self.active):
            if image.unit is None and self.ascent.is_over(image):
                image.attempt += 1
                if image.attempt < settings.max_attempts:
                    self.raw[row] = self.ascent.draw(image, self.seed, self.task).to(self.raw.device)
        self.made += [image for image in self.active if image.unit is not None]
        for image in [image for image in self.active if image.attempt == settings.max_attempts]:
            self._lose(image)
        rows = [
            row
            for row, image in enumerate(self.active)
            if image.unit is None and image.attempt < settings.max_attempts
        ]
        if len(rows) < len(self.active):
            self.raw, self.active = self.raw[rows], [self.active[row] for row in rows]

    def progress(self) -> Progress:
        """How far it is."""
        best = max((image.best for image in (*self.active, *self.lost)), default=1.0)
        attempts = 1 + max((image.attempt for image in self.active), default=0)
        return Progress(made=len(self.made), lost=len(self.lost), wanted=self.wanted, best=best, attempt=attempts)

    def give_up_the_rest(self) -> None:
        """Lose what is not made yet; an error where that is more than half of a class."""
        rest = [*self.active, *self.waiting]
        self.active, self.raw = [], self.raw[:0]
        self.waiting.clear()
        for image in rest:
            self._lose(image)

    def _lose(self, image: Climber) -> None:
        self.lost.append(image)
        _check_enough(image, self.ascent.settings, self.made, self.lost)


class Ascent:
    """The arithmetic of one model, one set of texts and one collection of settings."""

    def __init__(
        self, clip: Clip, texts: Sequence[str], settings: SynthesisSettings, descriptions: Sequence[str]
    ) -> None:
        self.clip, self.settings = clip, settings
        self.side = clip.image_size
        device = clip.device
        with torch.no_grad():
            self.embeddings = clip.embed_texts(texts)  # (C, D)
            more = [clip.embed_texts(descriptions)] if descriptions else []
            self.directions = nn.functional.normalize(torch.cat([self.embeddings, *more]), dim=-1)  # texts first
            self.scale = clip.logit_scale.detach().clone()
        self.mean = torch.tensor(_IMAGENET_MEAN, device=device)[:, None, None]
        self.std = torch.tensor(_IMAGENET_STD, device=device)[:, None, None]
        self.low, self.high = -self.mean / self.std, (1 - self.mean) / self.std
        self.kernel = gaussian(settings.blur_sigma).to(device)

    def start(self, images: Sequence[Climber], seed: int, task: str) -> Tensor:
        """Where these images begin, (N, 3, S, S)."""
        return torch.stack([self.draw(image, seed, task) for image in images]).to(self.clip.device)

    def draw(self, image: Climber, seed: int, task: str) -> Tensor:
        """The noise (3, S, S) from which this attempt starts; its shifts are drawn from the same stream."""
        stream = generator("synthesis", seed, task, image.text, image.index, image.attempt)
        start = torch.randn(3, self.side, self.side, generator=stream)
        largest = self.settings.jitter_at(self.side)
        image.shifts = torch.randint(largest + 1, (self.settings.max_steps, 2), generator=stream).tolist()
        image.step, image.threshold = 0, self.settings.threshold_at(image.attempt)
        image.peak, image.since = -math.inf, 0
        return start

    def step(self, raw: Tensor, images: Sequence[Climber]) -> Tensor:
        """One ascent step of all images (N, 3, S, S)."""
        shifts = torch.tensor([image.shifts[image.step] for image in images], device=raw.device)  # (N, 2)
        towards = torch.tensor([image.towards for image in images], device=raw.device)
        rolled = roll(raw, shifts).contiguous(memory_format=torch.channels_last)
        with torch.enable_grad():
            rolled.requires_grad_(True)
            embedded = nn.functional.normalize(self.clip.encode_images(self._input(rolled)), dim=-1)
            fit = self.scale * (embedded * self.directions[towards]).sum(-1)  # (N,)
            objective = fit - self.settings.norm_weight * rolled.flatten(1).norm(dim=1)
            (slope,) = torch.autograd.grad(objective.sum(), rolled)
        length = slope.flatten(1).norm(dim=1).clamp_min(torch.finfo(slope.dtype).tiny)
        moved = rolled.detach() + self.settings.step_at(self.side) * slope / length[:, None, None, None]
        raw = roll(moved, -shifts).clamp(self.low, self.high)
        for image in images:
            image.step += 1
            image.total += 1
        rows = [row for row, image in enumerate(images) if image.step % self.settings.blur_every == 0]
        if rows:
            raw[rows] = blur(raw[rows], self.kernel)
        return raw

    def is_over(self, image: Climber) -> bool:
        """Whether this attempt ends: all its steps are taken, or too many without a gain."""
        patience = self.settings.patience
        return image.step == self.settings.max_steps or (patience > 0 and image.since >= patience)

    def _note_gain(self, image: Climber, logarithm: float) -> None:
        if logarithm >= image.peak + _GAIN:
            image.peak, image.since = logarithm, 0
        else:
            image.since += self.settings.check_every

    def _input(self, raw: Tensor) -> Tensor:
        """What the model is shown of (N, 3, S, S) while it climbs; gradients pass."""
        return self.clip.normalise((raw * self.std + self.mean) if self.settings.own_pixels else raw)

    @torch.no_grad()
    def judge(self, raw: Tensor, images: Sequence[Climber]) -> None:
        """Test the images that are due; those that pass get their `unit` and `probability`."""
        every, last = self.settings.check_every, self.settings.max_steps
        rows = [row for row, image in enumerate(images) if image.step % every == 0 or image.step == last]
        if not rows:
            return
        shown = raw[rows] * self.std + self.mean
        unit = shown.clamp(0, 1) if self.settings.own_pixels else to_unit(shown)
        inputs = self.clip.normalise(unit).contiguous(memory_format=torch.channels_last)
        logits = self.clip.logits(self.clip.encode_images(inputs), self.embeddings)  # (N, C)
        highest = logits.argmax(-1).tolist()
        logarithms = logits.float().log_softmax(-1)
        probabilities = logits.float().softmax(-1).tolist()
        for place, row in enumerate(rows):
            image = images[row]
            probability = probabilities[place][image.target]
            if probability != probability:  # noqa: PLR0124  (the test for NaN)
                raise CellFailure(f"the model's probabilities for {image.text!r} are not finite; no images made")
            image.best = max(image.best, probability)
            if highest[place] == image.target and probability > image.named:
                image.named, image.named_at = probability, image.step
            if self.settings.patience:
                self._note_gain(image, float(logarithms[place, image.target]))
            if highest[place] == image.target and probability >= image.threshold:
                image.unit, image.probability = unit[place].contiguous().cpu(), probability


def _sentences(text: str, descriptions: Sequence[str], settings: SynthesisSettings, seed: int) -> list[str]:
    """What each image of a class climbs towards: its text, or a description drawn for it."""
    if not descriptions:
        return [text] * settings.images_per_class
    stream = generator("descriptions", seed, text)
    drawn = torch.randint(len(descriptions), (settings.images_per_class,), generator=stream)
    return [descriptions[place] for place in drawn.tolist()]


class OutOfTimeError(CellFailure):
    """The limit of seconds ended it: on another day, or another machine, more images may be made."""


_GAIN = 0.05
"""Of the target's log probability: less is no gain."""


def _check_enough(
    image: Climber, settings: SynthesisSettings, made: Sequence[Climber], lost: Sequence[Climber]
) -> None:
    """Raise where, with this image, more than half of its class's are given up."""
    missing, there = (sum(other.target == image.target for other in images) for images in (lost, made))
    if 2 * missing > settings.images_per_class:
        best = max((other.best for other in lost if other.target == image.target), default=image.best)
        ended = image.attempt < settings.max_attempts
        raise (OutOfTimeError if ended else CellFailure)(
            f"no synthetic image for {image.text!r}: best probability {best:.3f} in "
            + (f"{settings.max_seconds:g} s" if ended else f"{image.attempt} attempts of {settings.max_steps} steps")
            + f", last threshold {image.threshold:.3f}; {there} of {settings.images_per_class} were made"
        )


def _gather(made: list[Climber]) -> Synthetic:
    made = sorted(made, key=lambda image: (image.label, image.index))
    return Synthetic(
        unit=torch.stack([image.unit for image in made if image.unit is not None]),
        labels=torch.tensor([image.label for image in made]),
        probabilities=torch.tensor([image.probability for image in made], dtype=torch.float32),
        thresholds=torch.tensor([image.threshold for image in made], dtype=torch.float32),
        steps=torch.tensor([image.total for image in made]),
        attempts=torch.tensor([image.attempt + 1 for image in made]),
    )


def _check_targets(texts: Sequence[str], targets: Sequence[int]) -> None:
    if not targets or len(set(targets)) != len(targets):
        raise InputError(f"synthetic images need one or more different target classes; got {list(targets)}")
    outside = [target for target in targets if not 0 <= target < len(texts)]
    if outside:
        raise InputError(f"target classes {outside} are outside the {len(texts)} classes of the dataset")
