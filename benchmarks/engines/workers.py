"""What is done on a cluster's worker: it says what it is and whether it fits the sweep, and carries tasks out.

Nothing of Dask is imported at the top: whoever has no cluster may read this too.
"""

import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import joblib
import psutil
import torch

import unlearn_bench
from unlearn_bench import __version__
from unlearn_bench.benchmarks.engines.engine import R, T
from unlearn_bench.benchmarks.referee.conditions import device_name
from unlearn_bench.errors import InputError

_SEEN_WITHIN_S = 30.0
"""So long does a worker wait for a file that the sweep wrote: network folders show new files late."""

_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a worker must be to run cells of a sweep.

    Attributes:
        version, code: of the package; `code` is a hash of its source files.
        token: path of a file in the sweep's folder, where there is one, and `secret`: what is in it. Who can read it
            sees the same folder.
    """

    version: str
    code: str
    token: str = ""
    secret: str = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a worker is.

    Attributes:
        machine: its name. cores: the numbers of those that it may use; cpus: how many it can keep busy.
        gpus: how many it sees. gpu: the name of the first; empty where there is none. cpu: the kind of processor.
        free_bytes: memory that nobody uses on its machine.
    """

    machine: str
    cores: tuple[int, ...]
    cpus: int
    gpus: int
    gpu: str
    cpu: str
    free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Unfit:
    """Why a worker can't run cells of the sweep, and what to do."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Raised:
    """A task that raised an error on its worker, in one line.

    It comes back as a result: Dask's client waits for ever for errors whose traceback can't be sent.

    Attributes:
        said: what the error says. by_task: whether the task meant the user to read it (`InputError`).
    """

    said: str
    by_task: bool


@contextmanager
def expecting(folder: Path | None) -> Iterator[Expected]:
    """What workers have to be, with a token in the sweep's folder for as long as this block runs."""
    expected = {"version": __version__, "code": code_digest()}
    if folder is None:
        yield Expected(**expected)
        return
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    token, secret = folder / f".seen-by-workers-{uuid4().hex}", uuid4().hex
    token.write_text(secret, encoding="utf-8")
    try:
        yield Expected(**expected, token=str(token), secret=secret)
    finally:
        token.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def code_digest() -> str:
    """A hash of the package's source files: 12 hex digits. Equal versions of a checkout may have other code."""
    root = Path(unlearn_bench.__file__).parent
    found = [  # the rooms of an editable install are links
        Path(folder) / name for folder, _, names in os.walk(root, followlinks=True) for name in names
    ]
    digest = hashlib.sha256()
    for path in sorted(path for path in found if path.suffix == ".py"):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def question(expected: Expected) -> str:
    """`look`, as Python that a worker without this package can be asked to evaluate, and then says that it can't.

    A task that it can't read would end it.
    """
    return f"__import__('importlib').import_module({__name__!r}).look({json.dumps(asdict(expected))!r})"


def look(expected: str) -> Found | Unfit:
    """What this worker is, if it fits."""
    try:
        reason = _unfit(Expected(**json.loads(expected)))
        return Unfit(reason=reason) if reason else _found()
    except Exception as error:  # see `Raised`
        return Unfit(reason=f"it can't say what it is ({in_short(error)}); see its log")


def carry(item: T, *, task: Callable[[T], R], folder: Path) -> R | Raised:
    """Run a task on this worker; relative paths mean what they mean in `folder`, where the sweep was started."""
    with ExitStack() as stack:
        with suppress(OSError):  # a folder that only the sweep's machine has: then paths must be absolute
            stack.enter_context(chdir(folder))
        try:
            return task(item)
        except InputError as error:
            return Raised(said=str(error), by_task=True)
        except Exception as error:  # see `Raised`
            return Raised(said=in_short(error), by_task=False)


def in_short(error: BaseException) -> str:
    """An error's kind and the first line of what it says."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"


def _found() -> Found:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    process = psutil.Process()
    return Found(
        machine=platform.node() or "a machine without a name",
        cores=tuple(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else (),
        cpus=joblib.cpu_count(),
        gpus=gpus,
        gpu=device_name("cuda") if gpus else "",
        cpu=device_name("cpu"),
        free_bytes=psutil.virtual_memory().available,
    )


def _unfit(expected: Expected) -> str:
    """Why this process can't run cells of the sweep; empty where it can."""
    if expected.version != __version__ or expected.code != code_digest():
        return (
            f"it has unlearn-bench {__version__} (code {code_digest()}), the sweep {expected.version} (code "
            f"{expected.code}); install the same on all machines and start the workers anew"
        )
    threads = _threads()
    if threads != 1:
        return (
            f"it runs {threads} tasks at a time in one process, and a cell needs a process for itself; start workers "
            "with --nthreads 1 (and --nworkers for more than one on a machine)"
        )
    return _blind(Path(expected.token), expected.secret) if expected.token else ""


def _blind(token: Path, secret: str) -> str:
    """Why this process can't use the folder of the token; empty where it can."""
    folder, end = token.parent, time.monotonic() + _SEEN_WITHIN_S
    while _text(token) != secret:
        if time.monotonic() > end:
            return (
                f"it does not see the sweep's folder {str(folder)!r} (no {token.name!r} in it after "
                f"{_SEEN_WITHIN_S:.0f} s); give a folder that all machines share"
            )
        time.sleep(_POLL_S)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"it can't write to the sweep's folder {str(folder)!r} ({error.strerror}); mend its permissions there"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _threads() -> int:
    from distributed import get_worker  # noqa: PLC0415  (only workers have it for sure)

    return int(get_worker().state.nthreads)
