"""The player's side: a process that opens a model, shuts its door, and lets a method play what it is given."""

import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from unlearn_bench.benchmarks.isolation.fence import Fence, end_when_alone, raise_fence
from unlearn_bench.benchmarks.isolation.measuring import give_memory_back
from unlearn_bench.benchmarks.isolation.wire import Message, receive, send
from unlearn_bench.benchmarks.presets.preset import build_method
from unlearn_bench.clip import Clip, State
from unlearn_bench.errors import CellFailure
from unlearn_bench.methods.base import Concept, Examples, Method, Request
from unlearn_bench.models.sources import open_model, with_weights
from unlearn_bench.registry import load
from unlearn_bench.seeding import derive_seed, generator, global_streams
from unlearn_bench.synthesis.images import Synthetic

MOST_SYNTHETIC = 2**33
"""Bytes of synthetic images that the referee may send."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Which model a player opens before it shuts its door, and where it computes.

    Attributes:
        model: spec. weights: a file or folder in place of its own. device, threads: of its computations.
        folder, environment, path: the current folder, the environment and `sys.path` of the process that asks, in
            which the model's spec means what it means there.
    """

    model: str
    weights: str | None
    device: str
    threads: int
    folder: str = field(default_factory=os.getcwd)
    environment: tuple[tuple[str, str], ...] = field(default_factory=lambda: tuple(os.environ.items()))
    path: tuple[str, ...] = field(default_factory=lambda: tuple(sys.path))


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a method is asked to do, with all that its access allows.

    Attributes:
        method_target: where its class is loaded from. hyperparameters: of the method.
        seed: parts of the run's seed: number, dataset, forget set.
        forget, retain: concepts. forget_examples, retain_examples: as a request has them.
    """

    method_target: str
    hyperparameters: Mapping[str, Any]
    seed: tuple[object, ...]
    forget: tuple[Concept, ...]
    retain: tuple[Concept, ...]
    forget_examples: Examples | None = None
    retain_examples: Examples | None = None

    def request(
        self, *, synthesize: Callable[[], Synthetic], device: torch.device, report: Callable[..., None]
    ) -> Request:
        """What the method is given, with who answers it."""
        return Request(
            forget=self.forget,
            retain=self.retain,
            forget_examples=self.forget_examples,
            retain_examples=self.retain_examples,
            synthesize=synthesize,
            generator=lambda purpose: generator(*self.seed, purpose),
            device=device,
            report=report,
        )


@dataclass(kw_only=True)
class Door:
    """The player's end of the connection, and what the method reaches through it."""

    connection: Connection
    task: Task
    device: torch.device
    made: dict[str, Tensor] = field(default_factory=dict)

    def request(self) -> Request:
        """What the method is given."""
        return self.task.request(synthesize=self.synthesize, device=self.device, report=self.report)

    def report(self, step: int, **values: float | str) -> None:
        """A line of the run's history."""
        try:
            send(self.connection, Message(kind="report", words={"step": step, **values}))
        except (TypeError, ValueError) as error:
            raise CellFailure(f"report was given more than numbers and texts ({error}); use float(..)") from error

    def synthesize(self) -> Synthetic:
        """The synthetic images, which the referee makes or has: a copy each time."""
        if not self.made:
            send(self.connection, Message(kind="synthesize"))
            answer = receive(self.connection, most_bytes=MOST_SYNTHETIC)
            if answer.kind != "synthetic":
                raise CellFailure(str(answer.words.get("reason", "there are no synthetic images")))
            self.made = dict(answer.tensors)
        return Synthetic(**{name: value.clone() for name, value in self.made.items()})


def live(connection: Connection, fence: Fence, opening: Opening) -> None:
    """A player's life: open the model, shut the door, and play until the other side is gone."""
    try:
        clip = _open(opening)
        raise_fence(fence)
        end_when_alone(connection)
    except BaseException as error:
        send(connection, Message(kind="failed", words=_told(error)))
        return
    pristine = {name: value.clone() for name, value in clip.state().items()}
    state = _state_of_process()
    send(connection, Message(kind="ready"))
    while True:
        try:
            task = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        _play(connection, task, clip, pristine)
        same = all(torch.equal(value, pristine[name]) for name, value in clip.state().items())
        send(connection, Message(kind="over", words={"clean": same and _state_of_process() == state}))


def _open(opening: Opening) -> Clip:
    os.environ.clear()
    os.environ.update(opening.environment)
    os.chdir(opening.folder)
    sys.path[:] = opening.path
    torch.set_num_threads(opening.threads)
    clip = open_model(opening.model)
    clip = with_weights(clip, Path(opening.weights)) if opening.weights else clip
    return clip.to(opening.device)


def _play(connection: Connection, task: Task, clip: Clip, pristine: State) -> None:
    """One method's turn; whatever it raises is told."""
    door = Door(connection=connection, task=task, device=clip.device)
    try:
        _turn(door, clip, pristine)
    except BaseException as error:  # whatever it is, it is this cell's failure
        send(connection, Message(kind="failed", words=_told(error)))


def _turn(door: Door, clip: Clip, pristine: State) -> None:
    task, connection = door.task, door.connection
    method = build_method(cast("type[Method]", load(task.method_target)), task.hyperparameters)
    copy, request = clip.copy(), door.request()
    answer: object = method.skip(copy, request)
    if answer is not None:
        if not (isinstance(answer, str) and answer.strip()):
            raise CellFailure(f"skip returned {answer!r}; give None or a reason")
        send(connection, Message(kind="skipped", words={"reason": answer}))
        return
    if door.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(door.device)
    base = _allocated(door.device)
    give_memory_back()
    send(connection, Message(kind="begin"))
    connection.recv_bytes()  # the referee's watches run
    with global_streams(derive_seed(*task.seed, "global")), torch.enable_grad():
        returned = method.unlearn(copy, request)
    if door.device.type == "cuda":
        torch.cuda.synchronize(door.device)
    peak = torch.cuda.max_memory_allocated(door.device) - base if door.device.type == "cuda" else None
    send(connection, Message(kind="end", words={"device_bytes": peak}))
    if not isinstance(returned, Clip):
        raise CellFailure(f"unlearn returned a {type(returned).__name__}; it must return the clip")
    state = returned.state()
    moved = {name: value for name, value in state.items() if not _same(value, pristine.get(name))}
    send(connection, Message(kind="done", words={"lacks": sorted(pristine.keys() - state.keys())}, tensors=moved))


def _same(value: Tensor, original: Tensor | None) -> bool:
    """Whether the referee has this very tensor, so that it need not be sent."""
    if original is None:
        return False
    alike = (value.dtype, value.device, value.shape) == (original.dtype, original.device, original.shape)
    return alike and torch.equal(value, original)


def _allocated(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def _state_of_process() -> tuple[object, ...]:
    """What a method may leave behind that others would meet."""
    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        threading.active_count(),
        sys.getrecursionlimit(),
        os.getcwd(),
        tuple(sorted(os.environ.items())),
    )


def _told(error: BaseException) -> dict[str, str]:
    """An error in words that are sure to pass: its own may be broken."""
    kind = "memory" if isinstance(error, (MemoryError, torch.OutOfMemoryError)) else "error"
    if isinstance(error, CellFailure):
        kind = "rule"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
    try:
        said = str(error).strip().split("\n", 1)[0] or "no message"
    except BaseException:
        said = "no message, its text can't be made"
    said = said if kind == "rule" else f"{type(error).__name__}: {said[:2000]}{where}"
    return {"kind": kind, "reason": said.encode("utf-8", "backslashreplace").decode("utf-8")}
