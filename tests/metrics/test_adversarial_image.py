"""Bounded pushes: a linear model where the answer is known, one update by hand, bounds, and what is told apart."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence, with_further
from tests.metrics.test_parted_audits import parted_evidence
from unlearn_bench.metrics import adversarial_image
from unlearn_bench.metrics.adversarial_image import AdversarialImage, has_candidate, nearest_of, pushed
from unlearn_bench.metrics.base import Embedded, Evidence
from unlearn_bench.metrics.further import Images
from unlearn_bench.metrics.shared.encoding import embed_texts
from unlearn_bench.metrics.shared.outcomes import unpack
from unlearn_bench.models.two_towers import TwoTowers

GREYS = (124, 126, 127, 128, 129, 131)
"""Of six images of one value each. Class 0 is what is brighter than the model's own threshold, class 1 the rest."""


def threshold(value: float) -> TwoTowers:
    """Images are (1, brightness - value), texts (1, 1) and (1, -1): class 0 is what is over `value` of 255."""
    see, table = nn.Linear(3, 2), nn.Embedding(2, 2)
    with torch.no_grad():
        see.weight.copy_(torch.tensor([[0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]))
        see.bias.copy_(torch.tensor([1.0, 1.0 - 2 * value / 255]))  # inputs are 2 x - 1
        table.weight.copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
    image = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), see)

    def tokenize(texts: list[str]) -> Tensor:
        return torch.tensor([[int(text.endswith("1"))] for text in texts])

    text = nn.Sequential(table, nn.Flatten())
    return TwoTowers(image, text, tokenize, name="threshold", image_size=8, logit_scale=10.0)


def grey(original: float, unlearned: float) -> Evidence:
    labels = torch.tensor([1, 1, 1, 0, 0, 0])
    pixels = torch.tensor(GREYS, dtype=torch.uint8)[:, None, None, None].expand(6, 8, 8, 3).contiguous()
    found = with_further(make_evidence(random_dataset("own", labels.tolist(), 2)), each=1)
    assert found.models is not None
    models = replace(
        found.models,
        original=threshold(original),
        unlearned=threshold(unlearned),
        test=Images(pixels=pixels, labels=labels),
    )
    return replace(found, models=models)


def test_an_image_takes_the_name_if_the_bound_reaches_the_threshold() -> None:
    """Before, the threshold is 127.5: of all others, two are looked at, 124 and 127, and 127 is pushed across. After,
    it is 131.5: of 128, 129 and 131 the last one comes across, and no other image does."""
    evidence = grey(127.5, 131.5)
    found = by_group(AdversarialImage(), evidence)
    target, false = found["own", "target"], found["own", "false"]
    assert target.after == pytest.approx(1 / 3)
    assert (target.before, target.n) == (1.0, 3)
    assert (false.before, false.after, false.n) == (0.5, 0.0, 2)
    assert [side.tolist() for side in unpack(target.outcomes, 3)] == [[True] * 3, [False, False, True]]
    assert [side.tolist() for side in unpack(false.outcomes, 2)] == [[False, True], [False, False]]


def test_a_model_that_names_everything_so_is_told_by_its_false_finds() -> None:
    found = by_group(AdversarialImage(), grey(127.5, 0.0))
    assert (found["own", "target"].after, found["own", "false"].after) == (1.0, 1.0)


def test_the_range_of_pixels_is_never_left() -> None:
    """A threshold above white can't be reached by white images, though the bound alone would."""
    evidence = grey(127.5, 255.5)
    assert evidence.models is not None
    white = replace(evidence.models.test, pixels=torch.full((6, 8, 8, 3), 255, dtype=torch.uint8))
    found = by_group(AdversarialImage(), replace(evidence, models=replace(evidence.models, test=white)))
    assert found["own", "target"].after == 0.0
    near = replace(evidence, models=replace(evidence.models, test=white, unlearned=threshold(254.5)))
    assert by_group(AdversarialImage(), near)["own", "target"].after == 1.0


@pytest.mark.parametrize("steps", [1, 2])
def test_updates_by_hand(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a larger bound lets images of a random model move, the answers are those of steps written out."""
    monkeypatch.setattr(adversarial_image, "STEPS", steps)
    monkeypatch.setattr(adversarial_image, "_STEP", 0.6)
    evidence = random_evidence(2)
    models, own = evidence.models, evidence.own
    assert models is not None
    clip, rows = models.unlearned, torch.arange(20)
    goals, texts = (own.labels[:20] + 1) % 5, embed_texts(clip, models.texts)
    seen, pixels = own.after.at(rows), models.test.pixels[rows]
    found = pushed(clip, pixels, seen, texts=texts, goals=goals, scale=20.0, epsilon=0.2)
    tower = clip.module.get_submodule("image")
    unit = models.test.pixels[:20].permute(0, 3, 1, 2).float() / 255
    moved = unit.clone()
    for _ in range(steps):
        moved.requires_grad_(True)
        loss = cross_entropy(20.0 * normalize(tower((moved - 0.5) / 0.5), dim=-1) @ texts.T, goals)
        (slope,) = torch.autograd.grad(loss, moved)
        step = moved.detach() - 0.6 * 0.2 * slope.sign()
        moved = torch.minimum(torch.maximum(step, unit - 0.2), unit + 0.2).clamp(0, 1)
    with torch.no_grad():
        expected = (tower((moved - 0.5) / 0.5) @ texts.T).argmax(1) == goals
    assert found.tolist() == expected.tolist()
    assert 0 < int(found.sum()) < 20


def test_goals_are_the_own_class_or_the_nearest_forgotten_name() -> None:
    seen = Embedded(images=normalize(torch.tensor([[0.1, 1.0, 0.3], [0.9, 0.0, 1.0]]), dim=-1), texts=torch.eye(3))
    assert nearest_of(seen, (0, 2)).tolist() == [2, 2]
    assert nearest_of(seen, (0,)).tolist() == [0, 0]
    assert has_candidate(seen, (0,)).tolist() == [True, True]


def test_images_of_domains_in_which_nothing_was_forgotten_are_left_out() -> None:
    evidence = replace(parted_evidence(0), forget=(1,))
    found = by_group(AdversarialImage(), evidence)
    assert found["own", "target"].n == 5
    assert found["own", "false"].n == 4  # two images of each of the two kept labels of its domain
    both = by_group(AdversarialImage(), replace(evidence, forget=(1, 4)))
    assert (both["own", "target"].n, both["own", "false"].n) == (10, 8)


def test_the_models_stay_as_they_are() -> None:
    evidence = random_evidence(3)
    assert evidence.models is not None
    clips = (evidence.models.original, evidence.models.unlearned)
    states = [{name: value.clone() for name, value in clip.state().items()} for clip in clips]
    AdversarialImage().measure(evidence)
    for clip, state in zip(clips, states, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in clip.state().items())
        assert not any(value.requires_grad for value in clip.module.parameters())
