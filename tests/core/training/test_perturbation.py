"""The losses against their formulas written out, and the shortcuts against the long way."""

import math

import pytest
import torch
from torch import Tensor

from tests.core import tiny
from tests.methods.support import colours, paint
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure
from unlearn_bench.methods.shared.selective import may_move
from unlearn_bench.seeding import generator
from unlearn_bench.training import perturbation
from unlearn_bench.training.perturbation import ForgetSet, Perturbed, embedding_loss, lipschitz_loss, perturb


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator("test", seed))


def norm(values: list[float], order: int = 2) -> float:
    return float(sum(abs(value) ** order for value in values) ** (1 / order))


def gap(first: Tensor, second: Tensor, sign: int = -1, order: int = 2) -> float:
    return norm([a + sign * b for a, b in zip(first.tolist(), second.tolist(), strict=True)], order)


@pytest.fixture
def embedded() -> tuple[Tensor, Tensor, Perturbed]:
    perturbed = Perturbed(embeddings=drawn(3, 4, 5, seed=0), distances=drawn(3, 4, seed=1).abs() + 0.1)
    return drawn(4, 5, seed=2), drawn(4, 5, seed=3), perturbed


@pytest.mark.parametrize("with_text", [True, False])
def test_lipschitz_loss_is_its_formula(embedded: tuple[Tensor, Tensor, Perturbed], with_text: bool) -> None:
    images, texts, perturbed = embedded
    expected = 0.0
    for n in range(3):
        for i in range(4):
            z, distance = perturbed.embeddings[n, i], float(perturbed.distances[n, i])
            outputs = gap(images[i], z) + (gap(texts[i], z) if with_text else 0.0)
            expected += outputs / (2 * distance)
    expected /= 2 * 3
    found = lipschitz_loss(images, texts if with_text else None, perturbed)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_lipschitz_gradient_is_the_mean_of_the_terms(embedded: tuple[Tensor, Tensor, Perturbed]) -> None:
    images, texts, perturbed = embedded
    images.requires_grad_()
    lipschitz_loss(images, texts, perturbed).backward()  # type: ignore[no-untyped-call]
    expected = torch.zeros_like(images)
    for n in range(3):
        for i in range(4):
            away = images.detach()[i] - perturbed.embeddings[n, i]
            expected[i] += away / math.sqrt(float((away**2).sum())) / (2 * perturbed.distances[n, i]) / 6
    assert images.grad is not None
    torch.testing.assert_close(images.grad, expected)


@pytest.mark.parametrize("order", [1, 2])
def test_embedding_loss_is_its_formula(embedded: tuple[Tensor, Tensor, Perturbed], order: int) -> None:
    images, texts, perturbed = embedded
    noisy = [
        gap(side[i], perturbed.embeddings[n, i], order=order)
        for side in (images, texts)
        for n in range(3)
        for i in range(4)
    ]
    sums = [gap(images[i], texts[i], sign=+1, order=order) for i in range(4)]
    expected = sum(noisy) / 12 + 0.7 * sum(sums) / 4
    assert float(embedding_loss(images, texts, perturbed, alpha=0.7, order=order)) == pytest.approx(expected)


