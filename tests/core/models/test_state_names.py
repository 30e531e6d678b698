"""Checkpoints as people have them: every prefix, wrapper, file name, extra and size that a user met."""

import json
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.core import tiny
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.models.checkpoints import PREFERRED, load_strictly, read_tensors
from unlearn_bench.models.sources import open_model, save_model, with_weights
from unlearn_bench.models.state_names import fitted

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def source() -> Clip:
    return tiny.transformer(seed=1)


def loads(state: State, source: Clip) -> bool:
    target = tiny.transformer()
    load_strictly(target.module, state, source="w.pt")
    return all(torch.equal(value, source.state()[name]) for name, value in target.state().items())


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "model.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.", "model._orig_mod.module."),
        *("module.model.", "_fsdp_wrapped_module.model."),
    ],
)
def test_prefixes_in_any_order_and_depth(prefix: str, source: Clip) -> None:
    assert loads({f"{prefix}{name}": value for name, value in source.state().items()}, source)


def test_prefixes_inside_and_of_some_names_alone(source: Clip) -> None:
    renamed = {
        name.replace("visual.", "module.visual._orig_mod.", 1): value for name, value in source.state().items()
    }
    assert loads(renamed, source)


def test_a_name_of_the_models_own_keeps_its_prefix() -> None:
    """A model of somebody's own whose parts are called so."""
    own = torch.nn.ModuleDict({"model": torch.nn.ModuleDict({"module": torch.nn.Linear(2, 2)})})
    state = {name: value + 1 for name, value in own.state_dict().items()}
    assert set(state) == {"model.module.weight", "model.module.bias"}
    assert fitted(own, state, source="w").keys() == state.keys()
    wrapped = {f"module.{name}": value for name, value in state.items()}
    assert fitted(own, wrapped, source="w").keys() == state.keys()


def test_one_tensor_under_two_prefixes_is_refused(source: Clip) -> None:
    state = source.state()
    twice = {**{f"module.{name}": value for name, value in state.items()}, "model.logit_scale": state["logit_scale"]}
    with pytest.raises(InputError, match="hold 'logit_scale' twice"):
        loads(twice, source)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state | {"logit_scale": state["logit_scale"].reshape(1)},
        lambda state: state | {"text_model.embeddings.position_ids": torch.arange(77)},
        lambda state: state | {"position_ids": torch.arange(77)},
        lambda state: state | {"attn_mask": torch.zeros(3, 3)},
        lambda state: state | {n: torch.tensor(7) for n in ("input_resolution", "context_length", "vocab_size")},
        lambda state: {name: value.half().float() for name, value in state.items()} | {"n_averaged": torch.tensor(3)},
    ],
)
def test_harmless_differences(change: Callable[[State], State], source: Clip) -> None:
    target = tiny.transformer()
    load_strictly(target.module, change(source.state()), source="w.pt")
    state = source.state()
    assert all(torch.allclose(value, state[name], atol=1e-3) for name, value in target.state().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {n: v for n, v in state.items() if n != "ln_final.weight"}, "missing .'ln_final.weight'"),
        (lambda state: state | {"head.weight": torch.zeros(2)}, "unexpected .'head.weight'"),
        (lambda state: state | {"ln_final.weight": torch.zeros(5)}, "other shape .'ln_final.weight'"),
        (lambda state: state | {"ln_final.weight": state["ln_final.weight"] * torch.nan}, "no finite numbers"),
        (
            lambda state: state | {"ln_final.weight": state["ln_final.weight"].to(torch.complex64)},
            "no finite numbers",
        ),
        (
            lambda state: state | {"ln_final.weight": torch.empty_like(state["ln_final.weight"], device="meta")},
            "can't",
        ),
        (lambda state: state | {"positional_embedding": torch.zeros(4, 4, 4)}, "position embeddings"),
    ],
)
def test_what_does_not_fit_is_one_line(change: Callable[[State], State], message: str, source: Clip) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_strictly(tiny.transformer().module, change(source.state()), source="w.pt")
    assert "\n" not in str(caught.value)


