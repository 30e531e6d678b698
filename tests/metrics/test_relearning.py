"""Relearning: the plan, one update transcribed, what stays frozen, and who comes back sooner."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.core import tiny
from tests.methods.support import COLOURS, colours, paint
from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from unlearn_bench.clip import Clip
from unlearn_bench.metrics.base import Evidence
from unlearn_bench.metrics.further import Images, Models
from unlearn_bench.metrics.relearning import STEPS, Answer, Exam, Relearning, _plan, _return, relearn
from unlearn_bench.metrics.shared.classification import target_and_other
from unlearn_bench.metrics.shared.encoding import sample
from unlearn_bench.metrics.shared.shots import SHOTS
from unlearn_bench.models.two_towers import TwoTowers

LABELS = torch.arange(5).repeat(20)


def test_a_plan_shows_k_images_of_each_class_pass_by_pass() -> None:
    for shots in SHOTS:
        plan = _plan(LABELS, shots, "own", 0)
        size = min(16, 5 * shots)
        assert [len(batch) for batch in plan] == [size] * STEPS
        order = torch.cat(plan).tolist()
        first = order[: 5 * shots]
        assert sorted(LABELS[first].tolist()) == sorted(list(range(5)) * shots)
        assert len(set(first)) == len(first)
        if len(order) >= 10 * shots:
            assert sorted(order[5 * shots : 10 * shots]) == sorted(first)
    few, more = (set(torch.cat(_plan(LABELS, shots, "own", 0)).tolist()) for shots in (1, 4))
    assert few < more
    assert set(torch.cat(_plan(LABELS, 1, "own", 1)).tolist()) != few
    assert len(_plan(LABELS[:3], 16, "own", 0)[0]) == 3  # all that there is


@pytest.mark.parametrize("classes", [17, 40])
def test_with_many_classes_every_image_is_shown(classes: int) -> None:
    labels = torch.arange(classes).repeat(20)
    for shots in SHOTS:
        plan = _plan(labels, shots, "own", 0)
        assert [len(batch) for batch in plan] == [classes] * STEPS
        assert len(set(torch.cat(plan).tolist())) == classes * shots


def curve(*targets: float | None, other: float | None = 0.9) -> list[dict[str, float | None]]:
    return [{"target": target, "other": other} for target in targets]


def test_back_is_nine_tenths_and_never_is_one_more_than_there_are() -> None:
    (original,) = curve(0.8)
    assert _return(curve(0.1, 0.5, 0.72, 0.3), original) == 2.0
    assert _return(curve(0.9, 0.1), original) == 0.0
    assert _return(curve(*[0.1] * (STEPS + 1)), original) == STEPS + 1
    assert _return(curve(0.0), curve(0.0)[0]) is None
    assert _return(curve(None), curve(None)[0]) is None


def test_one_name_for_everything_is_not_back() -> None:
    (original,) = curve(0.8)
    assert _return([*curve(1.0, other=0.4), *curve(0.7), *curve(0.9, other=0.45)], original) == 2.0
    assert _return(curve(1.0, other=0.0), original) == STEPS + 1
    assert _return(curve(1.0, other=None), curve(0.8, other=None)[0]) == 0.0  # there are no other classes


def pictures(count: int, seed: int) -> Images:
    unit, labels = paint(list(COLOURS), count, seed)
    return Images(pixels=(unit * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous(), labels=labels)


def lesson(unlearned: Clip) -> Evidence:
    """Red is forgotten; both models with the colours as they are painted."""
    train, test = pictures(6, 11), pictures(10, 12)
    own = random_dataset("own", test.labels.tolist(), len(COLOURS))
    models = Models(
        original=colours(),
        unlearned=unlearned,
        train=train,
        test=test,
        template="{} it is",
        classes=tuple(COLOURS),
        synonyms={},
    )
    named = replace(own, class_names=tuple(COLOURS))
    return replace(make_evidence(named, logit_scale=20.0), models=models)


def without_name(strength: float) -> TwoTowers:
    """The image tower as it is; in the text tower red's direction is taken out of the last layer's outputs."""
    clip = colours()
    with torch.no_grad():
        red = torch.nn.functional.normalize(clip.embed_texts(["red it is"]), dim=-1)
        weights = {weight.name: weight.value for weight in clip.weights()}
        for name in ("text.4.weight", "text.4.bias"):
            value = weights[name]
            shadow = red.T @ (red @ value) if value.ndim > 1 else red[0] * (red[0] @ value)
            value.sub_(strength * shadow)
    return clip


def test_a_hidden_name_comes_back_and_an_untrained_model_does_not() -> None:
    hidden = by_group(Relearning(), lesson(without_name(1.9)))
    blank = colours()
    with torch.no_grad():
        for weight in blank.weights():
            weight.value.copy_(torch.zeros_like(weight.value) + 0.01)
    lost = by_group(Relearning(), lesson(blank))
    for found in (hidden, lost):
        assert found["own", "shots@16/target"].before == pytest.approx(1.0, abs=0.11)
        assert found["own", "steps-to-return"].before == 0.0
        assert (found["own", "shots@1/target"].n, found["own", "shots@1/other"].n) == (10, 32)
    assert 0 < (hidden["own", "steps-to-return"].after or 0) <= STEPS
    assert hidden["own", "shots@16/target"].after == pytest.approx(1.0, abs=0.11)
    assert (lost["own", "shots@16/other"].after or 0) < 0.6
    assert set(hidden) == {
        *(("own", f"shots@{shots}/{group}") for shots in SHOTS for group in ("target", "other")),
        ("own", "steps@1/target"),
        ("own", "steps@4/target"),
        ("own", "steps-to-return"),
    }


def test_the_first_update_is_adams_on_the_formula() -> None:
    """Adam's first step moves each number by its rate against the sign of its gradient."""
    evidence = lesson(colours())
    models = evidence.models
    assert models is not None
    clip, names = models.unlearned, [models.template.format(name) for name in COLOURS]
    plan = _plan(models.train.labels, 16, "own", 0)[:1]
    rows = torch.arange(len(models.test))
    found = relearn(clip, models, names, [plan], rows, scale=20.0)
    pupil = clip.copy()
    texts = torch.nn.functional.normalize(pupil.embed_texts(names), dim=-1).detach().requires_grad_(True)
    image = [weight.value.requires_grad_(True) for weight in pupil.weights() if weight.place.tower == "image"]
    inputs = pupil.to_input(models.train.pixels[plan[0]])
    seen = pupil.encode_images(inputs)
    loss = torch.tensor(0.0)
    for vector, label in zip(seen, models.train.labels[plan[0]].tolist(), strict=True):
        cosines = [20.0 * torch.cosine_similarity(vector, text, dim=0) for text in texts]
        loss = loss + (torch.logsumexp(torch.stack(cosines), 0) - cosines[label]) / len(seen)
    slopes = torch.autograd.grad(loss, [texts, *image])
    with torch.no_grad():
        for value, slope in zip([texts, *image], slopes, strict=True):
            rate = 0.03 * max(1e-3, math.sqrt(float((value**2).mean())))
            value.sub_(rate * slope / (slope.abs() + 1e-8))
        shown = torch.nn.functional.normalize(pupil.encode_images(pupil.to_input(models.test.pixels)), dim=-1)
        expected = (shown @ torch.nn.functional.normalize(texts, dim=-1).T).argmax(dim=1)
    assert found.shape == (2, len(rows))
    assert torch.equal(found[1], expected)


