"""Roles of a model that nobody described: told by kind, shape, name and use, and the model stays as it is."""

from collections import Counter
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from tests.core import tiny
from tests.core.foreign import Last, Spelling, foreign
from unlearn_bench.clip import Clip, Role
from unlearn_bench.models.last_map import LastMap, find_last_map
from unlearn_bench.models.two_towers import TwoTowers


def roles_of(clip: Clip, tower: str) -> dict[str, Role]:
    inner = {item.name.removeprefix(f"{tower}."): item.place for item in clip.weights()}
    return {name: place.role for name, place in inner.items() if place.tower == tower}


@pytest.mark.parametrize("spelling", get_args(Spelling))
def test_every_tensor_of_a_foreign_transformer_is_told(spelling: Spelling) -> None:
    image = roles_of(foreign(spelling), "image")
    expected: dict[str, Role] = {
        "stem.weight": "patch_embedding",
        "stem.bias": "patch_embedding",
        "cls_token": "class_embedding",
        "pos_embed": "position_embedding",
        "matrix": "projection",
        "shift": "projection",
        "final.weight": "norm",
        "final.bias": "norm",
    }
    for name in image:
        if ".mix." in name:
            expected[name] = "attention"
        elif ".up." in name or ".down." in name:
            expected[name] = "mlp"
        elif ".before." in name or ".between." in name:
            expected[name] = "norm"
    assert image == expected
    text = Counter(roles_of(foreign(spelling), "text").values())
    assert text["attention"] == sum(role == "attention" for role in image.values()) > 0
    assert (text["token_embedding"], text["position_embedding"], text["projection"]) == (1, 1, 2)
    assert text["other"] == 0


