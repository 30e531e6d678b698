"""The gold reference: weights from a file, or a reason that says how to make them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.core import tiny
from tests.methods.support import colour_request, colours, copied, parted, request
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.methods.retrain import Retrain
from unlearn_bench.models.retrained import file_stem, read_retrained, weights_file, weights_name


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path))


def put(original: Clip, other: Clip, *names: str) -> None:
    path = weights_file(original.fingerprint(), names)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.clone().contiguous() for name, value in other.state().items()}, path)


def test_it_returns_the_other_model_whole() -> None:
    original, other = tiny.resnet(seed=0), tiny.resnet(seed=1)
    put(original, other, "red")
    given = request(["red"], ["blue"])
    assert Retrain().skip(original, given) is None
    before = copied(original)
    returned = Retrain().unlearn(original, given)
    assert all(torch.equal(value, other.state()[name]) for name, value in returned.state().items())
    assert all(torch.equal(value, before[name]) for name, value in original.state().items())
    assert not returned.module.training


def test_several_classes_are_found_in_any_order() -> None:
    clip = colours()
    put(clip, clip, "red", "blue")
    assert Retrain().skip(clip, colour_request(("blue", "red"))) is None
    assert Retrain().skip(clip, colour_request(("red",))) is not None


def test_without_weights_it_skips_with_the_commands_and_no_path_of_this_machine(tmp_path: Path) -> None:
    clip = tiny.resnet()
    clip.name = "mini-rn"
    why = Retrain().skip(clip, request(["digit seven"], ["digit two"]))
    assert why is not None
    assert "\n" not in why
    assert str(tmp_path) not in why
    assert f"$UNLEARN_BENCH_CACHE/retrained/{clip.fingerprint()}/digit-seven.safetensors" in why
    assert '.train --model mini-rn --without "DATASET/digit seven" --out DIR`' in why
    assert ".reference DIR`" in why


@pytest.mark.parametrize("name", ["tiny", "mini-rn"])
def test_where_no_command_makes_the_weights_none_is_named(name: str) -> None:
    """Another model than the embedded ones; and a class in one domain, which the training command can't leave out."""
    clip, given = tiny.resnet(), colour_request()
    clip.name = name
    why = Retrain().skip(clip, parted(given) if name == "mini-rn" else given)
    assert why is not None
    assert why.startswith("no weights at $UNLEARN_BENCH_CACHE/retrained/")
    assert why.endswith("no weights of this model trained without this are known")
    assert "python" not in why


def test_names_too_long_for_a_file_are_no_error() -> None:
    """A whole domain is forgotten as all its classes."""
    names = [f"shape {number}@sketch" for number in range(40)]
    assert "no weights at" in str(Retrain().skip(colours(), request(names, ["red"])))


def test_weights_of_another_original_are_not_found() -> None:
    put(tiny.resnet(seed=0), tiny.resnet(seed=1), "red")
    assert Retrain().skip(tiny.resnet(seed=2), request(["red"], ["blue"])) is not None


def test_weights_of_another_architecture_fail_the_cell(tmp_path: Path) -> None:
    original = tiny.resnet()
    put(original, tiny.transformer(), "red")
    with pytest.raises(CellFailure, match="lacks"):
        Retrain().unlearn(original, request(["red"], ["blue"]))
    with pytest.raises(InputError):
        read_retrained(original, tmp_path / "nothing.safetensors")


def test_names_in_paths() -> None:
    assert file_stem(["polka dots"]) == "polka-dots"
    assert file_stem(["b", "A/c"]) == "a-c+b"
    assert weights_name("0f", ["digit seven"]) == "0f/digit-seven.safetensors"


def test_it_is_a_reference_that_is_named() -> None:
    assert (Retrain.kind, Retrain.default, Retrain.access) == ("reference", False, "not-ZS")