def test_only_the_last_image_stage_is_trained_and_the_models_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tiny.resnet()
    before = {name: value.clone() for name, value in clip.state().items()}
    pupils: list[Clip] = []
    copy = type(clip).copy

    def noted(self: Clip) -> Clip:
        pupils.append(copy(self))
        return pupils[-1]

    monkeypatch.setattr(type(clip), "copy", noted)
    pixels = torch.randint(256, (6, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shown = Images(pixels=pixels, labels=torch.tensor([0, 1, 2] * 2))
    models = Models(
        original=clip,
        unlearned=clip,
        train=shown,
        test=shown,
        template="{}",
        classes=("a", "b", "c"),
        synonyms={},
    )
    plan = _plan(shown.labels, 1, "own", 0)[:2]
    relearn(clip, models, tiny.TEXTS[:3], [plan, plan], torch.arange(6), scale=20.0)
    (pupil,) = pupils
    moved = {name for name, value in pupil.state().items() if not torch.equal(value, before[name])}
    assert moved
    assert {pupil.locate(name).stage for name in moved} == {"attnpool"}
    assert all(torch.equal(value, before[name]) for name, value in clip.state().items())


def test_every_number_of_shots_starts_from_the_same_model() -> None:
    evidence = lesson(without_name(1.9))
    models = evidence.models
    assert models is not None
    names = [models.template.format(name) for name in COLOURS]
    one, four = (_plan(models.train.labels, shots, "own", 0) for shots in (1, 4))
    rows = torch.arange(len(models.test))

    def taken(*plans: list[Tensor]) -> Tensor:
        return relearn(models.unlearned, models, names, plans, rows, scale=20.0)

    assert torch.equal(taken(one, four)[1:], taken(four))
    assert torch.equal(taken(one, four)[0], taken(one)[-1])


def test_a_forget_class_without_training_images_is_a_gap() -> None:
    evidence = random_evidence(0)
    models = evidence.models
    assert models is not None
    keep = models.train.labels != 3
    train = Images(pixels=models.train.pixels[keep], labels=models.train.labels[keep])
    for item in Relearning().measure(replace(evidence, models=replace(models, train=train))):
        assert (item.before, item.after) == (None, None)


def test_a_model_that_nobody_changed_is_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = lesson(without_name(0.0))
    models = evidence.models
    assert models is not None
    same = replace(evidence, models=replace(models, unlearned=models.original.copy()))
    trained: list[Clip] = []

    def counted(clip: Clip, *arguments: Any, **named: Any) -> Tensor:
        trained.append(clip)
        return relearn(clip, *arguments, **named)

    monkeypatch.setattr("unlearn_bench.metrics.relearning.relearn", counted)
    found = Relearning().measure(same)
    assert trained == [models.original]
    assert all(item.after == item.before for item in found)
    assert next(item.after for item in found if item.group == "steps-to-return") == 0.0


@pytest.mark.parametrize("strength", [0.0, 1.9])
def test_what_is_not_asked_changes_no_number(strength: float) -> None:
    """The hidden class comes back between the looks, the other one never left; both are as if all had been asked."""
    evidence = lesson(without_name(strength))
    models = evidence.models
    assert models is not None
    plans = [_plan(models.train.labels, shots, "own", 0) for shots in SHOTS]
    rows = sample(models.test.labels, evidence.forget)
    labels = models.test.labels[rows]

    def taken(clip: Clip, exam: Exam | None) -> list[dict[str, float | None]]:
        seen = relearn(clip, models, models.texts, plans, rows, scale=20.0, exam=exam)
        return [target_and_other(row == labels, labels, evidence.forget) for row in seen]

    (original,) = taken(models.original, None)[2:3]
    whole = taken(models.unlearned, None)
    asked = taken(models.unlearned, Exam(labels, evidence.forget, original))
    assert [asked[row] for row in (0, 1, -1)] == [whole[row] for row in (0, 1, -1)]
    assert [asked[2 + step]["target"] for step in (1, 4)] == [whole[2 + step]["target"] for step in (1, 4)]
    assert _return(asked[2:], original) == _return(whole[2:], original) != STEPS + 1


def test_an_exam_asks_the_others_only_when_the_target_is_back_and_little_after() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    notes: list[list[bool]] = []

    def answer(right: list[bool]) -> Answer:
        def given(asked: Tensor) -> Tensor:
            notes.append(asked.tolist())
            return torch.where(torch.tensor(right), labels, 1 - labels)[asked]

        return given

    exam = Exam(labels, [0], {"target": 1.0, "other": 1.0})
    target, others = [True, True, False, False], [False, False, True, True]
    assert exam.ask(answer([True, False, True, True]), 0).tolist() == [0, 1, -1, -1]
    assert exam.ask(answer([True, True, False, False]), 1).tolist() == [0, 0, 0, 0]  # one name for everything
    assert exam.ask(answer([True, True, True, False]), 2).tolist() == [0, 0, 1, 0]
    assert exam.ask(answer([True, True, True, True]), 3).tolist() == [-1] * 4  # it is back
    assert exam.ask(answer([True, True, True, True]), 4).tolist() == [0, 0, -1, -1]
    assert exam.ask(answer([True, True, True, True]), STEPS).tolist() == [0, 0, 1, 1]
    assert notes == [target, target, others, target, others, target, target, others]
    first = Exam(labels, [0])
    assert first.ask(answer([False, True, True, True]), 0).tolist() == [1, 0, 1, 1]
    assert first.ask(answer([True, True, True, True]), 1).tolist() == [0, 0, -1, -1]  # a start of its own: it is back
