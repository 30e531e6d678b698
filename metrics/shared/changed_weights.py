"""Zero-shot classification with the weights of both models changed a little, as attacks on weights do it."""

from collections.abc import Callable
from functools import cache, partial

from torch import Tensor

from unlearn_bench.clip import Clip, State, Tower
from unlearn_bench.metrics.base import Evidence
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.shared.encoding import embed, embed_texts, predict, sample


def with_matrices(clip: Clip, change: Callable[[str, Tensor], Tensor]) -> State:
    """The state with each trained matrix or kernel put through `change(name, value)`; the rest as it is, not copied.

    Vectors, statistics and the logit scale are none.
    """
    trained = {weight.name for weight in clip.weights() if weight.place.role != "scale"}
    return {
        name: change(name, value) if name in trained and value.ndim > 1 else value
        for name, value in clip.state().items()
    }


def recognised(
    evidence: Evidence, models: Models, change: Callable[[Clip], State], purpose: str
) -> tuple[Tensor, list[Tensor]]:
    """Which test images both models recognise with changed weights: those of the forget set, and some of each class.

    Args:
        change: the state that a model is given in place of its own. A tower is encoded again only where the method
            touched it: so what becomes of a tensor shall hang on it and its name alone.
        purpose: names the change and all that it hangs on.

    Returns:
        The labels (M,) int64 of the images (`sample`), and whether each was right, (M,) bool, before and after.

    Raises:
        CellFailure: embeddings that are not finite.
    """
    rows = sample(models.test.labels, evidence.forget)
    labels, shown = models.test.labels[rows], evidence.own.before.at(rows)
    changed = cache(lambda clip: clip.with_state(change(clip)))
    see: dict[Tower, Callable[[Clip], Tensor]] = {
        "image": lambda clip: embed(changed(clip), models.test.pixels[rows]),  # (M, D)
        "text": lambda clip: embed_texts(changed(clip), models.texts),  # (C, D)
    }
    known = {
        tower: evidence.once(f"{purpose} {tower}", partial(part, models.original)) for tower, part in see.items()
    }
    found = {
        tower: part(models.unlearned) if tower in models.touched else known[tower] for tower, part in see.items()
    }
    return labels, [predict(side["image"], side["text"], like=shown) == labels for side in (known, found)]
