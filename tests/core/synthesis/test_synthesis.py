"""Synthetic images: the loop against a plain one written from the recipe, and every way to fail."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from tests.core import tiny
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.seeding import generator
from unlearn_bench.synthesis.ascent import synthesize
from unlearn_bench.synthesis.images import Synthetic
from unlearn_bench.synthesis.pixels import blur, gaussian, to_unit
from unlearn_bench.synthesis.settings import SynthesisSettings

QUICK = SynthesisSettings(images_per_class=3, max_steps=60, batch_size=8)
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def make(clip: Clip, settings: SynthesisSettings, targets: tuple[int, ...] = (2, 0), seed: int = 0) -> Synthetic:
    return synthesize(clip, texts=tiny.TEXTS, targets=targets, settings=settings, seed=seed, task="shapes")


def one_by_one(
    clip: Clip, target: int, index: int, settings: SynthesisSettings, towards: str = ""
) -> tuple[Tensor, float, int]:
    """The recipe for one image, as plainly as it can be written."""
    stream = generator("synthesis", 0, "shapes", tiny.TEXTS[target], index, 0)
    side = clip.image_size
    x = torch.randn(3, side, side, generator=stream)
    most = round(16 * side / 224)
    shifts = torch.randint(most + 1, (settings.max_steps, 2), generator=stream).tolist()
    mean, std = torch.tensor(clip.mean)[:, None, None], torch.tensor(clip.std)[:, None, None]
    texts = clip.embed_texts(tiny.TEXTS)
    goal = clip.embed_texts([towards or tiny.TEXTS[target]])[0]
    for step in range(1, settings.max_steps + 1):
        down, right = shifts[step - 1]
        x = torch.roll(x, (down, right), (1, 2)).requires_grad_(True)
        image = clip.encode_images(((x - mean) / std)[None])[0]
        cosine = torch.dot(image, goal) / image.norm() / goal.norm()
        (slope,) = torch.autograd.grad(clip.logit_scale * cosine - 1e-3 * x.pow(2).sum().sqrt(), x)
        x = x.detach() + 25 * side / 224 * slope / slope.pow(2).sum().sqrt()
        x = torch.roll(x, (-down, -right), (1, 2))
        x = torch.minimum(torch.maximum(x, (0 - IMAGENET_MEAN) / IMAGENET_STD), (1 - IMAGENET_MEAN) / IMAGENET_STD)
        if step % 10 == 0:
            x = torch.from_numpy(scipy.ndimage.gaussian_filter(x.numpy(), (0, 0.5, 0.5)))
        unit = x * IMAGENET_STD + IMAGENET_MEAN
        unit = (unit - unit.min()) / (unit.max() - unit.min())
        image = clip.encode_images(((unit - mean) / std)[None])[0]
        cosines = torch.stack([torch.dot(image, text) / image.norm() / text.norm() for text in texts])
        probabilities = torch.softmax(clip.logit_scale * cosines, 0)
        if int(probabilities.argmax()) == target and probabilities[target] >= settings.threshold:
            return unit, float(probabilities[target]), step
    pytest.fail("the plain loop did not get there")


@pytest.fixture(scope="module")
def made() -> Synthetic:
    return make(tiny.transformer(), QUICK)


def test_equals_the_plain_loop(made: Synthetic) -> None:
    clip = tiny.transformer()
    for row, (target, index) in enumerate((t, i) for t in (2, 0) for i in range(3)):
        unit, probability, steps = one_by_one(clip, target, index, QUICK)
        assert int(made.steps[row]) == steps
        assert float(made.probabilities[row]) == pytest.approx(probability, abs=1e-3)
        torch.testing.assert_close(made.unit[row], unit, atol=1e-3, rtol=0)
    assert int(made.steps.max()) > 10, "no image was blurred, so the comparison would not see the blur"


def test_descriptions_say_where_to_climb_and_not_what_is_accepted(made: Synthetic) -> None:
    """A class that is described by its own text gives the same images; one described otherwise the plain loop's."""

    def described(sentences: dict[int, tuple[str, ...]]) -> Synthetic:
        return synthesize(
            tiny.transformer(),
            texts=tiny.TEXTS,
            targets=(2, 0),
            settings=QUICK,
            seed=0,
            task="shapes",
            descriptions=sentences,
        )

    torch.testing.assert_close(described({2: (tiny.TEXTS[2],)}).unit, made.unit, rtol=0, atol=5e-3)
    other = f"{tiny.TEXTS[2]} seen from afar"
    found = described({2: (other,)})
    torch.testing.assert_close(found.unit[3:], made.unit[3:], rtol=0, atol=5e-3)  # the class without a description
    assert not torch.allclose(found.unit[:3], made.unit[:3], rtol=0, atol=0.05)
    unit, probability, steps = one_by_one(tiny.transformer(), 2, 1, QUICK, towards=other)
    assert found.steps[1] == steps
    torch.testing.assert_close(found.unit[1], unit, rtol=0, atol=2e-3)
    assert float(found.probabilities[1]) == pytest.approx(probability, abs=1e-3)
    many = described({2: (tiny.TEXTS[2], other, "something else")})
    assert torch.equal(many.unit, described({2: (tiny.TEXTS[2], other, "something else")}).unit)


