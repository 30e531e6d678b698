"""Unlearned models on disk: what a method made can be measured again without the method, if it is what it says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.cache import atomic_path, make_folder
from unlearn_bench.clip import Clip, changed_names
from unlearn_bench.errors import CellFailure
from unlearn_bench.leaderboards.records.record import Run
from unlearn_bench.leaderboards.records.storage import weights_file
from unlearn_bench.metrics.base import Cost

CONDITIONS = ("device", "jobs", "threads", "contended", "memory")
"""What of a provenance decides whether costs compare."""

_CODE = ("version", "commit")
_FORMAT = 1
_METADATA = "unlearn-bench"


class UnusableWeightsError(ValueError):
    """The file holds no model that this run's method would make; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Unlearned:
    """What a method made of the original model in one run.

    Attributes:
        clip: the model, rebuilt from its tensors.
        record: key of the record of the run in which the method ran.
        request: hash of all that the method was given.
        synthesized: whether it asked for synthetic images.
        cost: seconds of `method` and `synthesis`, and the peak memory.
        provenance: of that record: the conditions of the cost, and which code it was.
    """

    clip: Clip
    record: str
    request: str
    synthesized: bool
    cost: Cost
    provenance: Mapping[str, Any] = field(default_factory=dict)


def keep_weights(out: Path, run: Run, bench: Workbench, unlearned: Unlearned) -> Path:
    """Write the tensors that differ from the original, atomically, with what is needed to trust them.

    Raises:
        OSError: the disk is full.
        InputError: the folder can't be written.
    """
    path = weights_file(out, run)
    make_folder(path.parent, what="folder of kept weights")
    state = unlearned.clip.state()
    said = {
        "format": _FORMAT,
        "key": run.unlearned_key,
        "original": run.fingerprint,
        "unlearned": unlearned.clip.fingerprint(),
        "record": unlearned.record,
        "request": unlearned.request,
        "synthesized": unlearned.synthesized,
        "seconds": dict(unlearned.cost.seconds),
        "peak_memory_bytes": unlearned.cost.peak_memory_bytes,
        "provenance": {
            name: unlearned.provenance[name] for name in (*CONDITIONS, *_CODE) if name in unlearned.provenance
        },
    }
    # Copies, since tensors that share their storage (tied weights) can't be written.
    changed = {name: state[name].cpu().contiguous().clone() for name in changed_names(bench.clip.state(), state)}
    with atomic_path(path) as part:
        save_file(changed, part, metadata={_METADATA: json.dumps(said)})
    return path


def find_weights(path: Path, run: Run, bench: Workbench) -> Unlearned | None:
    """The model that is kept for a run at `path`; None where there is none.

    Raises:
        UnusableWeightsError: the file is cut or edited, of another original, or does not give the model that was
            kept, bit by bit.
    """
    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads((file.metadata() or {})[_METADATA])
        tensors = load_file(path)
    except FileNotFoundError:
        return None
    except (SafetensorError, ValueError, KeyError) as error:
        raise UnusableWeightsError("it is cut, or was written by something else") from error
    if not isinstance(said, dict) or said.get("format") != _FORMAT:
        raise UnusableWeightsError(f"it is not of format {_FORMAT}, which this version reads")
    if said.get("original") != bench.fingerprint:
        raise UnusableWeightsError(f"it is of another original, fingerprint {said.get('original')}")
    if said.get("key") != run.unlearned_key:
        raise UnusableWeightsError("it is of another run")
    try:
        clip = bench.clip.with_state({**bench.clip.state(), **tensors})
        found = Unlearned(
            clip=clip,
            record=str(said["record"]),
            request=str(said["request"]),
            synthesized=bool(said["synthesized"]),
            cost=Cost(seconds=dict(said["seconds"]), peak_memory_bytes=int(said["peak_memory_bytes"])),
            provenance=dict(said["provenance"]),
        )
    except (CellFailure, KeyError, TypeError, ValueError) as error:
        raise UnusableWeightsError(f"its tensors or what it says of them do not fit ({error})") from error
    if clip.fingerprint() != said.get("unlearned"):
        raise UnusableWeightsError("its tensors are not those that were written")
    return found


def origin(unlearned: Unlearned) -> dict[str, Any]:
    """What the record of a run says that was measured from kept weights: whose they are, and which code made them."""
    return {"record": unlearned.record, **{name: unlearned.provenance.get(name) for name in _CODE}}
