"""Trying settings of synthetic images: one attempt for each image, and how near it came."""

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from unlearn_bench.clip import Clip
from unlearn_bench.synthesis.ascent import Ascent, Climber
from unlearn_bench.synthesis.settings import SynthesisSettings


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """How one image's one attempt ended.

    Attributes:
        target: the class it was to show.
        best: the highest probability of the target while it was the most probable class; 0 if it never was.
        steps: taken until that was reached, or until the end where the threshold was not.
    """

    target: int
    best: float
    steps: int


@dataclass(frozen=True, kw_only=True)
class Tried:
    """Attempts with the wall seconds that they took together; those cut off by the limit count as they stood."""

    attempts: tuple[Attempt, ...]
    seconds: float

    def share_at(self, threshold: float) -> float:
        """Share of the images that reached a probability."""
        return sum(item.best >= threshold for item in self.attempts) / max(1, len(self.attempts))


def try_settings(
    clip: Clip,
    *,
    texts: Sequence[str],
    targets: Sequence[int],
    settings: SynthesisSettings,
    images: int,
    seed: int,
    task: str,
) -> Tried:
    """Climb once with `images` images of each target class; nothing is given up and nothing fails.

    Args:
        settings: its threshold ends an image's climb, its `patience` and `max_seconds` count too; attempts do not.
    """
    once = replace(settings, max_attempts=1, images_per_class=images)
    ascent = Ascent(clip, texts, once, ())
    under_way = [
        Climber(label=label, target=target, text=texts[target], index=index, towards=target)
        for label, target in enumerate(targets)
        for index in range(images)
    ]
    started = time.monotonic()
    ended: list[Attempt] = []
    waiting = deque(under_way)
    while waiting:
        batch = [waiting.popleft() for _ in range(min(len(waiting), once.batch_size))]
        ended += _climb(ascent, batch, seed=seed, task=task, until=started + (once.max_seconds or math.inf))
    return Tried(attempts=tuple(ended), seconds=time.monotonic() - started)


def _climb(ascent: Ascent, batch: list[Climber], *, seed: int, task: str, until: float) -> list[Attempt]:
    raw = ascent.start(batch, seed, task)
    active = list(batch)
    while active and time.monotonic() < until:
        raw = ascent.step(raw, active)
        ascent.judge(raw, active)
        rows = [row for row, image in enumerate(active) if image.unit is None and not ascent.is_over(image)]
        if len(rows) < len(active):
            raw, active = raw[rows], [active[row] for row in rows]
    return [Attempt(target=image.target, best=image.named, steps=image.named_at or image.step) for image in batch]