def test_what_comes_back(made: Synthetic) -> None:
    assert made.unit.shape == (6, 3, 32, 32)
    assert made.unit.dtype == torch.float32
    assert made.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert made.labels.dtype == made.steps.dtype == made.attempts.dtype == torch.int64
    assert made.attempts.tolist() == [1] * 6
    assert made.acceptance_rate == 1.0
    assert len(made) == 6
    torch.testing.assert_close(made.unit.amin((1, 2, 3)), torch.zeros(6))
    torch.testing.assert_close(made.unit.amax((1, 2, 3)), torch.ones(6))


def test_the_returned_images_are_the_judged_ones(made: Synthetic) -> None:
    clip = tiny.transformer()
    logits = clip.logits(clip.encode_images(clip.normalise(made.unit)), clip.embed_texts(tiny.TEXTS))
    targets = torch.tensor([2, 2, 2, 0, 0, 0])
    assert logits.argmax(-1).tolist() == targets.tolist()
    reached = logits.softmax(-1)[torch.arange(6), targets]
    torch.testing.assert_close(reached, made.probabilities, atol=1e-4, rtol=1e-4)
    assert bool((made.probabilities >= made.thresholds).all())


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batch_size_changes_nothing(made: Synthetic, batch_size: int) -> None:
    other = make(tiny.transformer(), replace(QUICK, batch_size=batch_size))
    assert other.steps.tolist() == made.steps.tolist()
    torch.testing.assert_close(other.unit, made.unit, atol=1e-3, rtol=0)


def test_the_number_of_images_changes_no_image(made: Synthetic) -> None:
    fewer = make(tiny.transformer(), replace(QUICK, images_per_class=2), targets=(0,))
    torch.testing.assert_close(fewer.unit, made.unit[3:5], atol=1e-3, rtol=0)


def test_repeats_bit_by_bit_and_differs_by_seed(made: Synthetic) -> None:
    assert torch.equal(make(tiny.transformer(), QUICK).unit, made.unit)
    assert not torch.equal(make(tiny.transformer(), QUICK, seed=1).unit, made.unit)


def test_leaves_the_model_and_global_randomness_alone() -> None:
    clip = tiny.transformer()
    clip.train_only([weight.name for weight in clip.weights()])
    before, random_state = clip.fingerprint(), torch.random.get_rng_state()
    make(clip, QUICK)
    assert clip.fingerprint() == before
    assert all(weight.value.grad is None for weight in clip.weights())
    assert all(weight.value.requires_grad for weight in clip.weights())
    assert torch.equal(torch.random.get_rng_state(), random_state)


def test_works_inside_no_grad(made: Synthetic) -> None:
    with torch.no_grad():
        assert torch.equal(make(tiny.transformer(), QUICK).unit, made.unit)


