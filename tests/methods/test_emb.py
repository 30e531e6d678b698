"""Emb: its loss in Lip's loop."""

import pytest
import torch

from tests.methods.support import History, Untold, accuracy, borderline, colour_request, colours, copied, moved_names
from unlearn_bench.errors import InputError
from unlearn_bench.methods.emb import Emb
from unlearn_bench.methods.shared.selective import Selective


@pytest.mark.parametrize("norm", [1, 2])
def test_the_first_loss_is_equations_7_to_9(norm: int) -> None:
    history, given = History(), colour_request(made=borderline(("red",)))
    emb = Emb(alpha=0.3, norm=norm, perturbations=3, max_epochs=1)
    emb.unlearn(colours(Untold), colour_request(made=borderline(("red",)), history=history))
    clip = colours(Untold)
    x = clip.normalise(given.synthesize().unit)
    x = x[torch.randperm(len(x), generator=given.generator("order"))]
    stream = given.generator("perturbation")
    with torch.no_grad():
        v, t = clip.encode_images(x).double(), clip.embed_texts(["A picture of red"]).double()
        expected = 0.3 * float((v + t).abs().pow(norm).sum(1).pow(1 / norm).mean())
        for _ in range(3):
            noisy = torch.clamp(x + 0.1 * torch.randn(x.shape, generator=stream), x.min(), x.max())
            z = clip.encode_images(noisy).double()
            for side in (v, t):
                expected += float((side - z).abs().pow(norm).sum(1).pow(1 / norm).mean()) / 3
    assert history.column("loss") == pytest.approx([expected], rel=1e-5)


def test_emb_forgets_the_class() -> None:
    clip = colours(Untold)
    Emb(learning_rate=0.03).unlearn(clip, colour_request())
    assert accuracy(clip, ["red"]) <= 0.3


def test_emb_shares_lip_s_loop() -> None:
    assert issubclass(Emb, Selective)
    history = History()
    clip = colours(Untold)
    before = copied(clip)
    Emb(learning_rate=1e-9).unlearn(clip, colour_request(history=history))
    assert not moved_names(before, clip)
    assert history.column("sigma") == list(Emb().sigmas)


def test_a_norm_that_is_neither_1_nor_2_is_refused() -> None:
    with pytest.raises(InputError, match="norm is 3; give 1 or 2"):
        Emb(norm=3)
    with pytest.raises(InputError, match="text_counts"):
        Emb(text_counts=(1,))
