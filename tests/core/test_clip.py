"""The model contract: stages, places, copies, states, fingerprints, pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torch import nn

from tests.core import tiny
from unlearn_bench.clip import Clip, changed_names
from unlearn_bench.errors import CellFailure
from unlearn_bench.models.open_clip_model import OpenClip, build_open_clip

MODELS = {"resnet": tiny.resnet, "transformer": tiny.transformer, "two_towers": tiny.two_towers}


@pytest.fixture(params=MODELS)
def clip(request: pytest.FixtureRequest) -> Clip:
    return MODELS[request.param]()


def noise(clip: Clip, count: int = 3) -> torch.Tensor:
    size = (count, 3, clip.image_size, clip.image_size)
    return torch.randn(size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", [tiny.resnet, tiny.transformer])
def test_stages_compute_what_open_clip_computes(make: Callable[[], OpenClip]) -> None:
    clip = make()
    inputs = noise(clip)
    expected = clip.module.get_submodule("visual")(inputs)
    assert expected.std(0).max() > 0, "all images look alike to this model, so the test would see nothing"
    found = clip.encode_images(inputs)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
    for cut in range(len(clip.image_stages) + 1):
        first = clip.run_image_stages(inputs, stop=cut)
        assert torch.equal(clip.run_image_stages(first, start=cut), found), clip.image_stages[:cut]


def test_single_stages_chain(clip: Clip) -> None:
    inputs = activation = noise(clip)
    for index in range(len(clip.image_stages)):
        activation = clip.run_image_stages(activation, start=index, stop=index + 1)
    assert torch.equal(activation, clip.encode_images(inputs))
    beyond = len(clip.image_stages)
    assert torch.equal(clip.run_image_stages(activation, start=beyond), activation)


@pytest.mark.parametrize(
    "extra",
    [
        {"patch_dropout": 0.5},
        {"pool_type": "avg"},
        {"no_ln_pre": True},
        {"final_ln_after_pool": True, "pool_type": "avg"},
        {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": False},
        {"pos_embed_type": "sin_cos_2d"},
    ],
    ids=str,
)
def test_stages_of_transformer_variants(extra: dict[str, object]) -> None:
    clip = tiny.clip_of({**tiny.TRANSFORMER, **extra})
    inputs = noise(clip)
    expected = clip.module.get_submodule("visual")(inputs)
    torch.testing.assert_close(clip.encode_images(inputs), expected, atol=1e-5, rtol=1e-4)
    for weight in clip.weights():
        if weight.place.tower == "image":
            assert weight.place.stage in clip.image_stages


def test_a_timm_tower_is_one_stage() -> None:
    pytest.importorskip("timm")
    vision = {"timm_model_name": "resnet10t", "timm_pool": "avg", "timm_proj": "linear", "image_size": 32}
    clip = tiny.clip_of(vision)
    assert clip.image_stages == ("tower",)
    inputs = noise(clip)
    assert torch.equal(clip.encode_images(inputs), clip.module.get_submodule("visual")(inputs))
    assert {weight.place.stage for weight in clip.weights() if weight.place.tower == "image"} == {"tower"}


def test_a_custom_text_tower_has_places_and_a_bias() -> None:
    clip = tiny.clip_of(tiny.TRANSFORMER, custom_text=True, init_logit_bias=-10.0)
    places = {weight.name: weight.place for weight in clip.weights()}
    assert places["text.token_embedding.weight"].role == "token_embedding"
    assert places["text.transformer.resblocks.1.attn.in_proj_weight"].stage == "block1"
    assert places["text.text_projection"].role == "projection"
    assert places["logit_bias"].tower == "joint"
    images, texts = torch.randn(2, 24), torch.randn(3, 24)
    unbiased = clip.logit_scale * nn.functional.cosine_similarity(images[:, None], texts[None], dim=-1)
    torch.testing.assert_close(clip.logits(images, texts), unbiased - 10, atol=1e-4, rtol=1e-4)


def test_every_tensor_has_a_place(clip: Clip) -> None:
    for name in clip.state():
        place = clip.locate(name)
        assert place.tower in {"image", "text", "joint"}
        if place.tower == "image":
            assert place.stage in clip.image_stages
        if place.tower == "joint":
            assert place.role == "scale"
    names = [weight.name for weight in clip.weights()]
    assert names == [name for name, _ in clip.module.named_parameters()]


def test_a_stage_depends_on_no_tensor_that_lies_in_a_later_one() -> None:
    clip = tiny.resnet()
    inputs, count = noise(clip, 2), len(clip.image_stages)
    for cut in range(1, count):
        before = clip.run_image_stages(inputs, stop=cut)
        twin = clip.copy()
        later = [w for w in twin.weights() if twin.first_image_stage([w.name]) >= cut]
        for weight in later:
            weight.value.data.zero_()
        assert torch.equal(twin.run_image_stages(inputs, stop=cut), before)


def test_places_of_the_resnet() -> None:
    clip = tiny.resnet()
    found = {name: clip.locate(name) for name in clip.state()}
    assert (found["visual.conv1.weight"].stage, found["visual.conv1.weight"].role) == ("stem", "convolution")
    assert found["visual.bn1.running_mean"].role == "batch_norm"
    assert found["visual.layer1.0.downsample.0.weight"].role == "convolution"
    assert found["visual.layer1.0.downsample.1.weight"].role == "batch_norm"
    assert found["visual.attnpool.positional_embedding"].role == "position_embedding"
    assert found["visual.attnpool.q_proj.weight"].role == "attention"
    assert found["visual.attnpool.c_proj.bias"].role == "projection"
    assert found["ln_final.weight"].role == "norm"
    assert found["transformer.resblocks.0.mlp.c_fc.weight"].role == "mlp"
    assert found["token_embedding.weight"].stage == found["positional_embedding"].stage == "embedding"
    assert found["text_projection"].role == "projection"


def test_places_of_the_transformer() -> None:
    clip = tiny.transformer()
    found = {name: clip.locate(name) for name in clip.state()}
    assert found["visual.conv1.weight"].role == "patch_embedding"
    assert found["visual.class_embedding"].role == "class_embedding"
    assert found["visual.positional_embedding"].role == "position_embedding"
    assert (found["visual.ln_pre.weight"].stage, found["visual.ln_pre.weight"].role) == ("stem", "norm")
    assert found["visual.transformer.resblocks.1.attn.out_proj.weight"].stage == "block1"
    assert (found["visual.proj"].stage, found["visual.proj"].role) == ("head", "projection")
    assert {place.role for place in found.values()}.isdisjoint({"other"})


@pytest.mark.slow
def test_counts_of_the_real_rn50() -> None:
    """The numbers that Lip's schedule saturates against: 144 text tensors, 8 of the attention pool."""
    settings = open_clip.get_model_config("RN50")
    clip = OpenClip(
        build_open_clip(settings),
        open_clip.get_tokenizer("RN50"),
        name="RN50",
        config=settings,
        mean=tiny.MEAN,
        std=tiny.STD,
    )
    text = [w for w in clip.weights() if w.place.tower == "text" and w.place.stage.startswith("block")]
    pool = [w for w in clip.weights() if w.place.stage == "attnpool" and w.place.role in {"attention", "projection"}]
    assert len(text) == 144
    assert len(pool) == 8
    assert clip.image_size == 224
    roles = {w.place.role for w in clip.weights() if w.place.tower == "image" and w.place.stage != "attnpool"}
    assert roles == {"convolution", "batch_norm"}
    inputs = noise(clip, 1)
    with torch.no_grad():
        expected = clip.module.get_submodule("visual")(inputs)
        torch.testing.assert_close(clip.encode_images(inputs), expected, atol=1e-6, rtol=1e-4)


