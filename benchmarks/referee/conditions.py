"""Under what conditions a run took place, for its record."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib

from unlearn_bench import __version__
from unlearn_bench.benchmarks.isolation.measuring import counted_memory
from unlearn_bench.errors import InputError

_PACKAGES = ("torch", "torchvision", "open_clip_torch", "numpy", "pillow", "scikit-learn", "matplotlib")

_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""On Linux, what NVIDIA's driver, AMD's, and that of Windows beneath it make there; one of them, where a GPU is."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the sweep decided for its workers.

    Attributes:
        device: where models run. jobs: workers at a time. threads: of each worker.
        commit: of the project's checkout, with `+dirty` where files differ from it; None for an installed package.
    """

    device: str
    jobs: int
    threads: int
    commit: str | None


def choose_device(name: str) -> str:
    """`auto` is the GPU where there is one; anything else is taken as it is, if this machine has it.

    torch is asked only where the answer is not plain: where it is not needed for anything else, it is not waited for.
    """
    if name == "cpu" or (name == "auto" and _has_no_gpu()):
        return "cpu"
    import torch  # noqa: PLC0415

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise InputError(f"device {name!r} can't be used ({reason}); give auto, cpu, cuda or cuda:N") from error
    return name


def _has_no_gpu() -> bool:
    """Whether the system shows no driver of a GPU that torch could use; False where it would not show one anyway."""
    return sys.platform == "linux" and "torch" not in sys.modules and not any(map(os.path.exists, _DRIVERS))


def conditions_for(device: str, jobs: int, threads: int = 0) -> Conditions:
    """Workers and threads so that no core is asked twice: one worker per core, or per GPU.

    Args:
        jobs: workers; 0: as many as there are cores for, or GPUs.
        threads: of each worker; 0: what OMP_NUM_THREADS says, or else the cores shared among the workers.

    Raises:
        InputError: OMP_NUM_THREADS is no number above 0.
    """
    cores, threads = joblib.cpu_count(), threads or _wished_threads()
    if jobs == 0:
        gpus = import_module("torch").cuda.device_count() if device == "cuda" else 1
        jobs = max(1, cores // max(1, threads) if device == "cpu" else gpus)
    return Conditions(device=device, jobs=jobs, threads=threads or max(1, cores // jobs), commit=current_commit())


def _wished_threads() -> int:
    """What OMP_NUM_THREADS asks for (of a list, its outermost level), 0 where it is not set."""
    text = os.environ.get("OMP_NUM_THREADS", "").strip()
    first = text.partition(",")[0].strip()
    if text and not (first.isdecimal() and 0 < int(first[:6]) <= 9999):
        raise InputError(f"OMP_NUM_THREADS is {text!r}, not a number above 0; mend it, or give --threads")
    return int(first or 0)


def describe(conditions: Conditions) -> dict[str, Any]:
    """The record's provenance.

    `contended`: other cells of the sweep ran beside this one. How busy the machine was otherwise is measured while a
    method runs (`measuring.Load`) and stands in the record as `cpu_share` and `others_cpu_share`. Tables mark seconds
    of runs with company, since a neighbour slows them, and memory that was counted in another way.
    """
    return {
        "version": __version__,
        "commit": conditions.commit,
        "packages": dict(_packages()),
        "device": device_name(conditions.device),
        "jobs": conditions.jobs,
        "threads": conditions.threads,
        "contended": conditions.jobs > 1,
        "memory": counted_memory(conditions.device),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@lru_cache(maxsize=1)
def _packages() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def device_name(device: str) -> str:
    """The GPU's name, or the kind of processor."""
    if device.startswith("cuda"):
        return str(import_module("torch").cuda.get_device_name(device))
    return f"cpu {platform.machine()}"


def current_commit() -> str | None:
    """The commit of the checkout that this package is in, or None."""
    here = Path(__file__).resolve()  # git refuses paths that lead through the editable install's links

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *words], cwd=here.parent, capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "--short=12", "HEAD")
    if not commit or git("ls-files", "--error-unmatch", str(here)) is None:
        return None
    return f"{commit}+dirty" if git("status", "--porcelain", "--untracked-files=no") else commit