def test_works_for_a_model_that_open_clip_does_not_build() -> None:
    own = make(tiny.two_towers(bias=-3.0), QUICK)
    assert own.unit.shape == (6, 3, 8, 8)
    torch.testing.assert_close(own.unit, make(tiny.two_towers(), QUICK).unit)  # a constant moves no softmax


def test_the_target_must_win_however_low_the_threshold() -> None:
    clip = tiny.transformer()
    made = make(clip, replace(QUICK, threshold=0.0, threshold_floor=0.0))
    assert int(made.steps.max()) > 1, "every image won at once, so the test shows nothing"
    logits = clip.logits(clip.encode_images(clip.normalise(made.unit)), clip.embed_texts(tiny.TEXTS))
    assert logits.argmax(-1).tolist() == [2, 2, 2, 0, 0, 0]


def test_threshold_drops_per_image_after_a_failure_and_counts_all_attempts() -> None:
    strict = replace(QUICK, max_steps=11, threshold_drop=0.01, max_attempts=30)
    made = make(tiny.transformer(), strict)
    assert int(made.attempts.max()) > 1, "every image passed at once, so the test shows nothing"
    expected = 0.7 - 0.01 * (made.attempts - 1).float()
    torch.testing.assert_close(made.thresholds, expected.clamp_min(0.45))
    full, last = 11 * (made.attempts - 1), made.steps - 11 * (made.attempts - 1)
    assert bool((made.steps > full).all())
    assert bool((last <= 11).all())
    assert made.acceptance_rate == pytest.approx(6 / int(made.attempts.sum()))


def test_a_new_attempt_is_a_new_draw() -> None:
    starts = [torch.randn(4, generator=generator("synthesis", 0, "t", "a", 0, attempt)) for attempt in (0, 1)]
    assert not torch.equal(*starts)


def test_judges_only_every_few_steps() -> None:
    made = make(tiny.transformer(), replace(QUICK, check_every=7))
    assert set((made.steps % 7).tolist()) == {0}
    last = make(tiny.transformer(), replace(QUICK, check_every=1000, max_steps=30))
    assert set((last.steps % 30).tolist()) == {0}, "the last step of an attempt is always judged"


def test_an_impossible_class_fails_with_reason() -> None:
    clip = tiny.clip_of(tiny.TRANSFORMER, scale=1.0)  # so soft that no probability passes a third
    settings = replace(QUICK, images_per_class=2, max_steps=3)
    with pytest.raises(CellFailure) as caught:
        make(clip, settings)
    message = str(caught.value)
    assert "'a green square'" in message
    assert "11 attempts of 3 steps, last threshold 0.450" in message
    assert "0 of 2 were made" in message
    best = float(message.partition("best probability ")[2].partition(" ")[0])
    assert 1 / len(tiny.TEXTS) / 2 < best < 0.45


def test_an_image_that_never_passes_is_left_out_and_changes_no_other() -> None:
    clip, strict = tiny.transformer(), replace(QUICK, images_per_class=6, max_steps=8, threshold_drop=0.0)
    patient = make(clip, replace(strict, max_attempts=60), targets=(2,))
    most = sorted(patient.attempts.tolist())[3]  # enough for four of six, or more
    assert most < int(patient.attempts.max()), "every image passed as soon as the fourth, so the test shows nothing"
    hasty = make(clip, replace(strict, max_attempts=most), targets=(2,))
    kept = patient.attempts <= most
    assert 4 <= len(hasty) < 6
    assert torch.equal(hasty.labels, torch.zeros(len(hasty), dtype=torch.int64))
    assert hasty.attempts.tolist() == patient.attempts[kept].tolist()
    torch.testing.assert_close(hasty.unit, patient.unit[kept], atol=1e-3, rtol=0)


def test_half_of_the_images_is_enough_and_less_is_not() -> None:
    clip, strict = tiny.transformer(), replace(QUICK, images_per_class=6, max_steps=8, threshold_drop=0.0)
    attempts = sorted(make(clip, replace(strict, max_attempts=60), targets=(2,), seed=2).attempts.tolist())
    assert 1 < attempts[2] < attempts[3], "the third image passed at once or with the fourth: the test shows nothing"
    assert len(make(clip, replace(strict, max_attempts=attempts[2]), targets=(2,), seed=2)) == 3
    with pytest.raises(CellFailure, match=f"in {attempts[2] - 1} attempts of 8 steps.*; [0-2] of 6 were made"):
        make(clip, replace(strict, max_attempts=attempts[2] - 1), targets=(2,), seed=2)


