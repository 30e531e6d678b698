"""Learnt context: where it stands, one update by hand, a model that it mends, and models without a place for it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from tests.core import tiny
from tests.metrics.evidence import by_group, letters, make_evidence, random_dataset, random_evidence, small_model
from tests.metrics.test_parted_audits import FORGET, SCALE, nearest_of_own_domain, parted_evidence, recall
from unlearn_bench.metrics import prompt_learning
from unlearn_bench.metrics.base import Embedded
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.prompt_learning import CONTEXT, Prompt, PromptLearning
from unlearn_bench.metrics.shared.shots import SHOTS, few
from unlearn_bench.models.two_towers import TwoTowers

NAMES = ("red circle", "star", "letter k")


def prompt_of(clip: object, names: Sequence[str] = NAMES) -> Prompt:
    found = Prompt.of(clip, names)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_context_of_clip_is_four_tokens_after_the_start() -> None:
    clip = tiny.transformer()
    prompt = prompt_of(clip)
    assert prompt.places.tolist() == [1, 2, 3, 4]
    plain = normalize(clip.embed_texts([f"{CONTEXT} {name}." for name in NAMES]), dim=-1)
    assert torch.allclose(prompt.embed(prompt.start()), plain, atol=1e-5), "it starts as those words"
    swapped = prompt.start()[[1, 0, 2, 3]]
    other = normalize(clip.embed_texts([f"photo a of a {name}." for name in NAMES]), dim=-1)
    assert torch.allclose(prompt.embed(swapped), other, atol=1e-5)


def test_the_model_itself_is_never_hooked_or_changed() -> None:
    clip = tiny.transformer()
    state = {name: value.clone() for name, value in clip.state().items()}
    prompt = prompt_of(clip)
    seen = Embedded(images=normalize(torch.randn(3, 24), dim=-1), texts=torch.eye(3, 24))
    prompt.learnt(seen, torch.tensor([0, 1, 2]), 20.0)
    assert all(torch.equal(value, state[name]) for name, value in clip.state().items())
    for model in (clip, prompt.clip):
        assert not any(module._forward_hooks for module in model.module.modules())


def by_hand(clip: TwoTowers, tokens: Tensor, places: Tensor, vectors: Tensor) -> Tensor:
    """The text tower of `small_model` written out: a table, all in a row, one matrix."""
    tower = clip.module.get_submodule("text")
    table, line = tower.get_submodule("0"), tower.get_submodule("2")
    assert isinstance(table, nn.Embedding)
    assert isinstance(line, nn.Linear)
    rows = []
    for text in tokens:
        parts = [table.weight[token] for token in text]
        for place, vector in zip(places.tolist(), vectors, strict=True):
            parts[place] = vector
        rows.append(torch.cat(parts) @ line.weight.T + line.bias)
    return normalize(torch.stack(rows), dim=-1)


def test_the_first_update_follows_the_sign_of_the_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_learning, "STEPS", 1)
    clip, seen = small_model(6, "prompt"), random_evidence(3).own
    names = seen.class_names
    prompt = prompt_of(clip, names)
    tokens = letters([f"{CONTEXT} {name}." for name in names])
    start = torch.stack([clip.state()["text.0.weight"][token] for token in tokens[0, prompt.places]])
    vectors = start.clone().requires_grad_(True)
    texts = by_hand(clip, tokens, prompt.places, vectors)
    (slope,) = torch.autograd.grad(cross_entropy(5.0 * seen.after.images @ texts.T, seen.labels), vectors)
    moved = start - 0.3 * float((start**2).mean()) ** 0.5 * slope / (slope.abs() + 1e-8)
    expected = by_hand(clip, tokens, prompt.places, moved).detach()
    assert torch.allclose(prompt.learnt(seen.after, seen.labels, 5.0), expected, atol=1e-4)


def summed(weights: dict[str, tuple[float, float]]) -> TwoTowers:
    """A text is the sum of its words' vectors, (0, 0) of unknown words. Images are bright (1, 0) or dark (0, 1)."""
    words = ["", *weights]

    def tokenize(texts: list[str]) -> Tensor:
        rows = [[words.index(word) if word in words else 0 for word in text.strip(".").split()] for text in texts]
        return torch.tensor([row + [0] * (6 - len(row)) for row in rows])

    class Sum(nn.Module):
        def forward(self, found: Tensor) -> Tensor:
            return found.sum(dim=1)

    table, see = nn.Embedding(len(words), 2), nn.Linear(3, 2)
    with torch.no_grad():
        table.weight.copy_(torch.tensor([(0.0, 0.0), *weights.values()]))
        see.weight.copy_(torch.tensor([[0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]]))
        see.bias.copy_(torch.tensor([0.5, 0.5]))
    image = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), see)
    return TwoTowers(image, nn.Sequential(table, Sum()), tokenize, name="sum", image_size=8, logit_scale=10.0)


