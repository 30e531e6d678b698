"""What crosses a player's door: whole, within bounds, and never unpickled."""

import pickle
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Thread

import pytest
import torch

from unlearn_bench.benchmarks.isolation.wire import WORDS_BYTES, Message, WireError, bytes_of, receive, send


@pytest.fixture
def pipe() -> tuple[Connection, Connection]:
    return Pipe()


def test_words_and_tensors_come_through(pipe: tuple[Connection, Connection]) -> None:
    tied = torch.arange(6.0).reshape(2, 3)
    tensors = {"a": tied, "b": tied.T, "c": torch.tensor(3, dtype=torch.int64), "d": torch.zeros(0, 4).half()}
    sent = Message(kind="done", words={"step": 3, "said": "a\ud800 ü", "loss": 0.5}, tensors=tensors)
    send(pipe[0], sent)
    found = receive(pipe[1], most_bytes=bytes_of(tensors))
    assert (found.kind, found.words) == (sent.kind, sent.words)
    for name, value in tensors.items():
        assert found.tensors[name].dtype == value.dtype
        assert torch.equal(found.tensors[name], value)
    found.tensors["a"][0] = 7
    assert tied[0, 1] == 1, "copies"


@pytest.mark.parametrize("count", [0, 1, 50])
def test_the_bound_is_above_what_tensors_take(count: int, pipe: tuple[Connection, Connection]) -> None:
    tensors = {f"layer.{number}.weight": torch.randn(number + 1, 3) for number in range(count)}
    send(pipe[0], Message(kind="done", tensors=tensors))
    assert len(receive(pipe[1], most_bytes=bytes_of(tensors)).tensors) == count


def test_more_than_was_expected_is_not_taken(pipe: tuple[Connection, Connection]) -> None:
    def flood() -> None:
        with suppress(OSError):
            pipe[0].send_bytes(b"x" * (2 * WORDS_BYTES))

    sender = Thread(target=flood)
    sender.start()
    with pytest.raises(WireError, match="too large"):
        receive(pipe[1], most_bytes=0)
    pipe[1].close()
    sender.join(10)
    assert not sender.is_alive()


def test_too_many_words_are_refused_by_the_sender(pipe: tuple[Connection, Connection]) -> None:
    with pytest.raises(ValueError, match="more words than"):
        send(pipe[0], Message(kind="report", words={"text": "x" * WORDS_BYTES}))
    with pytest.raises(TypeError, match="not JSON serializable"):
        send(pipe[0], Message(kind="report", words={"loss": torch.zeros(1)}))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("it was unpickled",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\xff\xff\xff\xff{}",
        b"\x02\x00\x00\x00{}",
        b"\x04\x00\x00\x00null",
        b'\x0f\x00\x00\x00{"kind": "over"',
        b'\x1a\x00\x00\x00{"kind": 1, "words": {} }  ',
        b'\x1d\x00\x00\x00{"kind": "done", "words": {}}no safetensors',
        pickle.dumps(Bomb()),
    ],
)
def test_what_is_no_message_is_said_to_be_none(data: bytes, pipe: tuple[Connection, Connection]) -> None:
    pipe[0].send_bytes(data)
    with pytest.raises(WireError, match="a message"):
        receive(pipe[1], most_bytes=1000)


def test_deep_words_are_no_message(pipe: tuple[Connection, Connection]) -> None:
    words = b'{"kind": "over", "words": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    pipe[0].send_bytes(len(words).to_bytes(4, "little") + words)
    with pytest.raises(WireError, match="can't be read"):
        receive(pipe[1], most_bytes=0)


def test_a_side_that_is_gone_is_no_message(pipe: tuple[Connection, Connection]) -> None:
    pipe[0].close()
    with pytest.raises(EOFError):
        receive(pipe[1], most_bytes=0)
