"""Weights are read without running code, and only into the architecture that they belong to."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.core import tiny
from unlearn_bench.errors import InputError
from unlearn_bench.models.checkpoints import load_strictly, read_tensors


class Payload:
    """Unpickling this creates a file: the sign that code ran."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, (str(self.target), "w"))  # type: ignore[return-value]


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1.0, -1.0])}


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


def one_line(caught: pytest.ExceptionInfo[InputError]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_safetensors(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    save_file(tensors, tmp_path / "w.safetensors")
    assert same(read_tensors(tmp_path / "w.safetensors"), tensors)


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_state_dict(tmp_path: Path, tensors: dict[str, Tensor], zipped: bool) -> None:
    torch.save(tensors, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    assert same(read_tensors(tmp_path / "w.pt"), tensors)


@pytest.mark.parametrize("keys", [("state_dict",), ("model",), ("model_state_dict",), ("model", "state_dict")])
def test_training_checkpoint_is_unwrapped(tmp_path: Path, tensors: dict[str, Tensor], keys: tuple[str, ...]) -> None:
    wrapped: dict[str, object] = dict(tensors)
    for key in keys:
        wrapped = {"epoch": 3, key: wrapped}
    torch.save(wrapped, tmp_path / "w.pt")
    assert same(read_tensors(tmp_path / "w.pt"), tensors)


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("keep", [0, 30, 200])
def test_truncated(tmp_path: Path, tensors: dict[str, Tensor], suffix: str, keep: int) -> None:
    path = tmp_path / f"w.{suffix}"
    if suffix == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(keep, len(whole) - 8)])
    with pytest.raises(InputError) as caught:
        read_tensors(path)
    assert str(path) in one_line(caught)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights at"):
        read_tensors(tmp_path / "nothing.pt")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights at"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("how", ["torch", "pickle", "nested"])
def test_code_in_a_pickle_does_not_run(tmp_path: Path, tensors: dict[str, Tensor], how: str) -> None:
    sign, path = tmp_path / "code-ran", tmp_path / "w.pt"
    if how == "torch":
        torch.save(Payload(sign), path)
    elif how == "nested":
        torch.save({"state_dict": tensors, "optimizer": Payload(sign)}, path)
    else:
        path.write_bytes(pickle.dumps({"weight": Payload(sign)}, protocol=2))
    with pytest.raises(InputError) as caught:
        read_tensors(path)
    assert "more than tensors" in one_line(caught)
    assert not sign.exists()


def test_the_payload_is_live(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "code-ran"))).close()
    assert (tmp_path / "code-ran").exists(), "otherwise the test above could not fail"


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_torchscript_archive(tmp_path: Path) -> None:
    example = torch.zeros(1, 2)
    torch.jit.trace(nn.Linear(2, 2), example).save(str(tmp_path / "w.pt"))  # type: ignore[no-untyped-call]
    with pytest.raises(InputError) as caught:
        read_tensors(tmp_path / "w.pt")
    message = one_line(caught)
    assert "TorchScript" in message
    assert "RN50:openai" in message


@pytest.mark.parametrize("content", [[1, 2], {"a": 1.0}, torch.zeros(2)], ids=["list", "floats", "tensor"])
def test_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match="no state dict"):
        read_tensors(tmp_path / "w.pt")


def test_text_in_place_of_weights(tmp_path: Path) -> None:
    for name in ("w.pt", "w.safetensors"):
        (tmp_path / name).write_text("<html>404</html>")
        with pytest.raises(InputError):
            read_tensors(tmp_path / name)


def test_load_strictly_casts_to_fp32() -> None:
    source, target = tiny.transformer(seed=1), tiny.transformer()
    half = {name: value.half() for name, value in source.state().items()}
    load_strictly(target.module, half, source="half")
    assert {value.dtype for value in target.state().values()} == {torch.float32}
    assert all(torch.equal(value, half[name].float()) for name, value in target.state().items())


def test_load_strictly_refuses_other_architectures() -> None:
    model = nn.Linear(3, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    right = {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}
    wrong = {
        "missing": {"weight": right["weight"]},
        "unexpected": {**right, "scale": torch.zeros(1)},
        "other shape": {**right, "weight": torch.zeros(3, 2)},
    }
    for word, tensors in wrong.items():
        with pytest.raises(InputError, match="another architecture") as caught:
            load_strictly(model, tensors, source="w.pt")
        assert word in one_line(caught)
        assert same(dict(model.state_dict()), before), "a refused file changes nothing"


def test_a_checkpoint_that_holds_itself_is_refused(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    around: dict[str, object] = {"epoch": 3}
    around["model"] = {"state_dict": around}
    path = tmp_path / "around.pth"
    torch.save(around, path)
    with pytest.raises(InputError, match="are no state dict"):
        read_tensors(path)
    torch.save({"model": {"state_dict": {"model": tensors}}}, path)
    assert read_tensors(path).keys() == tensors.keys()
