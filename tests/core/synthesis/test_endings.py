"""How making images ends and what it says: own pixels, patience, the limit of seconds, progress."""

import math
import time
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from tests.core import tiny
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.models.two_towers import TwoTowers
from unlearn_bench.seeding import generator
from unlearn_bench.synthesis.ascent import synthesize
from unlearn_bench.synthesis.images import Progress, Synthetic
from unlearn_bench.synthesis.settings import UNTUNED, SynthesisSettings
from unlearn_bench.synthesis.trying import try_settings

QUICK = SynthesisSettings(images_per_class=3, max_steps=60, batch_size=8)
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


class _InRange(nn.Module):
    """An image tower that notes the least and the greatest pixel that it was ever shown."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.seen = [math.inf, -math.inf]

    def forward(self, x: Tensor) -> Tensor:
        shown = x.detach()
        self.seen = [min(self.seen[0], float(shown.min())), max(self.seen[1], float(shown.max()))]
        found: Tensor = self.inner(x)
        return found


def unnormalised() -> TwoTowers:
    """A model that takes pixels in [0, 1] as they are."""
    own = tiny.two_towers()
    image, text = own.module.get_submodule("image"), own.module.get_submodule("text")
    return TwoTowers(
        _InRange(image), text, tiny.spell, name="plain", image_size=8, logit_scale=20.0, mean=(0, 0, 0), std=(1, 1, 1)
    )


def make(clip: Clip, settings: SynthesisSettings, **more: object) -> Synthetic:
    given = {"texts": tiny.TEXTS, "targets": (2, 0), "seed": 0, "task": "shapes"} | more
    return synthesize(clip, settings=settings, **given)  # type: ignore[arg-type]


def shown_range(clip: TwoTowers) -> list[float]:
    tower = clip.module.get_submodule("image")
    assert isinstance(tower, _InRange)
    return tower.seen


def test_own_pixels_stay_where_the_model_expects_them() -> None:
    """The paper's climb feeds a model without normalisation values far outside [0, 1]; its own pixels never leave."""
    papers, own = unnormalised(), unnormalised()
    easy = replace(QUICK, threshold=0.3, threshold_floor=0.3)
    make(papers, easy)
    make(own, replace(easy, own_pixels=True))
    assert shown_range(papers)[0] < -1
    assert shown_range(papers)[1] > 2
    low, high = shown_range(own)
    # Before the first clamp the noise itself may be outside; from then on it is not.
    assert low >= -0.6
    assert high <= 1.6


def test_own_pixels_equal_a_plain_loop() -> None:
    clip = unnormalised()
    settings = replace(QUICK, threshold=0.3, threshold_floor=0.3, own_pixels=True, images_per_class=1, blur_sigma=0.0)
    made = make(clip, settings, targets=(1,))
    x = torch.randn(3, 8, 8, generator=(stream := generator("synthesis", 0, "shapes", tiny.TEXTS[1], 0, 0)))
    shifts = torch.randint(2, (settings.max_steps, 2), generator=stream).tolist()
    texts = nn.functional.normalize(clip.embed_texts(tiny.TEXTS), dim=-1)

    def probabilities(unit: Tensor) -> Tensor:
        image = nn.functional.normalize(clip.encode_images(unit[None]), dim=-1)
        return (20 * image @ texts.T).softmax(-1)[0]

    for step in range(1, settings.max_steps + 1):
        down, right = shifts[step - 1]
        x = torch.roll(x, (down, right), (1, 2)).requires_grad_(True)
        image = nn.functional.normalize(clip.encode_images((x * STD + MEAN)[None]), dim=-1)[0]
        (slope,) = torch.autograd.grad(20 * image @ texts[1] - 1e-3 * x.norm(), x)
        x = torch.roll(x.detach() + 25 * 8 / 224 * slope / slope.norm(), (-down, -right), (1, 2))
        x = torch.minimum(torch.maximum(x, -MEAN / STD), (1 - MEAN) / STD)
        unit = (x * STD + MEAN).clamp(0, 1)
        if int(probabilities(unit).argmax()) == 1 and probabilities(unit)[1] >= 0.3:
            break
    assert int(made.steps[0]) == step
    torch.testing.assert_close(made.unit[0], unit, atol=1e-4, rtol=0)


