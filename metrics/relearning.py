"""How soon the forgotten class comes back when somebody trains on a few real images."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip
from unlearn_bench.metrics.base import Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.further import Images, Models
from unlearn_bench.metrics.shared.classification import belongs, predictions, similarities, target_and_other
from unlearn_bench.metrics.shared.encoding import embed_texts, sample
from unlearn_bench.metrics.shared.rates import rates
from unlearn_bench.metrics.shared.shots import SHOTS, few
from unlearn_bench.seeding import generator

STEPS = 16
"""Updates; so many steps and not back is said as one more."""

LOOKS = (1, 4)
"""Updates after which the accuracy with the most shots is reported, beside that at the end."""

RETURN = 0.9
"""Share of the original accuracy at which the class counts as being back."""

OTHERS = 0.5
"""Share of the other classes' original accuracy without which it does not: else one name for everything would do."""

_AT_ONCE = 64  # test images; more fall out of a core's cache
_BATCH = 16  # images, at least
_RATE = 0.03  # of a tensor's own root mean square, in the first update
_LEAST = 1e-3  # for tensors of zeros


Sides = Mapping[str, float | None]
"""Accuracy on the target and on the other classes."""

Answer = Callable[[Tensor], Tensor]
"""What those of the test images that are asked for, (M,) bool, are taken for."""


