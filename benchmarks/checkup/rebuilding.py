"""Is it the same model wherever it is opened: what it is called, and what another process makes of its name.

Run as a module it writes what it makes of a name to a file: workers of a sweep open models by name, as this does.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from unlearn_bench.benchmarks.checkup.subject import TEXTS, Finding, Subject, bad, doubtful, good, some
from unlearn_bench.clip import Clip
from unlearn_bench.models.names import shown_name
from unlearn_bench.models.sources import open_model
from unlearn_bench.registry import is_path_target


def identity(subject: Subject) -> Iterator[Finding]:
    """What reports call the model, and how large it is."""
    clip = subject.clip
    name = shown_name(subject.spec, clip.name)
    if not name.strip():
        yield bad("model", "it has no name; give it one, which reports show")
        return
    broken = [n for n, value in clip.state().items() if not bool(torch.isfinite(value).all())]
    if broken:
        yield bad("model", f"values of {some(broken)} are not finite; check the weights")
        return
    sizes = dict.fromkeys(("image", "text", "joint"), 0)
    for weight in clip.weights():
        sizes[weight.place.tower] += weight.value.numel()
    parts = f"{millions(sizes['image'])} image, {millions(sizes['text'])} text"
    size = f"{millions(sum(sizes.values()))} parameters ({parts}), {clip.image_size} px"
    yield good("model", f"{name!r}, fingerprint {clip.fingerprint()}, {size}")
    if is_path_target(subject.spec) and name != clip.name:
        yield doubtful("model", f"it calls itself {clip.name!r}; reports say {name!r}, since they name no folders")


def millions(count: int) -> str:
    """A number of parameters for people.

    >>> millions(2_345_678), millions(1_234)
    ('2.35 M', '1.2 k')
    """
    return f"{count / 1e6:.2f} M" if count >= 100_000 else f"{count / 1e3:.1f} k"


def rebuilt(subject: Subject) -> Iterator[Finding]:
    """Opened in another process it has the same tensors, and its tokenizer gives the same ids."""
    about = "built again"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "facts.json"
        ended = subprocess.run(
            [sys.executable, "-P", "-m", __name__, subject.spec, str(out)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(item or os.getcwd() for item in sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode or not out.is_file():
            said = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
            yield bad(about, f"another process can't open it ({said}); workers open it by its name, so it must")
            return
        other = json.loads(out.read_text(encoding="utf-8"))
    mine = facts(subject.clip)
    moved = [name for name, value in mine["tensors"].items() if other["tensors"].get(name) != value]
    if moved:
        yield bad(
            about,
            f"another process gets other values of {some(moved)}; load weights from a file, or draw them after "
            "torch.manual_seed(..) within torch.random.fork_rng()",
        )
    elif other["fingerprint"] != mine["fingerprint"]:
        yield bad(
            about, "another process gets another fingerprint; mean, std, preparation and architecture must be fixed"
        )
    elif other["tokens"] != mine["tokens"]:
        yield bad(
            about,
            "another process gets other token ids; Python's hash() of a text and the order of a set differ from "
            "process to process",
        )
    else:
        yield good(about, "another process gets the same tensors and token ids")


def facts(clip: Clip) -> dict[str, Any]:
    """What must be equal wherever the model is opened, as plain data."""
    tensors: Mapping[str, str] = {
        name: hashlib.sha256(value.cpu().contiguous().numpy().tobytes()).hexdigest()[:16]
        for name, value in clip.state().items()
    }
    tokens = clip.tokenize(TEXTS)
    return {"fingerprint": clip.fingerprint(), "tensors": dict(tensors), "tokens": tokens.tolist()}


if __name__ == "__main__":
    spec, path = sys.argv[1:]
    Path(path).write_text(json.dumps(facts(open_model(spec))), encoding="utf-8")
