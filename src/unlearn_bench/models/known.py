"""What is known of the embedded models without opening them, as long as their weights are the ones it is said of."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_WEIGHTS = Path(__file__).parent / "weights"
_TEXT = (
    '{"embed_dim": 128, "quick_gelu": false, '
    '"text_cfg": {"context_length": 32, "heads": 4, "layers": 3, "vocab_size": 49408, "width": 128}, '
)


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """An embedded model; a test holds all but `opened_mib` against the model itself.

    Attributes:
        weights: SHA-256 of the file of its weights. fingerprint, architecture: as its `Clip` says them.
        opened_mib: main memory of a process that has opened it with the embedded datasets: measured once, on Linux
            with torch 2.15.
    """

    name: str
    weights: str
    fingerprint: str
    architecture: str
    opened_mib: int


KNOWN: Mapping[str, KnownModel] = {
    "mini-rn": KnownModel(
        name="mini-rn",
        weights="9475eb99e4afcf572282789f5c426c141f0d6c192608cec9d0b5fa39a3b4b968",
        fingerprint="ad4f05ffd24363f1",
        architecture=_TEXT
        + '"vision_cfg": {"head_width": 64, "image_size": 64, "layers": [1, 1, 1, 1], "width": 16}}',
        opened_mib=546,
    ),
    "mini-vit": KnownModel(
        name="mini-vit",
        weights="b6e59429015d8c7cfb10a8126409f98ec1665fb4d65bc84f893d65697891e278",
        fingerprint="44641a66155a037f",
        architecture=_TEXT
        + '"vision_cfg": {"head_width": 32, "image_size": 64, "layers": 4, "patch_size": 16, "width": 128}}',
        opened_mib=608,
    ),
}


def known_model(name: str) -> KnownModel | None:
    """What is known of a model; None where it is none of these, or has been trained again."""
    found = KNOWN.get(name)
    if found is None:
        return None
    path = _WEIGHTS / f"{name}.safetensors"
    same = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == found.weights
    return found if same else None