class Relearning(Metric):
    """Accuracy after a little training on k real images of every class, and the updates until the class is back.

    The adversary has the returned model and k = 1, 4 or 16 training images of every class of the own dataset, with
    their names: of every class, since with the target's alone a model that calls everything by its name would be
    perfect. The class texts h (C, D) start as the model's own text embeddings and are trained as vectors, together
    with the image tower's last stage; all before it is frozen, as one does who has few images and does not want to
    spoil what is there.

        loss = mean over the batch of -log softmax_c(scale cos(v_i, h_c)) at the image's own class

    16 updates of Adam on batches of 16 images, or of as many as there are classes where these are more, so that 16
    updates show every image of the largest set (with fewer images: all of them); each tensor's rate is .03 of its own
    root mean square when training begins and falls linearly to 0; scale is that of the original model. The order and
    the shots come from the run's seed; batch normalisation stays in evaluation mode. The same for every method,
    nothing is tuned. Groups, under the own dataset's name, on the test images of the forget classes and 8 of each
    kept class:

    - `shots@k/target`, `shots@k/other`: accuracy after 16 updates on k shots; before: of the original, trained alike.
    - `steps@1/target`, `steps@4/target`: accuracy with 16 shots after so many updates.
    - `steps-to-return`: with 16 shots, the fewest updates after which the target's accuracy is at least .9 of the
      original model's without training, and that of the other classes at least half of it: a model that calls
      everything by the target's name has not come back. 0 if it never left, 17 if 16 updates were not enough.

    Where classes are parted by domain, each label is a class with k images and a vector of its own, and c runs over
    the labels of the image's own domain, in the loss as in the accuracy.

    A class with fewer training images than k gives all it has. Every model learns the class from 16 images in the
    end, one that has never seen it too: what counts is how far a row is from the retrained model's.

    Unit: fraction, or updates. Direction: low is better for `target`, high for `other` and for the steps, so
    `neither` as a whole. Undefined (None) without training images of one of the forget classes or test images of a
    group, and `steps-to-return` where the original never recognises the target.

    Raises:
        CellFailure: training that leaves the finite numbers. InputError: the models were not given.

    Source: relearning time as in Vikram S. Chundawat, Ayush K. Tarun, Murari Mandal, Mohan Kankanhalli, 2023,
    Zero-Shot Machine Unlearning, https://arxiv.org/abs/2201.05629 (anamnesis index); the classifier that starts as
    text embeddings: Mitchell Wortsman et al., 2022, Robust fine-tuning of zero-shot models,
    https://arxiv.org/abs/2109.01903.
    Departures: a few shots and updates, not epochs over all data; steps in place of their ratio to the retrained
    model's; the early stages are frozen (Ananya Kumar et al., 2022, Fine-Tuning can Distort Pretrained Features).
    """

    name = "relearning"
    version = 1
    unit = "fraction or updates"
    direction = "neither"
    bounds = (0.0, 17.0)
    default = False
    needs = ("models",)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Accuracy by shots, then by updates, then the updates until it is back."""
        return tuple(self._measure(evidence, self.given(evidence.models, "models")))

    def _measure(self, evidence: Evidence, models: Models) -> Iterator[Measurement]:
        forget, own = list(evidence.forget), evidence.own
        rows = sample(models.test.labels, forget)
        labels = models.test.labels[rows]
        plans = [_plan(models.train.labels, shots, evidence.dataset, evidence.seed) for shots in SHOTS]

        def taken(clip: Clip, original: Sides | None = None) -> Tensor:
            exam = Exam(labels, forget, original)
            domains, scale = own.before.text_domains, evidence.logit_scale
            seen = (own, evidence.train) if evidence.train is not None else (own,)
            test, *train = [item.before if clip is models.original else item.after for item in seen]
            return relearn(
                clip,
                models,
                models.texts,
                plans,
                rows,
                scale=scale,
                domains=domains,
                exam=exam,
                inner=(train[0].inner if train else None, test.inner),
            )

        sides: list[Sequence[Tensor | None]] = [[None] * (len(SHOTS) + STEPS)] * 2
        if len(rows) and bool(torch.isin(torch.tensor(forget), models.train.labels).all()):
            purpose = f"{self.name} {self.version} {forget} {evidence.seed}"
            before = evidence.once(purpose, lambda: taken(models.original))
            original = target_and_other(before[_START] == labels, labels, forget)
            after = before if not models.touched else taken(models.unlearned, original)
            sides = [list(seen == labels) for seen in (before, after)]
        found = [[target_and_other(right, labels, forget) for right in side] for side in sides]
        target = int(belongs(labels, forget).sum())
        for row, shots in zip(
            (0, 1, -1), SHOTS, strict=True
        ):  # the steps with the most shots follow the others' ends
            yield from rates(self, evidence, labels, [side[row] for side in sides], part=f"shots@{shots}/")
        for step in LOOKS:
            yield self._say(
                evidence, f"steps@{step}/target", [side[_START + step]["target"] for side in found], target
            )
        steps = [_return(side[_START:], found[0][_START]) for side in found]
        yield self._say(evidence, "steps-to-return", steps, target)

    def _say(self, evidence: Evidence, group: str, values: Sequence[float | None], n: int) -> Measurement:
        return self.say(before=values[0], after=values[1], n=n, dataset=evidence.dataset, group=group)


_START = len(SHOTS) - 1
"""Where the updates with the most shots begin among the rows that `relearn` gives."""


class Exam:
    """Asks a model that is being trained only what the numbers need; -1 stands for what it was not asked.

    After each update the images of the target, and the others where the target is back; once the class is back,
    nothing but the target at `LOOKS`. At the end everything.

    Args:
        labels: (M,) of the test images. forget: the target. original: the original's accuracy without training;
            None where this is the original, which is then asked everything at the start.
    """

    def __init__(self, labels: Tensor, forget: Sequence[int], original: Sides | None = None) -> None:
        self._labels, self._forget, self._original = labels, forget, original
        self._target = belongs(labels, forget)
        self._back = False

    def ask(self, answer: Answer, step: int) -> Tensor:
        """What the images are taken for after `step` updates, (M,) int64."""
        everything = step == STEPS or self._original is None
        found = torch.full_like(self._labels, -1)
        if everything or not self._back or step in LOOKS:
            found[self._target] = answer(self._target)
        if everything or (not self._back and self._returned(found, others=False)):
            found[~self._target] = answer(~self._target)
        if self._original is None:
            self._original = self._sides(found)
        self._back = self._back or self._returned(found, others=True)
        return found

    def _sides(self, found: Tensor) -> Sides:
        return target_and_other(found == self._labels, self._labels, self._forget)

    def _returned(self, found: Tensor, *, others: bool) -> bool:
        seen, original = self._sides(found), self._original or {}
        if not others:
            seen, original = {**seen, "other": None}, {**original, "other": None}
        return bool(original.get("target")) and _is_back(seen, original)


def relearn(
    clip: Clip,
    models: Models,
    texts: Sequence[str],
    plans: Sequence[Sequence[Tensor]],
    rows: Tensor,
    *,
    scale: float,
    domains: Tensor | None = None,
    exam: Exam | None = None,
    inner: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Tensor:
    """What test images are taken for after training as each plan says; the metric's docstring has the rule.

    Args:
        clip: not changed. texts: C class texts. plans: for each number of shots, the training images of each update.
        rows: (M,) the test images. domains: (C,) of the labels, where classes are parted by domain.
        exam: what to ask between the updates of the last plan; None: everything.
        inner: what enters the last stage for all training and for all test images, where that is at hand.

    Returns:
        (len(plans) + STEPS, M) int64: at the end of every plan but the last, then before and after each update of the
        last.
    """
    pupil = _Pupil(clip, texts, domains)
    used = torch.unique(torch.cat([batch for plan in plans for batch in plan]))
    inputs, shown = (
        pupil.until_last(images, part, known)
        for images, part, known in ((models.train, used, inner[0]), (models.test, rows, inner[1]))
    )
    labels, true = (images.labels.to(clip.device) for images in (models.train, models.test))

    def answer(asked: Tensor) -> Tensor:
        with torch.no_grad():
            return predictions(pupil.seen(shown[asked], true[rows[asked]])).cpu()

    everything = torch.ones(len(rows), dtype=torch.bool)
    found = []
    for number, plan in enumerate(plans):
        watched = number == len(plans) - 1
        optimizer = pupil.start_again()
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=STEPS)
        for step in range(len(plan) + 1):
            if step:
                batch = plan[step - 1]
                with torch.enable_grad():
                    cosine = similarities(
                        pupil.seen(inputs[torch.searchsorted(used, batch)], labels[batch])
                    )  # (B, C)
                    loss = nn.functional.cross_entropy(scale * cosine, labels[batch])
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            if watched:
                found.append(answer(everything) if exam is None else exam.ask(answer, step))
        found += [] if watched else [answer(everything)]
    return torch.stack(found)


class _Pupil:
    """A model that is trained: the image tower's last stage and the class vectors."""

    def __init__(self, clip: Clip, texts: Sequence[str], domains: Tensor | None) -> None:
        stages = [weight.place.stage for weight in clip.weights() if weight.place.tower == "image"]
        self._last = max((clip.image_stages.index(stage) for stage in stages), default=0)
        self._original, self._clip = clip, clip.copy()
        self._start = embed_texts(clip, texts).to(clip.device)  # (C, D)
        self._vectors = nn.Parameter(self._start.clone())
        self._domains = None if domains is None else domains.to(clip.device)

    def until_last(self, images: Images, rows: Tensor, known: Tensor | None) -> Tensor:
        """What enters the last stage, for these images; taken from what is `known` of all where that is the stage."""
        clip, parts = self._original, torch.split(rows, _AT_ONCE)
        if known is not None and self._last == len(clip.image_stages) - 1:
            return known[rows].to(clip.device)
        with torch.no_grad():
            found = [clip.run_image_stages(clip.to_input(images.pixels[part]), stop=self._last) for part in parts]
        return torch.cat(found)

    def start_again(self) -> torch.optim.Optimizer:
        """All as it was, and Adam over what moves, each tensor with a rate of its own size."""
        original, names = self._original.state(), []
        for weight in self._clip.weights():
            if (weight.place.tower, weight.place.stage) == ("image", self._clip.image_stages[self._last]):
                weight.value.data.copy_(original[weight.name])
                names.append(weight.name)
        self._vectors = nn.Parameter(self._start.clone())
        moving = [self._vectors, *self._clip.train_only(names)]
        rates = [_RATE * max(_LEAST, float(value.detach().square().mean().sqrt())) for value in moving]
        groups = [{"params": [value], "lr": rate} for value, rate in zip(moving, rates, strict=True)]
        return torch.optim.Adam(groups, fused=True)

    def seen(self, activation: Tensor, labels: Tensor) -> Embedded:
        """What the model makes of images with these labels, given what enters the last stage."""
        images = self._clip.run_image_stages(activation, start=self._last)
        normalize = nn.functional.normalize
        found = Embedded(images=normalize(images, dim=-1), texts=normalize(self._vectors, dim=-1))
        return found.parted(labels, self._domains)


def _plan(labels: Tensor, shots: int, dataset: str, seed: int) -> list[Tensor]:
    """For each update its training images: pass after pass over the shots, each in a new order."""
    pool, classes = few(labels, shots, dataset, seed), len(torch.unique(labels))
    size, stream = min(max(_BATCH, classes), len(pool)), generator("relearning order", shots, dataset, seed)
    passes = -(-STEPS * size // max(1, len(pool)))
    drawn = [pool[torch.randperm(len(pool), generator=stream)] for _ in range(passes)]
    return list(torch.split(torch.cat([*drawn, pool[:0]])[: STEPS * size], max(1, size)))


def _return(curve: Sequence[Sides], original: Sides) -> float | None:
    """The first update after which the class is back; one more than there are where it never is."""
    if not original["target"]:
        return None
    return float(next((step for step, seen in enumerate(curve) if _is_back(seen, original)), STEPS + 1))


def _is_back(seen: Sides, original: Sides) -> bool:
    wanted, spared = RETURN * (original["target"] or 0.0), OTHERS * (original["other"] or 0.0)
    # A share of images that is equal shall not miss by a rounding.
    return (seen["target"] or 0.0) >= wanted - 1e-9 and (seen["other"] or 0.0) >= spared - 1e-9