def test_position_embeddings_of_another_size_are_resized_as_open_clip_does(source: Clip, tmp_path: Path) -> None:
    """Images twice as wide: a 2 x 2 grid of patches becomes 4 x 4."""
    config = dict(source.config)  # type: ignore[attr-defined]
    larger = {**config, "vision_cfg": {**config["vision_cfg"], "image_size": 2 * source.image_size}}
    torch.manual_seed(0)
    expected = open_clip.CLIP(**larger)
    save_file(source.state(), tmp_path / "w.safetensors")
    open_clip.load_checkpoint(expected, str(tmp_path / "w.safetensors"))
    target = open_clip.CLIP(**larger)
    load_strictly(target, read_tensors(tmp_path / "w.safetensors"), source="w")
    name = "visual.positional_embedding"
    assert target.state_dict()[name].shape != source.state()[name].shape
    assert all(torch.equal(value, expected.state_dict()[key]) for key, value in target.state_dict().items())


@pytest.mark.parametrize("name", [*PREFERRED, "my-own.safetensors"])
def test_every_file_name_that_open_clip_takes(name: str, source: Clip, tmp_path: Path) -> None:
    save_model(source, tmp_path, {})
    (tmp_path / PREFERRED[0]).unlink()
    if name.endswith(".safetensors"):
        save_file(source.state(), tmp_path / name)
    else:
        torch.save(source.state(), tmp_path / name)
    assert open_model(f"local-dir:{tmp_path}").fingerprint() == source.fingerprint()


def write_shards(state: State, folder: Path, *, parts: int = 3) -> Path:
    """The state in several files and an index, as the hub's large models have it."""
    places: dict[str, str] = {}
    for part in range(parts):
        own = {name: value for number, (name, value) in enumerate(state.items()) if number % parts == part}
        file = f"open_clip_model-{part + 1:05}-of-{parts:05}.safetensors"
        save_file({name: value.contiguous() for name, value in own.items()}, folder / file)
        places |= dict.fromkeys(own, file)
    index = folder / "open_clip_model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


def test_weights_in_several_files(source: Clip, tmp_path: Path) -> None:
    save_model(source, tmp_path, {})
    (tmp_path / PREFERRED[0]).unlink()
    index = write_shards(source.state(), tmp_path)
    assert open_model(f"local-dir:{tmp_path}").fingerprint() == source.fingerprint()
    assert with_weights(tiny.transformer(), index).fingerprint() == source.fingerprint()
    whole = json.loads(index.read_text())
    for change, message in (
        ({"weight_map": {"a": "../../etc/passwd"}}, "expected .safetensors files beside it"),
        ({"weight_map": {"a": "gone.safetensors"}}, "names 'gone.safetensors', which is not there"),
        (
            {"weight_map": {**whole["weight_map"], "more": "open_clip_model-00001-of-00003.safetensors"}},
            "lack 'more'",
        ),
        ({}, "can't be read"),
        ({"weight_map": 3}, "can't be read"),
    ):
        index.write_text(json.dumps(change))
        with pytest.raises(InputError, match=message):
            open_model(f"local-dir:{tmp_path}")


def test_a_checkpoint_of_transformers_is_recognised(tmp_path: Path) -> None:
    names = ["text_model.encoder.layers.0.self_attn.k_proj.weight", "vision_model.encoder.layers.0.mlp.fc1.weight"]
    save_file({name: torch.zeros(2, 2) for name in names}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="are of transformers, not of open_clip; give --model hf:FOLDER"):
        load_strictly(tiny.transformer().module, read_tensors(tmp_path / "model.safetensors"), source="w")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"its config.json is of transformers: give hf: in place of local-dir:"):
        open_model(f"local-dir:{tmp_path}")


def test_code_of_a_folder_is_not_run(source: Clip, tmp_path: Path) -> None:
    """`trust_remote_code` in a configuration would run a file that lies beside the weights."""
    sign = tmp_path / "code-ran"
    save_model(source, tmp_path / "m", {})
    path = tmp_path / "m" / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"trust_remote_code": True}
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "anything"
    path.write_text(json.dumps(config))
    (tmp_path / "m" / "evil.py").write_text(f"open({str(sign)!r}, 'w')\nclass Evil: pass\n")
    (tmp_path / "m" / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"})
    )
    with pytest.raises(InputError, match="sets 'trust_remote_code' for its tokenizer, and nothing from a model's"):
        open_model(f"local-dir:{tmp_path / 'm'}")
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {}
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"the tokenizer of .* can't be made"):
        open_model(f"local-dir:{tmp_path / 'm'}")
    assert not sign.exists()
