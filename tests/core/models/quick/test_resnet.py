"""The quick ModifiedResNet computes what open_clip's own modules do, and steps back where something was put in."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tests.core.tiny import RESNET, clip_of
from unlearn_bench.models.open_clip_model import OpenClip
from unlearn_bench.models.quick.plain import is_plain
from unlearn_bench.models.quick.resnet import KINDS, run_layer, run_pool, run_stem, stem_parts

DEEP = {**RESNET, "layers": [2, 1, 3, 1], "head_width": 64}
LARGE = {**RESNET, "image_size": 96}


def used(vision: Mapping[str, Any]) -> OpenClip:
    """A random model whose normalisations have statistics, scales and shifts of their own."""
    clip = clip_of(dict(vision))
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in clip.module.modules():
            if isinstance(module, nn.BatchNorm2d):
                own: Any = module
                for value in (own.weight, own.running_var):
                    value.copy_(torch.rand(value.shape, generator=stream) + 0.5)
                for value in (own.bias, own.running_mean):
                    value.copy_(torch.randn(value.shape, generator=stream) / 5)
            if isinstance(module, nn.Linear):
                module.bias.copy_(torch.randn(module.bias.shape, generator=stream) / 5)
    return clip


def images(clip: OpenClip, count: int = 4) -> Tensor:
    shape = (count, 3, clip.image_size, clip.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


def quick(visual: Any, activation: Tensor) -> Tensor:
    activation = run_stem(visual, activation)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        activation = run_layer(layer, activation)
    return run_pool(visual.attnpool, activation)


@pytest.mark.parametrize("vision", [RESNET, DEEP, LARGE], ids=["small", "deep", "large"])
def test_embeddings_and_gradients_are_those_of_the_modules(vision: Mapping[str, Any]) -> None:
    clip = used(vision)
    visual: Any = clip.module.double().visual
    visual.requires_grad_(True)
    inputs, weights = images(clip).double(), torch.randn(4, 24, dtype=torch.float64)
    found: list[tuple[Tensor, dict[str, Tensor]]] = []
    for forward in (visual, lambda x: quick(visual, x)):
        visual.zero_grad()
        embedded = forward(inputs)
        (embedded * weights).sum().backward()
        found.append((embedded.detach(), {name: value.grad.clone() for name, value in visual.named_parameters()}))
    (expected, slopes), (embedded, own) = found
    torch.testing.assert_close(embedded, expected, rtol=1e-10, atol=1e-10)
    for name, slope in slopes.items():
        assert torch.allclose(own[name], slope, rtol=1e-8, atol=1e-10), name


def test_gradients_reach_the_images() -> None:
    clip = used(RESNET)
    visual: Any = clip.module.double().visual
    slopes = []
    for forward in (visual, lambda x: quick(visual, x)):
        inputs = images(clip).double().requires_grad_(True)
        forward(inputs).square().sum().backward()
        assert inputs.grad is not None
        slopes.append(inputs.grad)
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-8, atol=1e-10)


def test_the_model_runs_by_it_stage_by_stage() -> None:
    clip = used(DEEP)
    inputs = images(clip)
    visual: Any = clip.module.visual
    with torch.inference_mode():
        expected, found = visual(inputs), clip.encode_images(inputs)
        halves = clip.run_image_stages(clip.run_image_stages(inputs, stop=3), start=3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(halves, found)
    assert torch.equal(found, quick(visual, inputs))


def test_bf16_and_channels_last_agree() -> None:
    clip = used(RESNET)
    inputs = images(clip)
    with torch.inference_mode():
        expected = clip.encode_images(inputs)
        torch.testing.assert_close(
            clip.encode_images(inputs.contiguous(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5
        )
        with torch.autocast("cpu", torch.bfloat16):
            half = clip.encode_images(inputs).float()
    assert bool((nn.functional.cosine_similarity(half, expected) > 0.999).all())


class Doubled(nn.Module):
    """An adapter around a layer."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, activation: Tensor) -> Tensor:
        doubled: Tensor = 2 * self.inner(activation)
        return doubled


class Stronger(nn.Module):
    """What a parametrisation does to a weight."""

    def forward(self, weight: Tensor) -> Tensor:
        return 20 * weight


def with_adapter(visual: Any) -> None:
    visual.layer2[0].conv2 = Doubled(visual.layer2[0].conv2)


def with_hook(visual: Any) -> None:
    visual.conv3.register_forward_hook(lambda _, __, output: 2 * output)


def with_hook_before(visual: Any) -> None:
    visual.layer4.register_forward_pre_hook(lambda _, given: (2 * given[0],))


def with_parametrisation(visual: Any) -> None:
    parametrize.register_parametrization(visual.layer1[0].conv1, "weight", Stronger())


def with_own_forward(visual: Any) -> None:
    own = visual.attnpool.forward
    visual.attnpool.forward = lambda activation: 2 * own(activation)


@pytest.mark.parametrize(
    "put_in", [with_adapter, with_hook, with_hook_before, with_parametrisation, with_own_forward]
)
def test_what_was_put_into_the_tower_runs(put_in: Any) -> None:
    clip = used(RESNET)
    inputs = images(clip)
    visual: Any = clip.module.visual
    plain = clip.encode_images(inputs)
    put_in(visual)
    assert not is_plain(
        visual.attnpool, visual.layer1, visual.layer2, visual.layer4, *stem_parts(visual), kinds=KINDS
    )
    changed = clip.encode_images(inputs)
    torch.testing.assert_close(changed, visual(inputs), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(changed, plain, rtol=1e-2)


def test_in_training_mode_statistics_are_of_the_batch() -> None:
    clip = used(RESNET)
    visual: Any = clip.module.visual
    before = visual.layer1[0].bn1.running_mean.clone()
    clip.module.train()
    clip.encode_images(images(clip))
    assert not torch.equal(before, visual.layer1[0].bn1.running_mean)


def test_the_stem_is_told_by_its_parts() -> None:
    visual: Any = used(RESNET).module.visual
    assert is_plain(*stem_parts(visual), kinds=KINDS)
    assert len(stem_parts(visual)) == 9
    visual.bn2.train()
    assert not is_plain(*stem_parts(visual), kinds=KINDS)
