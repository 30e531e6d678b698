"""The last block for one token gives what the whole block gives there, and steps back where something was put in."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from open_clip.transformer import QuickGELU, ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tests.core import tiny
from unlearn_bench.models.open_clip_model import OpenClip
from unlearn_bench.models.quick.transformer import is_quick, run_last

PLACES = torch.tensor([4, 0, 2])


def block(**extra: Any) -> ResidualAttentionBlock:
    torch.manual_seed(0)
    found = ResidualAttentionBlock(16, 4, **extra).double().eval()
    for value in found.parameters():
        nn.init.normal_(value, std=0.5)
    return found


def tokens() -> Tensor:
    return torch.randn(3, 5, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "extra", [{}, {"ls_init_value": 0.3}, {"act_layer": QuickGELU}, {"batch_first": False}], ids=str
)
@pytest.mark.parametrize("causal", [False, True])
def test_one_token_of_the_block(extra: dict[str, Any], causal: bool) -> None:
    whole = block(**extra)
    assert is_quick(whole)
    given = tokens().requires_grad_(True)
    mask = torch.full((5, 5), -torch.inf, dtype=torch.float64).triu(1) if causal else None
    if extra.get("batch_first", True):
        every = whole(given, attn_mask=mask)
    else:
        every = whole(given.transpose(0, 1), attn_mask=mask).transpose(0, 1)
    expected = every[torch.arange(3), PLACES]
    found = run_last(whole, given, PLACES, causal=causal)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    moving = [given, *whole.parameters()]
    theirs, ours = (torch.autograd.grad(output.square().sum(), moving) for output in (expected, found))
    for one, other in zip(theirs, ours, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-8, atol=1e-8)


def hooked(whole: Any) -> None:
    whole.mlp.c_fc.register_forward_hook(lambda _, __, output: output)


def adapted(whole: Any) -> None:
    whole.mlp.c_proj = nn.Sequential(whole.mlp.c_proj, nn.Dropout(0.5))


def parametrised(whole: Any) -> None:
    parametrize.register_parametrization(whole.attn, "in_proj_weight", nn.Identity())


def replaced(whole: Any) -> None:
    whole.forward = lambda given, **_: given


def training(whole: Any) -> None:
    whole.attn.train()


def with_more_tokens(whole: Any) -> None:
    whole.attn = nn.MultiheadAttention(16, 4, batch_first=True, add_bias_kv=True).eval()


def with_other_keys(whole: Any) -> None:
    whole.attn = nn.MultiheadAttention(16, 4, batch_first=True, kdim=8).eval()


@pytest.mark.parametrize(
    "put_in", [hooked, adapted, parametrised, replaced, training, with_more_tokens, with_other_keys]
)
def test_what_was_put_in_runs(put_in: Callable[[Any], None]) -> None:
    whole = block()
    put_in(whole)
    assert not is_quick(whole)


def lengths(clip: OpenClip, inputs: Tensor) -> list[int]:
    """Tokens that each block's MLP sees, image tower and text tower."""
    seen: list[int] = []
    model: Any = clip.module
    for part in (model.visual.transformer, model.transformer):
        part.resblocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
        part.resblocks[-1].mlp.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    clip.encode_images(inputs)
    clip.embed_texts(tiny.TEXTS)
    return seen


def test_a_hook_in_the_last_block_sees_all_tokens() -> None:
    clip = tiny.transformer()
    inputs = torch.randn(2, 3, 32, 32)
    plain = clip.encode_images(inputs), clip.embed_texts(tiny.TEXTS)
    places = 16
    assert lengths(clip, inputs) == [5, 5, places, places]
    hooked = clip.encode_images(inputs), clip.embed_texts(tiny.TEXTS)
    for one, other in zip(plain, hooked, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_last_stage_is_given_one_token() -> None:
    clip = tiny.transformer()
    inputs = torch.randn(2, 3, 32, 32)
    assert clip.run_image_stages(inputs, stop=2).shape == (2, 5, 32)
    entering = clip.run_image_stages(inputs, stop=3)
    assert entering.shape == (2, 1, 32)
    assert torch.equal(clip.run_image_stages(entering, start=3), clip.encode_images(inputs))
    whole = tiny.clip_of({**tiny.TRANSFORMER, "pool_type": "avg"})
    assert whole.run_image_stages(inputs, stop=3).shape == (2, 5, 32)


def test_no_texts_have_no_embeddings() -> None:
    clip = tiny.transformer()
    assert clip.encode_texts(torch.empty(0, 16, dtype=torch.int64)).shape == (0, 24)
