"""Checkpoints broken at random, by a seed: each loads, or is refused in one line; nothing else happens."""

import io
import json
import pickle
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from unlearn_bench.errors import InputError
from unlearn_bench.models.checkpoints import load_strictly, read_tensors

SEED, EACH = 2026, 60


def module() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))


def _packed(state: object, **settings: object) -> bytes:
    packed = io.BytesIO()
    torch.save(state, packed, **settings)  # type: ignore[arg-type]
    return packed.getvalue()


def sound() -> dict[str, bytes]:
    """A small state in every form in which people keep one, by the file's ending."""
    state = module().state_dict()
    return {
        "zip.pt": _packed(state),
        "legacy.pt": _packed(state, _use_new_zipfile_serialization=False),
        "training.pth": _packed({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in state.items()}}),
        "plain.bin": pickle.dumps({"weight": [1.0, 2.0]}, protocol=2),
        "w.safetensors": save(dict(state)),
        "w.safetensors.index.json": json.dumps({"weight_map": dict.fromkeys(state, "w.safetensors")}).encode(),
    }


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to three changes: bytes flipped or set, a piece cut out, doubled, zeroed, or the end gone."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(found)) if found else 0
        stop = min(len(found), start + chance.choice([1, 1, 2, 8, 64]))
        kind = chance.choice(["flip", "set", "cut", "double", "zero", "end", "text"])
        if kind == "flip":
            found[start:stop] = bytes(byte ^ (1 << chance.randrange(8)) for byte in found[start:stop])
        elif kind == "set":
            found[start:stop] = bytes(chance.randrange(256) for _ in found[start:stop])
        elif kind == "cut":
            del found[start:stop]
        elif kind == "double":
            found[stop:stop] = found[start:stop]
        elif kind == "zero":
            found[start:stop] = bytes(stop - start)
        elif kind == "end":
            del found[start:]
        else:
            found[start:stop] = chance.choice([b"\xff\xfe", b"{}", b"]", b"NaN", b"\x80\x02."])
    return bytes(found)


def outcome(path: Path) -> str:
    """Why the file is refused; empty where it loads. Any other error passes."""
    try:
        load_strictly(module(), read_tensors(path), source=str(path))
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", sound())
def test_a_broken_checkpoint_is_one_line(name: str, tmp_path: Path) -> None:
    chance = random.Random(f"{SEED} {name}")
    files, path = sound(), tmp_path / name
    (tmp_path / "w.safetensors").write_bytes(files["w.safetensors"])
    loaded = refused = 0
    for _ in range(EACH):
        path.write_bytes(mutated(files[name], chance))
        said = outcome(path)
        assert "\n" not in said, said
        assert not said or name in said or "w.safetensors" in said
        refused, loaded = refused + bool(said), loaded + (not said)
    assert refused > EACH // 4  # most changes matter
    assert loaded + refused == EACH


def test_what_was_not_broken_loads(tmp_path: Path) -> None:
    for name, data in sound().items():
        (tmp_path / name).write_bytes(data)
    for name in sound():
        if name != "plain.bin":
            load_strictly(module(), read_tensors(tmp_path / name), source=name)