class Pieces(nn.Module):
    """A tower of whatever is given, of which the last is applied to the mean of the pixels."""

    def __init__(self, last: nn.Module, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.last = last

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.last(images.mean((2, 3)))
        return found


class OwnNorm2d(nn.Module):
    """Somebody's own normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))


class FlatBlock(nn.Module):
    """Queries, keys, values and a perceptron in one module."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.dense = (nn.Linear(6, 6) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(6, 9), nn.Linear(9, 6)


class Gated(nn.Module):
    """A gated perceptron: two layers on one input, and none of them attention."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.three(self.one(x) * self.two(x).sigmoid())
        return found.relu()


def with_image_tower(image: nn.Module) -> TwoTowers:
    text = nn.Sequential(nn.Embedding(64, 4), nn.Flatten(), nn.Linear(32, 3))
    return TwoTowers(image, text, tiny.spell, name="pieces", image_size=8, logit_scale=10.0)


def test_kinds_and_names_that_no_pass_shows() -> None:
    image = Pieces(
        Gated(),
        bn=nn.BatchNorm1d(3),
        gn=nn.GroupNorm(1, 3),
        own=OwnNorm2d(),
        conv=nn.Conv1d(3, 3, 1),
        overlapping=nn.Conv2d(3, 4, 7, stride=2),
        mha=nn.MultiheadAttention(4, 2),
        flat=FlatBlock(),
        encoder=nn.TransformerEncoderLayer(4, 2, 8),
        patch_proj=nn.Linear(12, 4),
        rnn=nn.GRU(3, 3),
    )
    found = roles_of(with_image_tower(image), "image")
    by_part = {(name.split(".")[0], role) for name, role in found.items()}
    assert {item for item in by_part if item[0] not in {"flat", "encoder"}} == {
        ("last", "mlp"),
        ("bn", "batch_norm"),
        ("gn", "norm"),
        ("own", "norm"),
        ("conv", "convolution"),
        ("overlapping", "convolution"),
        ("mha", "attention"),
        ("patch_proj", "patch_embedding"),
        ("rnn", "other"),
    }
    flat = {name.split(".")[1]: role for name, role in found.items() if name.startswith("flat.")}
    assert flat == {**dict.fromkeys(("query", "key", "value", "dense"), "attention"), "fc1": "mlp", "fc2": "mlp"}
    encoder = {name.split(".")[1]: role for name, role in found.items() if name.startswith("encoder.")}
    assert encoder == {
        "self_attn": "attention",
        "linear1": "mlp",
        "linear2": "mlp",
        "norm1": "norm",
        "norm2": "norm",
    }


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("joint", [16, 24])  # the second is square, so that its shape does not tell
@pytest.mark.parametrize("last", get_args(Last))
def test_the_last_map_is_told_whichever_way_round(last: Last, joint: int, normalise: bool) -> None:
    clip = foreign("fused", last, joint=joint, normalise=normalise)
    for tower in ("image", "text"):
        expected = {
            "none": None,
            "linear": LastMap(weight=f"{tower}.head.weight", bias=f"{tower}.head.bias", by_rows=True),
            "in-out": LastMap(weight=f"{tower}.matrix", bias=None, by_rows=False),
            "out-in": LastMap(weight=f"{tower}.matrix", bias=f"{tower}.shift", by_rows=True),
        }[last]
        found = find_last_map(clip, tower)
        if found is None or expected is None:
            assert found is expected is None
            assert "projection" not in roles_of(clip, tower).values()
        else:
            assert found == LastMap(**{**vars(expected), "normalised": normalise})
            assert {name for name, role in roles_of(clip, tower).items() if role == "projection"} == {
                name.removeprefix(f"{tower}.") for name in found.names
            }


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (nn.Identity(), True),
        (nn.Dropout(0.5), True),
        (nn.LayerNorm(5), False),
        (nn.Tanh(), False),
        (nn.ReLU(), False),
    ],
)
def test_what_follows_the_last_layer_decides(after: nn.Module, told: bool) -> None:
    clip = with_image_tower(Pieces(nn.Sequential(nn.Linear(3, 5), after)))
    assert (find_last_map(clip, "image") is not None) == told


def test_a_way_around_the_layer_means_that_it_is_not_the_last_map() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            around: Tensor = x + self.layer(x)
            return around

    assert find_last_map(with_image_tower(Pieces(Around())), "image") is None


def test_a_layer_of_zeros_is_told_too() -> None:
    clip = foreign("named", "linear")
    with torch.no_grad():
        clip.module.get_parameter("image.head.weight").zero_()
    found = find_last_map(clip, "image")
    assert found is not None
    assert found.weight == "image.head.weight"


def test_a_search_among_other_tensors_finds_nothing() -> None:
    clip = foreign()
    assert find_last_map(clip, "text", among=["text.final.weight"]) is None
    assert find_last_map(clip, "text", among=["text.matrix"]) is not None


def test_telling_leaves_model_and_random_streams_alone() -> None:
    clip = foreign("anonymous", "in-out")
    before = {name: value.clone() for name, value in clip.state().items()}
    hooks = [len(module._forward_hooks) for module in clip.module.modules()]
    ids = [id(value) for value in clip.module.parameters()]
    stream = torch.random.get_rng_state()
    clip.weights()
    assert torch.equal(stream, torch.random.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in clip.state().items())
    assert hooks == [len(module._forward_hooks) for module in clip.module.modules()]
    assert ids == [id(value) for value in clip.module.parameters()]
    assert not any(value.requires_grad for value in clip.module.parameters())


def test_roles_are_told_once_and_copies_know_them() -> None:
    clip = foreign()
    passes = []
    clip.module.get_submodule("image").register_forward_hook(lambda *_: passes.append(1))
    first = clip.weights()
    told = len(passes)
    assert told > 0
    copied = clip.copy()
    with torch.no_grad():
        for weight in copied.weights():
            weight.value.fill_(float("nan"))
    assert [weight.place for weight in copied.weights()] == [weight.place for weight in first]
    clip.weights()
    assert len(passes) == told


def test_a_tower_that_fails_on_our_inputs_is_told_by_names_alone() -> None:
    def refuse(texts: list[str]) -> Tensor:
        raise KeyError(texts[0])

    clip = foreign("named", "linear")
    clip._tokenizer = refuse
    assert find_last_map(clip, "text") is None
    text = roles_of(clip, "text")
    assert (text["head.weight"], text["blocks.0.mix.to_q.weight"]) == ("mlp", "attention")
    assert roles_of(clip, "image")["head.weight"] == "projection"