def test_patience_ends_attempts_that_get_nowhere() -> None:
    """With a threshold that nothing reaches, attempts of 60 steps end as soon as they stop gaining."""
    clip = tiny.transformer()
    hopeless = replace(QUICK, threshold=1.0, threshold_floor=1.0, max_attempts=2, max_steps=400)
    told: list[Progress] = []
    with pytest.raises(CellFailure, match="in 2 attempts of 400 steps"):
        make(clip, replace(hopeless, patience=15), say=told.append)
    assert len(told) < 800 / 2, "most of the 800 steps were not taken"


def test_patience_leaves_those_alone_that_gain() -> None:
    """An image that passes while it still gains is the same with and without."""
    clip = tiny.transformer()
    plain, patient = make(clip, QUICK), make(clip, replace(QUICK, patience=50))
    assert torch.equal(plain.unit, patient.unit)
    assert torch.equal(plain.steps, patient.steps)


def test_the_limit_of_seconds_ends_it_and_says_so() -> None:
    clip = tiny.transformer()
    endless = replace(QUICK, threshold=1.0, threshold_floor=1.0, max_steps=20_000, max_seconds=0.3)
    started = time.monotonic()
    with pytest.raises(CellFailure, match=r"no synthetic image for 'a green square': best probability .* in 0.3 s"):
        make(clip, endless)
    assert time.monotonic() - started < 30, "twenty thousand steps of three images would take minutes"


def test_what_is_made_before_the_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three images pass; the clock then jumps, and the third is given up."""
    clip = tiny.transformer()
    whole = make(clip, replace(QUICK, batch_size=1), targets=(2,))
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def late(progress: Progress) -> None:
        now[0] = 100.0 if progress.made == 2 else 0.0

    cut = make(clip, replace(QUICK, batch_size=1, max_seconds=50.0), targets=(2,), say=late)
    assert len(cut) == 2
    assert torch.equal(cut.unit, whole.unit[:2])


def test_progress_is_told() -> None:
    told: list[Progress] = []
    made = make(tiny.transformer(), QUICK, say=told.append)
    assert told[0].made < told[-1].made == len(made) == told[-1].wanted == 6
    assert all(before.made <= after.made for before, after in pairwise(told))
    assert max(item.best for item in told[:-1]) > 0
    assert str(told[-1]) == "synthetic images 6 of 6"
    some = Progress(made=2, lost=1, wanted=6, best=0.456, attempt=3)
    assert str(some) == "synthetic images 2 of 6, 1 given up, best probability of the rest 0.46, attempt 3"


def test_what_later_settings_add_to_a_name() -> None:
    """Records and images that were made before they came keep their keys."""
    plain = SynthesisSettings().stated()
    assert not {"own_pixels", "patience", "max_seconds", "batch_size"} & plain.keys()
    assert SynthesisSettings(patience=3).stated() == plain | {"patience": 3}
    assert UNTUNED.stated()["own_pixels"] is True


@pytest.mark.parametrize(("name", "value"), [("patience", -1), ("max_seconds", -0.5), ("max_seconds", math.nan)])
def test_impossible_endings(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        SynthesisSettings(**{name: value})  # type: ignore[arg-type]


def test_trying_settings_fails_nothing_and_counts_steps() -> None:
    clip = tiny.transformer()
    tried = try_settings(clip, texts=tiny.TEXTS, targets=(2, 0), settings=QUICK, images=3, seed=0, task="shapes")
    made = make(clip, QUICK)
    assert [item.target for item in tried.attempts] == [2, 2, 2, 0, 0, 0]
    assert [item.steps for item in tried.attempts] == made.steps.tolist(), "all pass at the first attempt"
    assert [item.best for item in tried.attempts] == pytest.approx(made.probabilities.tolist())
    assert tried.share_at(0.7) == 1.0
    none = try_settings(
        clip,
        texts=tiny.TEXTS,
        targets=(2,),
        settings=replace(QUICK, threshold=1.0, threshold_floor=1.0, max_steps=5),
        images=2,
        seed=0,
        task="shapes",
    )
    assert none.share_at(1.0) == 0.0
    assert all(0 <= item.best < 1 and item.steps <= 5 for item in none.attempts)