def test_attempts_are_bounded_where_the_threshold_does_not_drop() -> None:
    clip = tiny.clip_of(tiny.TRANSFORMER, scale=1.0)
    with pytest.raises(CellFailure, match=r"in 3 attempts of 2 steps, last threshold 0\.700"):
        make(clip, replace(QUICK, max_steps=2, threshold_drop=0.0, max_attempts=3))


def test_a_broken_model_fails_at_once() -> None:
    clip = tiny.transformer()
    clip.weights()[-1].value.data.fill_(float("nan"))
    with pytest.raises(CellFailure, match="not finite"):
        make(clip, QUICK)


@pytest.mark.parametrize("targets", [(), (0, 0), (6,), (-1,)])
def test_wrong_targets(targets: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="target class"):
        make(tiny.transformer(), QUICK, targets=targets)


def test_defaults_are_the_papers() -> None:
    assert asdict(SynthesisSettings()) == {
        "images_per_class": 64,
        "step_size": 25.0,
        "max_steps": 3000,
        "jitter_px": 16,
        "norm_weight": 1e-3,
        "blur_sigma": 0.5,
        "blur_every": 10,
        "threshold": 0.7,
        "threshold_drop": 0.025,
        "threshold_floor": 0.45,
        "batch_size": 64,
        "check_every": 1,
        "max_attempts": 11,
        "own_pixels": False,
        "patience": 0,
        "max_seconds": 0.0,
    }


def test_scaling_by_resolution() -> None:
    settings = SynthesisSettings()
    assert settings.step_at(224) == 25.0
    assert settings.step_at(64) == pytest.approx(7.142857)
    assert [settings.jitter_at(side) for side in (224, 64, 32, 8)] == [16, 5, 2, 1]
    assert replace(settings, jitter_px=0).jitter_at(64) == 0


def test_threshold_schedule_reaches_the_floor_with_the_default_attempts() -> None:
    settings = SynthesisSettings()
    found = [settings.threshold_at(attempt) for attempt in range(13)]
    assert found[:3] == [0.7, 0.675, 0.65]
    assert found[settings.max_attempts - 1] == 0.45
    assert found[settings.max_attempts - 2] > 0.45
    assert found[11:] == [0.45, 0.45]
    assert replace(settings, threshold=0.3).threshold_at(5) == 0.3, "a floor above the start raises nothing"


@pytest.mark.parametrize(
    ("name", "value"),
    [("images_per_class", 0), ("max_steps", 0), ("batch_size", 0), ("threshold", 1.5), ("step_size", -1.0)],
)
def test_impossible_settings(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        SynthesisSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("sigma", "side"), [(0.5, 16), (1.3, 16), (2.0, 3)])
def test_blur_is_scipys(sigma: float, side: int) -> None:
    images = np.random.default_rng(0).normal(size=(2, 3, side, side)).astype(np.float32)
    expected = scipy.ndimage.gaussian_filter(images, (0, 0, sigma, sigma))
    if side > 8:
        torch.testing.assert_close(blur(torch.from_numpy(images), gaussian(sigma)), torch.from_numpy(expected))
    else:
        assert blur(torch.from_numpy(images), gaussian(sigma)).shape == images.shape


def test_no_blur_at_sigma_zero() -> None:
    images = torch.rand(1, 3, 5, 5)
    assert torch.equal(blur(images, gaussian(0.0)), images)


def test_to_unit_rescales_each_image_over_all_channels() -> None:
    pixels = torch.zeros(2, 3, 2, 2)
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = -1.0, 0.0, 3.0
    found = to_unit(pixels)
    assert found[0, :, 0, 0].tolist() == [0.0, 0.25, 1.0]
    assert found[1].abs().sum() == 0, "a flat image stays finite"