def test_first_image_stage_and_touches_text() -> None:
    clip = tiny.resnet()
    assert clip.first_image_stage([]) == 6
    assert clip.first_image_stage(["ln_final.weight", "logit_scale"]) == 6
    assert clip.first_image_stage(["visual.attnpool.c_proj.weight", "visual.layer3.0.conv1.weight"]) == 3
    assert clip.touches_text(["text_projection"])
    assert not clip.touches_text(["visual.conv1.weight", "logit_scale"])


def test_starts_frozen_in_evaluation_mode_and_fp32(clip: Clip) -> None:
    assert not clip.module.training
    assert not any(weight.value.requires_grad for weight in clip.weights())
    assert {weight.value.dtype for weight in clip.weights()} == {torch.float32}


def test_train_only_moves_the_named_ones() -> None:
    clip = tiny.transformer()
    chosen = clip.train_only({"text_projection", "visual.proj"})
    moving = [weight.name for weight in clip.weights() if weight.value.requires_grad]
    assert sorted(moving) == ["text_projection", "visual.proj"]
    assert [id(value) for value in chosen] == [id(w.value) for w in clip.weights() if w.name in moving]
    clip.train_only([])
    assert not any(weight.value.requires_grad for weight in clip.weights())


def test_copies_share_nothing(clip: Clip) -> None:
    before = clip.fingerprint()
    clip.train_only([clip.weights()[0].name])
    twin = clip.copy()
    assert twin.fingerprint() == before
    assert not any(weight.value.requires_grad for weight in twin.weights())
    twin.weights()[0].value.data.add_(1)
    assert clip.fingerprint() == before
    assert twin.fingerprint() != before
    assert changed_names(clip.state(), twin.state()) == (clip.weights()[0].name,)