def test_what_a_word_before_the_name_took_away_comes_back_and_a_lost_name_does_not() -> None:
    """The unlearned model hears (-2, 0) in "photo", which turns bright's (1, 0) around; or takes bright for dark."""
    words = {"a": (0.05, 0.05), "photo": (0.05, 0.05), "i": (0.0, 0.1), "cover": (0.1, 0.0)}
    words |= {"of": (0.05, 0.05), "in": (0.1, 0.1), "bright": (1.0, 0.0), "dark": (0.0, 1.0)}
    labels = torch.tensor([0, 1] * 8)
    axes = torch.eye(2)
    own = random_dataset("own", labels.tolist(), 2)
    side = Embedded(images=axes[labels], texts=axes)
    own = replace(own, before=side, after=side, class_names=("bright", "dark"))
    base = replace(make_evidence(own, logit_scale=10.0), train=own)
    for changed, after in (({"photo": (-2.0, 0.0)}, 1.0), ({"bright": (0.0, 1.0)}, None)):
        images = random_evidence(0).models
        assert images is not None
        models: Models = replace(
            images, original=summed(words), unlearned=summed({**words, **changed}), classes=own.class_names
        )
        sentences = [f"{CONTEXT} {name}." for name in own.class_names]
        with torch.no_grad():
            texts = normalize(models.unlearned.embed_texts(sentences), dim=-1)
        if after is not None:
            assert (side.images @ texts.T).argmax(1).tolist() == [1] * 16, "without learning it is lost"
        else:
            assert torch.equal(*texts)
        found = by_group(PromptLearning(), replace(base, models=models))
        target, other = (found["own", f"shots@16/{group}"] for group in ("target", "other"))
        assert (target.before, other.before) == (1.0, 1.0)
        if after is not None:
            assert (target.after, other.after) == (after, 1.0)
        else:  # both classes have one text: what is called one is called the other
            assert target.after is not None
            assert other.after is not None
            assert target.after + other.after == 1.0


def test_within_the_own_domain() -> None:
    evidence = parted_evidence(1)
    models, train, own = evidence.models, evidence.train, evidence.own
    assert models is not None
    assert train is not None
    labels = own.labels.tolist()
    rows = few(train.labels, 4, "own", 1)
    texts = prompt_of(models.unlearned, models.classes).learnt(train.after.at(rows), train.labels[rows], SCALE)
    found = by_group(PromptLearning(), evidence)["own", "shots@4/target"].after
    assert found == pytest.approx(recall(nearest_of_own_domain(own.after.images @ texts.T, labels), labels, FORGET))


def test_models_without_a_place_for_vectors_are_left_out() -> None:
    evidence = random_evidence(0)
    models = evidence.models
    assert models is not None
    clip = small_model(6, "no place")
    shifted = TwoTowers(
        clip.module.get_submodule("image"),
        clip.module.get_submodule("text"),
        lambda texts: letters([text[n % 2 :] if text[0] == "i" else text for n, text in enumerate(texts)]),
        name="shifted", image_size=8, logit_scale=20.0,
    )  # fmt: skip
    hashed = TwoTowers(
        clip.module.get_submodule("image"),
        nn.Sequential(nn.Flatten(), Cast(), nn.Linear(60, 6)),
        letters,
        name="hashed", image_size=8, logit_scale=20.0,
    )  # fmt: skip
    assert Prompt.of(hashed, models.classes) is None
    assert Prompt.of(shifted, ["a", "bc", "def"]) is None
    for item in PromptLearning().measure(
        replace(evidence, models=replace(models, original=hashed, unlearned=hashed))
    ):
        assert (item.before, item.after) == (None, None)
        assert item.group.startswith("shots@")
    assert len(SHOTS) * 2 == len(PromptLearning().measure(evidence))


class Cast(nn.Module):
    """Token numbers as they are: a text tower without a table."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.float()