@pytest.mark.parametrize("together", [1, 6, 13, 64])
def test_noise_is_clamped_to_the_range_of_the_batch(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many copies pass the tower at once, and whether or not the last are fewer."""
    monkeypatch.setattr(perturbation, "PASS", together)
    clip = colours()
    inputs = clip.normalise(paint(["red", "blue"], 3, seed=0)[0])
    seen: list[Tensor] = []
    original = clip.encode_images

    def spy(noisy: Tensor) -> Tensor:
        seen.append(noisy)
        return original(noisy)

    clip.encode_images = spy  # type: ignore[method-assign, assignment]
    found = perturb(clip, inputs, sigma=0.8, count=5, generator=generator("noise"))
    assert max(map(len, seen)) == max(6, together // 6 * 6 if together < 30 else 30)
    stream = generator("noise")
    for n, noisy in enumerate(torch.split(torch.cat(seen), 6)):
        raw = inputs + 0.8 * torch.randn(inputs.shape, generator=stream)
        low, high = float(inputs.min()), float(inputs.max())
        expected = torch.where(raw < low, low, torch.where(raw > high, high, raw))
        torch.testing.assert_close(noisy, expected)
        assert bool((raw != expected).any())
        torch.testing.assert_close(found.distances[n], ((inputs - expected) ** 2).sum(dim=(1, 2, 3)).sqrt())
        torch.testing.assert_close(found.embeddings[n], original(expected))
    assert found.embeddings.shape == (5, 6, 12)
    assert not found.embeddings.requires_grad


def forget_set(
    clip: Clip, count: int = 5, batch_size: int = 2, domains: tuple[str, ...] = ()
) -> tuple[ForgetSet, Tensor, list[str]]:
    moving = [weight.name for weight in clip.weights() if may_move(weight.place)]
    inputs = torch.randn(count, 3, clip.image_size, clip.image_size, generator=generator("inputs"))
    made = ForgetSet(
        clip,
        inputs,
        torch.tensor([0, 1, 0, 1, 1])[:count],
        prompts=["a picture of one", "a picture of two"],
        classes=list(tiny.TEXTS),
        domains=domains,
        moving=moving,
        batch_size=batch_size,
    )
    return made, inputs, moving


@pytest.mark.parametrize("build", [tiny.resnet, tiny.transformer, tiny.two_towers])
def test_cached_stages_change_no_embedding_and_no_gradient(build: object) -> None:
    clip: Clip = build()  # type: ignore[operator]
    held, inputs, moving = forget_set(clip)
    parameters = clip.train_only(moving)
    rows = torch.tensor([3, 0, 4])
    held.embed_images(rows).square().sum().backward()  # type: ignore[no-untyped-call]
    short = [value.grad for value in parameters]
    clip.module.zero_grad()
    clip.encode_images(inputs[rows]).square().sum().backward()  # type: ignore[no-untyped-call]
    for found, value in zip(short, parameters, strict=True):
        assert (found is None) == (value.grad is None)
        if found is not None and value.grad is not None:
            torch.testing.assert_close(found, value.grad, rtol=1e-4, atol=1e-5)


def test_the_trunk_of_a_resnet_runs_once() -> None:
    clip = tiny.resnet()
    runs: list[tuple[int, int | None]] = []
    original = clip.run_image_stages

    def spy(activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        runs.append((start, stop))
        return original(activation, start=start, stop=stop)

    clip.run_image_stages = spy  # type: ignore[method-assign]
    held, _, _ = forget_set(clip, batch_size=64)
    held.embed_images(torch.arange(5))
    held.accuracy()
    held.accuracy()
    assert runs == [(0, 5), (5, None), (5, None), (5, None)]


def test_prompts_follow_the_labels() -> None:
    clip = tiny.resnet()
    held, _, _ = forget_set(clip)
    expected = clip.embed_texts(["a picture of two", "a picture of one"])
    torch.testing.assert_close(held.embed_prompts(torch.tensor([1, 0])), expected)


def test_accuracy_counts_right_images_in_any_batch_size() -> None:
    clip = tiny.resnet()
    held, inputs, _ = forget_set(clip, batch_size=2)
    whole, _, _ = forget_set(clip, batch_size=64)
    with torch.no_grad():
        images = torch.nn.functional.normalize(clip.encode_images(inputs), dim=-1)
        texts = torch.nn.functional.normalize(clip.embed_texts(tiny.TEXTS), dim=-1)
    expected = ((images @ texts.T).argmax(-1) == torch.tensor([0, 1, 0, 1, 1])).float().mean()
    assert held.accuracy() == whole.accuracy() == pytest.approx(float(expected))


def test_accuracy_is_among_the_texts_of_the_images_own_domain() -> None:
    clip = tiny.resnet()
    domains = ("photo", "sketch", "photo", "sketch", "photo", "photo")
    held, inputs, _ = forget_set(clip, domains=domains)
    with torch.no_grad():
        images = torch.nn.functional.normalize(clip.encode_images(inputs), dim=-1)
        texts = torch.nn.functional.normalize(clip.embed_texts(tiny.TEXTS), dim=-1)
    right = 0
    for scores, label in zip((images @ texts.T).tolist(), (0, 1, 0, 1, 1), strict=True):
        rivals = [place for place, domain in enumerate(domains) if domain == domains[label]]
        right += max(rivals, key=lambda place: scores[place]) == label
    assert held.accuracy() == right / 5
    alone, _, _ = forget_set(clip, domains=("photo", "sketch", *["painting"] * 4))
    assert alone.accuracy() == 1.0  # nothing to take them for


def test_accuracy_refuses_what_is_not_finite() -> None:
    clip = tiny.resnet()
    held, _, moving = forget_set(clip)
    with torch.no_grad():
        for value in clip.train_only(moving):
            value.fill_(float("nan"))
    with pytest.raises(CellFailure, match="not finite"):
        held.accuracy()
