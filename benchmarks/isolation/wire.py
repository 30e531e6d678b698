"""What crosses a player's door: words as JSON and tensors as safetensors, in one message; nothing is unpickled.

The referee believes no message: it has the form that is expected, within the size that is expected, or it is the
player's failure.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

_HEAD = struct.Struct("<I")
WORDS_BYTES = 2**20
"""A message's words take at most so much."""


class WireError(Exception):
    """What came is no message."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a player.

    Attributes:
        kind: what it says. words: numbers and texts by name. tensors: by name, on the CPU.
    """

    kind: str
    words: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


def send(connection: Connection, message: Message) -> None:
    """Send it whole; tensors go as copies on the CPU.

    Raises:
        ValueError: its words can't be said in JSON, or are too many.
    """
    words = json.dumps({"kind": message.kind, "words": dict(message.words)}).encode("ascii")
    if len(words) > WORDS_BYTES:
        raise ValueError(f"{len(words)} bytes are more words than the {WORDS_BYTES} of a message")
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in message.tensors.items()}
    connection.send_bytes(_HEAD.pack(len(words)) + words + (save(tensors) if tensors else b""))


def receive(connection: Connection, *, most_bytes: int) -> Message:
    """The next message.

    Args:
        most_bytes: that its tensors may take.

    Raises:
        EOFError: the other side is gone.
        WireError: what came is no message, or is larger; nothing more can be received then.
    """
    try:
        data = connection.recv_bytes(most_bytes + WORDS_BYTES + _HEAD.size)
    except EOFError:
        raise
    except OSError as error:
        raise WireError(f"a message that is too large or broken ({error})") from error
    if len(data) < _HEAD.size:
        raise WireError("a message that breaks off")
    end = _HEAD.size + _HEAD.unpack_from(data)[0]
    try:
        said = json.loads(data[_HEAD.size : end])
        kind, words = said["kind"], said["words"]
        tensors = load(data[end:]) if len(data) > end else {}
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError, RuntimeError) as error:
        raise WireError(f"a message that can't be read ({type(error).__name__})") from error
    if not isinstance(kind, str) or not isinstance(words, dict):
        raise WireError("a message of another form")
    return Message(kind=kind, words=words, tensors=tensors)


def bytes_of(tensors: Mapping[str, Tensor]) -> int:
    """What these tensors take in a message, names and shapes included, from above."""
    contents = sum(value.numel() * torch.empty((), dtype=value.dtype).element_size() for value in tensors.values())
    return contents + sum(200 + 2 * len(name) for name in tensors) + 1024
