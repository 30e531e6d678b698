"""Every method works on models of transformers as on open_clip's: it moves what is its to move, or says why not."""

from functools import lru_cache

import pytest
import torch

from tests.core.models.small_transformers import clip_model, processor, siglip_model, tokenizer
from tests.methods.support import COLOURS, copied, examples, method_class, moved_names, request, synthetic
from tests.methods.test_laws import LEARNING, QUICK
from unlearn_bench.methods.base import Request
from unlearn_bench.models.transformers_clip import TransformersClip
from unlearn_bench.seeding import generator
from unlearn_bench.training.loop import trainable_names

WITHOUT_LAST_MAP = {"null-space", "text-null-space"}
"""What changes the image tower's last map, which a SigLIP has not: it says so."""


@lru_cache(maxsize=2)
def original(kind: str) -> TransformersClip:
    model = clip_model() if kind == "CLIP" else siglip_model()
    return TransformersClip(model, tokenizer(), processor(kind), name=kind)


def red() -> Request:
    """Forget red, with every kind of data."""
    names, unit = list(COLOURS), torch.rand(10, 3, 32, 32, generator=generator("unit"))
    return request(
        names[:1],
        names[1:],
        made=synthetic(unit[:3]),
        forget_examples=examples(unit[3:5], torch.zeros(2, dtype=torch.int64)),
        retain_examples=examples(unit[5:], torch.tensor([1, 2, 3, 4, 1])),
    )


@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
@pytest.mark.parametrize("name", LEARNING)
def test_a_method_takes_it(name: str, kind: str) -> None:
    clip, given = original(kind).copy(), red()
    before = copied(clip)
    method = method_class(name)(**QUICK.get(name, {}))
    why_not = method.skip(clip, given)
    if why_not is not None:
        assert (kind, name) in {("Siglip", item) for item in WITHOUT_LAST_MAP}, why_not
        return
    returned = method.unlearn(clip, given)
    moved = moved_names(before, returned)
    assert moved <= set(trainable_names(clip))
    assert all(bool(torch.isfinite(value).all()) for value in returned.state().values())
    assert moved, "nothing was unlearned"