def test_with_state_holds_copies(clip: Clip) -> None:
    state = {name: value.clone() for name, value in clip.state().items()}
    first = clip.weights()[0].name
    state[first] += 1
    twin = clip.with_state(state)
    assert torch.equal(twin.state()[first], state[first])
    assert not torch.equal(clip.state()[first], state[first])
    state[first] += 1
    assert not torch.equal(twin.state()[first], state[first])


def test_with_state_is_strict(clip: Clip) -> None:
    whole = {name: value.clone() for name, value in clip.state().items()}
    first = clip.weights()[0].name
    with pytest.raises(CellFailure, match="lacks"):
        clip.with_state({name: value for name, value in whole.items() if name != first})
    with pytest.raises(CellFailure, match=r"adds \['lora'\]"):
        clip.with_state({**whole, "lora": torch.zeros(1)})
    with pytest.raises(CellFailure, match="came back as"):
        clip.with_state({**whole, first: whole[first][:-1]})
    for value in (float("nan"), float("inf")):
        with pytest.raises(CellFailure, match="not finite"):
            clip.with_state({**whole, first: whole[first].clone().fill_(value)})


def test_fingerprint_is_of_what_is_computed() -> None:
    base = tiny.transformer()
    assert base.fingerprint() == tiny.transformer().fingerprint()
    assert len(base.fingerprint()) == 16
    others = [
        tiny.transformer(seed=1),
        tiny.clip_of(tiny.TRANSFORMER, quick_gelu=True),
        OpenClip(base.module, tiny.spell, name="t", config=base.config, mean=tiny.MEAN, std=(0.2, 0.2, 0.2)),
        OpenClip(
            base.module,
            tiny.spell,
            name="t",
            config=base.config,
            mean=tiny.MEAN,
            std=tiny.STD,
            resize_mode="squash",
        ),
    ]
    prints = {base.fingerprint(), *(other.fingerprint() for other in others)}
    assert len(prints) == 5
    renamed = OpenClip(base.module, tiny.spell, name="x", config=base.config, mean=tiny.MEAN, std=tiny.STD)
    assert renamed.fingerprint() == base.fingerprint()


def long_context(**text: Any) -> OpenClip:
    """A tiny model whose text tower has CLIP's 77 places."""
    settings = tiny.config(tiny.TRANSFORMER)
    settings["text_cfg"] |= {"context_length": 77, **text}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_open_clip(settings)
    tokenizer = open_clip.SimpleTokenizer(context_length=77)
    return OpenClip(model, tokenizer, name="long", config=settings, mean=tiny.MEAN, std=tiny.STD)


@pytest.mark.parametrize(
    ("words", "length"), [(3, 8), (6, 8), (7, 16), (30, 32), (31, 40), (70, 72), (71, 77), (90, 77)]
)
def test_places_after_the_longest_text_are_not_computed(
    words: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embeddings and gradients are open_clip's; start and end of text take two places."""
    clip = long_context()
    tokens = clip.tokenize(["a cat", "cat " * words])
    seen: list[int] = []
    whole: Any = clip.module
    whole.transformer.resblocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    weights = clip.train_only([weight.name for weight in clip.weights() if weight.place.tower == "text"])
    results = []
    for encode in (clip.encode_texts, whole.encode_text):
        embedded = encode(tokens)
        results.append([embedded, *torch.autograd.grad(embedded.square().sum(), weights)])
    assert seen == [length, 77]
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_towers_that_look_ahead_are_computed_whole() -> None:
    for change in ({"no_causal_mask": True}, {"pool_type": "last"}, {"proj_bias": True}):
        clip = long_context(**change)
        tokens = clip.tokenize(["a cat"])
        whole: Any = clip.module
        assert torch.equal(clip.encode_texts(tokens), whole.encode_text(tokens)), change


def test_texts() -> None:
    clip = tiny.transformer()
    tokens = clip.tokenize(tiny.TEXTS)
    assert tokens.shape == (6, 16)
    assert tokens.dtype == torch.int64
    embedded = clip.embed_texts(tiny.TEXTS)
    assert torch.equal(embedded, clip.encode_texts(tokens))
    assert not torch.allclose(embedded.norm(dim=-1), torch.ones(6)), "embeddings are not normalised"


def test_logits_are_scaled_cosines() -> None:
    clip = tiny.transformer()
    images, texts = torch.tensor([[3.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [5.0, 5.0]])
    expected = 100 * torch.tensor([[1.0, 0.5**0.5], [0.0, 0.5**0.5]])
    torch.testing.assert_close(clip.logits(images, texts), expected, atol=1e-3, rtol=1e-4)


def picture(mode: str, size: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
@pytest.mark.parametrize("size", [(32, 32), (100, 40), (40, 101), (7, 5), (32, 33)])
def test_prepare_takes_any_picture(mode: str, size: tuple[int, int]) -> None:
    clip = tiny.transformer()
    prepared = clip.prepare(picture(mode, size))
    assert prepared.shape == (32, 32, 3)
    assert prepared.dtype == np.uint8


@pytest.mark.parametrize("resize_mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(32, 32), (100, 40), (45, 101), (333, 500), (33, 64)])
def test_input_is_open_clips_transform(size: tuple[int, int], interpolation: str, resize_mode: str) -> None:
    base = tiny.transformer()
    clip = OpenClip(
        base.module,
        tiny.spell,
        name="t",
        config=base.config,
        mean=tiny.MEAN,
        std=tiny.STD,
        interpolation=interpolation,
        resize_mode=resize_mode,
    )
    transform = open_clip.image_transform(
        32, is_train=False, mean=tiny.MEAN, std=tiny.STD, interpolation=interpolation, resize_mode=resize_mode
    )
    image = picture("RGB", size)
    found = clip.to_input(torch.from_numpy(clip.prepare(image))[None])[0]
    torch.testing.assert_close(found, transform(image), atol=1e-5, rtol=0)


def test_prepare_names_itself() -> None:
    assert tiny.transformer().preparation == "bicubic-32"
    assert tiny.resnet().preparation == "bicubic-64"
    assert tiny.two_towers().preparation == "bicubic-8"


def test_normalise_passes_gradients() -> None:
    clip = tiny.two_towers()
    unit = torch.full((1, 3, 2, 2), 0.5, requires_grad=True)
    normalised = clip.normalise(unit)
    (slope,) = torch.autograd.grad(normalised.sum(), unit)
    assert normalised.abs().sum() == 0
    torch.testing.assert_close(slope, torch.full_like(unit, 2.0))


def test_two_towers() -> None:
    clip = tiny.two_towers(bias=-2.0)
    assert clip.tokenize(["ab"]).shape == (1, 8)
    assert clip.embed_texts(["ab", "cd"]).shape == (2, 12)
    assert clip.image_stages == ("tower",)
    assert float(clip.logit_scale) == 20.0
    assert clip.logit_bias is not None
    assert float(clip.logit_bias) == -2.0
    assert tiny.two_towers().logit_bias is None
    roles = {weight.name: weight.place.role for weight in clip.weights()}
    assert roles["image.1.weight"] == "mlp"
    assert roles["image.2.weight"] == "norm"
    assert roles["text.0.weight"] == "token_embedding"
    assert clip.locate("logit_scale").tower == "joint"
    assert clip.run_image_stages(noise(clip), stop=0).shape == (3, 3, 8, 8)


def test_two_towers_with_another_scale_differ() -> None:
    assert tiny.two_towers().fingerprint() != tiny.two_towers(bias=0.0).fingerprint()
